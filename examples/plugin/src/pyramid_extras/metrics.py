"""Our metrics."""

from nas.necks.architecture import Architecture
from nas.studies.metrics import Metric


def nodes(architecture: Architecture) -> int:
    return len(architecture.neck.nodes)


NODES = Metric("nodes of the neck", "minimize", of_architecture=nodes)
COUNT_ERROR = Metric("mean absolute error of the number of objects", "minimize")
