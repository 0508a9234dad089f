"""The lock: who may ask for what, and how much.

`gate` is the middleware before every route: a path that is not in its list of open ones needs a token. `scopes` says
which scope a request needs. `sessions` are those of browsers, with their protection against forged requests. `limits`
bounds bodies and rates, `headers` says what a browser may do with an answer.
"""
