"""Pages for browsers, at paths of their own. `app` mounts the routers of this list, before Optuna's dashboard."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: list[APIRouter] = []
