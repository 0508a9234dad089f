"""/docs: Swagger UI on our OpenAPI document. Its files come with a package; nothing is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse, Response

from nas.service.problems import Refusal

router = APIRouter(include_in_schema=False)

FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>pyramid-nas: the HTTP interface</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

START = """window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""


@router.get("/docs")
async def page() -> Response:
    """Swagger UI."""
    return HTMLResponse(PAGE)


@router.get("/docs/{name}")
def file(name: Annotated[str, Path(max_length=100)]) -> Response:
    """A file of Swagger UI."""
    if name == "start.js":
        return Response(START, media_type="text/javascript")
    if name not in FILES:
        raise Refusal(404, f"there is no {name!r}")
    content = files("swagger_ui").joinpath("static", name).read_bytes()
    return Response(content, media_type=FILES[name], headers={"Cache-Control": "private, max-age=3600"})
