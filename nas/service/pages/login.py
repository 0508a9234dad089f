"""/login, and `/`, which leads to the studies."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from nas.service.pages.render import page

router = APIRouter(include_in_schema=False)


@router.get("/login")
def log_in(request: Request) -> Response:
    """Where a browser shows its token."""
    return page(request, "login.html")


@router.get("/")
def first() -> Response:
    """The first page."""
    return RedirectResponse("/studies")
