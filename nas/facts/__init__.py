"""What is known of studies, as data and as text: the same for the command line, for HTTP and for pages.

Each function reads a store and returns `Facts`: what `--json` and the service give, and what a terminal shows.
`tables` makes aligned text of results; `studies` and `trials` are `nas ls`, `show` and `logs`; `effects` and
`validation` are the verbs of their names. Nothing here writes, and nothing needs torch before it is called.
"""

from nas.facts.facts import Facts

__all__ = ["Facts"]
