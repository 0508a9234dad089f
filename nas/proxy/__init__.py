"""The proxy on trial: whether a short training ranks necks as the full one does, and which predicts it best.

`plan` says what to train, `runs` trains it, `certify` compares (`ranking`) and gives a verdict.
"""

from nas.proxy.certify import certify

__all__ = ["certify"]
