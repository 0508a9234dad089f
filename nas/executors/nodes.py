"""The nodes that workers would run on, before there is an executor. Ray is imported only if it must be asked."""

from __future__ import annotations

import sys

from nas.executors.room import Node, own_cpus
from nas.studies.spec import Workers


def nodes_of(address: str | None, workers: Workers) -> list[Node]:
    """The nodes that workers would run on.

    Raises:
        UserError: there is no cluster at `address`.
    """
    ray = sys.modules.get("ray")
    if address is not None or (ray is not None and ray.is_initialized()):
        from nas.executors.cluster import nodes_at  # imports Ray

        return nodes_at(address)
    import torch

    return [{"CPU": own_cpus(workers), "GPU": torch.cuda.device_count()}]
