"""What a model costs: parameters, multiply-accumulates and memory on the meta device, latency by the clock."""

from nas.models.cost.latency import (
    RUNS,
    TARGETS,
    Latency,
    intra_op_threads,
    latency,
    synchronise,
    target_fault,
)
from nas.models.cost.parts import Cost, Part, cost, parameters, static_costs, total_parameters

__all__ = [
    "RUNS",
    "TARGETS",
    "Cost",
    "Latency",
    "Part",
    "cost",
    "intra_op_threads",
    "latency",
    "parameters",
    "static_costs",
    "synchronise",
    "target_fault",
    "total_parameters",
]
