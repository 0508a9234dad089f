"""What a model costs: parameters, multiply-accumulates and memory on the meta device, latency by the clock."""

from nas.models.cost.latency import (
    RUNS,
    TARGETS,
    Latency,
    fault_of_target,
    intra_op_threads,
    latency,
    one_thread,
    synchronise,
)
from nas.models.cost.parts import Cost, Part, cost, parameters, static_costs, total_parameters

__all__ = [
    "RUNS",
    "TARGETS",
    "Cost",
    "Latency",
    "Part",
    "cost",
    "fault_of_target",
    "intra_op_threads",
    "latency",
    "one_thread",
    "parameters",
    "static_costs",
    "synchronise",
    "total_parameters",
]
