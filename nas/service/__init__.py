"""What is served over HTTP: studies, their queue, pages, and Optuna's dashboard.

`app` composes an application from plain lists: `routes` (everything under /v1 and about the service itself), the pages,
and at last Optuna's dashboard, all behind the `lock`. `queue` runs jobs in processes of their own. `settings` is what
an operator chooses, `stores` the database connections, `posts` reads what users send, `problems` what they get back
when something is wrong. `dashboard` alone is what `nas dashboard` serves.

FastAPI, uvicorn and their company enter here and nowhere else. Handlers only translate: what a route answers comes from
`nas.facts`, which the command line uses too.
"""
