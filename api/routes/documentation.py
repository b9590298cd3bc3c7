"""`/docs`: the OpenAPI document as a page. Its scripts come from a package, so that it needs nobody else's server."""

from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from api.audience import PUBLIC

router = APIRouter(prefix="/docs", include_in_schema=False, dependencies=[PUBLIC])

_FILES = Path(str(files("fastapi_offline") / "static"))

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Everorder: API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="swagger-ui" data-document="/openapi.json"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

# A file of its own, since the page may run no script that stands in it.
_START = """const place = document.getElementById("swagger-ui");
SwaggerUIBundle({ domNode: place, url: place.dataset.document, deepLinking: true, tryItOutEnabled: true });
"""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}
_KEPT = {"Cache-Control": "public, max-age=86400"}


class _File(StrEnum):
    SCRIPT = "swagger-ui-bundle.js"
    STYLE = "swagger-ui.css"


@router.get("")
async def show_documentation() -> HTMLResponse:
    """Show the page."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/start.js")
async def start_documentation() -> Response:
    """Tell the page where its document is."""
    return Response(_START, media_type="text/javascript", headers=_KEPT)


@router.get("/{name}")
async def get_documentation_file(name: _File) -> FileResponse:
    """Hand out a script or a style of Swagger UI."""
    return FileResponse(_FILES / name, headers=_KEPT)
