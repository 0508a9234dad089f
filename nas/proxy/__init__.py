"""The proxy on trial: whether a short training ranks necks as the full one does, and how short it may be.

`plan` says what to train (`spread` which necks), `runs` trains it, `evidence` gathers the scores, `compare` and
`ranking` judge them, `verdict` says so in words; `certify` and `cheapest` are the two questions asked of all that, and
`study_file` writes the answer down.
"""

from nas.proxy.certify import certify
from nas.proxy.cheapest import cheapest

__all__ = ["certify", "cheapest"]
