"""Room: how many workers fit onto the nodes of a cluster, and how many GPUs each gets.

`workers.gpus: auto` gives each worker a GPU, or a share where there are more workers than GPUs (see decisions:
gpus-by-default).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.studies.spec import Workers, available_cpus

MOST_SHARES = 4
"""Workers that share a GPU at most where their number is not given."""

_PARTS = 10_000
"""Ray counts shares of a GPU in parts of so many."""

Node = Mapping[str, float]
"""The resources of a node by Ray's names: CPU, GPU."""


def room(node: Node, workers: Workers) -> int:
    """Workers that fit onto one node. A share of a GPU cannot span two: 0.4 fits twice into each."""
    assert workers.gpus != "auto"
    fits = _fits(node.get("CPU", 0), workers.cpus)
    if not workers.gpus:
        return fits
    if workers.gpus >= 1:
        return min(fits, _fits(node.get("GPU", 0), workers.gpus))
    whole, part = divmod(node.get("GPU", 0), 1)
    return min(fits, int(whole) * _fits(1, workers.gpus) + _fits(part, workers.gpus))


def with_gpus(workers: Workers, nodes: Sequence[Node]) -> Workers:
    """The workers with a number of GPUs each in place of `auto`: the largest with which the most fit onto the nodes.

    Without a GPU on any node that is 0. All workers get the same, so that their trials can be compared.
    """
    if workers.gpus != "auto":
        return workers
    if not any(node.get("GPU", 0) >= 1 for node in nodes):
        return workers.model_copy(update={"gpus": 0.0})
    most = MOST_SHARES if workers.count == "auto" else workers.count
    shares = [workers.model_copy(update={"gpus": _share(number)}) for number in range(1, most + 1)]
    wanted = math.inf if workers.count == "auto" else workers.count
    return max(shares, key=lambda asked: min(wanted, sum(room(node, asked) for node in nodes)))


def own_cpus(workers: Workers) -> int:
    """Cores of a cluster that is started on this machine: more than it has, if that many workers are asked for."""
    wanted = 0 if workers.count == "auto" else math.ceil(workers.count * workers.cpus)
    return max(available_cpus(), wanted)


def describe(workers: Workers) -> str:
    """The workers in a sentence's words."""
    count = "as many as there is room for" if workers.count == "auto" else str(workers.count)
    gpus: Any = workers.gpus
    of_gpu = "no GPU" if not gpus else f"{gpus:g} of a GPU" if gpus < 1 else f"{gpus:g} GPU{'s' * (gpus > 1)}"
    return f"{count}, each with {workers.cpus:g} CPU{'s' * (workers.cpus != 1)} and {of_gpu}"


def _share(number: int) -> float:
    """The share of a GPU that so many workers can have at a time, as Ray counts."""
    return _PARTS // number / _PARTS


def _fits(whole: float, part: float) -> int:
    return math.floor(whole / part + 1e-9)
