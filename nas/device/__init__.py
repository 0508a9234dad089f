"""The user's device: `runner` times models on it and answers over HTTP, `client` asks it.

`runner` is one file that can be copied alone: it needs Python, numpy and the runtime. Nothing here knows torch.
"""
