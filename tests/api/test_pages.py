"""The pages a browser opens load everything from the server itself."""

import re

import pytest


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_asks_no_other_host_for_anything(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']([^\"']+)", page.text)
    assert loaded
    for address in loaded:
        assert address.startswith("/")
        assert client.get(address).status_code == 200


def test_the_docs_show_the_api_that_is_served(client):
    assert "/openapi.json" in client.get("/docs").text
    assert "/v1/chat/completions" in client.get("/openapi.json").json()["paths"]
