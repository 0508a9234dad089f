"""Proxy evaluation: does a short training rank necks as the full one does, and how short may it be?

`plan` lists what to train (`spread` chooses the necks), `runs` trains it, `evidence` gathers the scores, `compare` and
`ranking` judge them. `proof` certifies a study's own proxy; `cheapest` searches `settings` for the cheapest that ranks
well, and `study_file` writes it down. `outlook` says beforehand what there is to train.
"""

from nas.proxy.cheapest import cheapest, check_search
from nas.proxy.outlook import outlook
from nas.proxy.proof import certify

__all__ = ["certify", "cheapest", "check_search", "outlook"]
