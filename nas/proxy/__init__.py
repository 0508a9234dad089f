"""The proxy on trial: whether a short training ranks necks as the full one does, and how cheap it may be.

`plan` says what to train (`spread` which necks), `runs` trains it, `evidence` gathers the scores, `compare` and
`ranking` judge them, `verdict` says so in words. Two questions are asked of all that: in `proof`, and in `cheapest`,
which tries `settings`; `study_file` writes the second's answer down. `outlook` tells beforehand what there is to train.
"""

from nas.proxy.cheapest import cheapest, check_search
from nas.proxy.outlook import outlook
from nas.proxy.proof import certify

__all__ = ["certify", "cheapest", "check_search", "outlook"]
