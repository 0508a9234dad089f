"""Proxy evaluation: does a short training rank necks as the full one does, and how short may it be?

`sample` chooses necks, `plan` lists their runs, `runs` trains them, `evidence` turns the evaluations into certificates
by `compare` and `ranking`. `certify` judges a study's own proxy, `cheapest` finds the cheapest that ranks well,
`study_file` writes it down, and `outlook` counts what there is to train.
"""

from nas.proxy.certify import certify
from nas.proxy.cheapest import cheapest, check_search
from nas.proxy.outlook import outlook

__all__ = ["certify", "cheapest", "check_search", "outlook"]
