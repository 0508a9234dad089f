"""The routes: one kind of thing a file. `ROUTERS` is what `app` composes."""

from nas.service.routes import about, events, exports, jobs, posting, session, studies, tokens, trials

_MODULES = (studies, posting, trials, events, exports, jobs, tokens, session, about)

ROUTERS = [router for module in _MODULES for router in module.ROUTERS]
