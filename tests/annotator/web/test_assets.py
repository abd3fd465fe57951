"""Static files: kept for good under an address that changes with them, and named at once with all that they import."""

import re
from pathlib import Path

import httpx

from annotator.paths import static_dir, templates_dir
from annotator.web.assets import Assets
from tests.annotator.program import Annotator


def test_a_page_names_its_files_under_lasting_addresses(annotator_server: Annotator) -> None:
    page = httpx.get(f"{annotator_server.url}/").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) > 4
    for address in addresses:
        answer = httpx.get(f"{annotator_server.url}{address}")
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["cache-control"], address


def test_no_template_and_no_script_names_a_file_past_its_lasting_address() -> None:
    # One script under two addresses would be two scripts, each with a state of its own.
    loose = [
        path.name
        for folder, suffix in ((templates_dir() / "annotator", "*.html"), (static_dir() / "annotator", "*.js"))
        for path in folder.rglob(suffix)
        if re.search(r"""["']/static/""", path.read_text(encoding="utf-8"))
    ]
    assert loose == []


def test_a_changed_file_changes_the_address_and_scripts_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    (folder / "deep").mkdir(parents=True)
    (folder / "main.js").write_text(
        'import { a } from "./deep/a.js";\nimport "./side.js";\nconst b = import("./b.js");'
    )
    (folder / "deep" / "a.js").write_text('export { c } from "../c.js";')
    for name in ("side.js", "b.js", "c.js"):
        (folder / name).write_text('import "./main.js";')
    before = Assets(tmp_path)
    assert {address.removeprefix(before.url("")) for address in before.modules("app/main.js")} == {
        "app/main.js",
        "app/deep/a.js",
        "app/side.js",
        "app/b.js",
        "app/c.js",
    }
    (folder / "c.js").write_text('import "./main.js";;')
    assert Assets(tmp_path).build != before.build


def test_every_script_of_ours_that_is_imported_is_there() -> None:
    assets = Assets(static_dir())
    for script in (static_dir() / "annotator").rglob("*.js"):
        path = script.relative_to(static_dir()).as_posix()
        for address in assets.modules(path):
            assert (static_dir() / address.removeprefix(assets.url(""))).is_file(), f"{path} imports {address}"
