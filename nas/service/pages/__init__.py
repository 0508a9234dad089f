"""Pages for browsers, at paths of their own. `app` mounts the routers of this list, before Optuna's dashboard.

`render` fills templates, `assets` are the style and the scripts, and the others are a page a file: `login`, `studies`,
`launch`, `study` with the `parts` that are loaded after it, `trial`, `compare`. Pages read what `nas.report` and
`nas.facts` read; what changes something goes through the routes under /v1, as from any other client.
"""

from __future__ import annotations

from fastapi import APIRouter

from nas.service.pages import assets, compare, launch, login, parts, studies, study, trial

ROUTERS: list[APIRouter] = [module.router for module in (assets, login, studies, launch, study, parts, trial, compare)]
