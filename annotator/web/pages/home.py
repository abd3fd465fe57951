"""The API's documentation."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The API, browsable, with scripts that ship with Rhumb."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="MapQaTor API",
        swagger_js_url="/static/vendor/swagger-ui/swagger-ui-bundle.js",
        swagger_css_url="/static/vendor/swagger-ui/swagger-ui.css",
        swagger_favicon_url="/static/rhumb.svg",
    )
    # FastAPI's page starts Swagger with an inline script, which no other page of ours may have.
    page.headers["content-security-policy"] = (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"
    )
    return page
