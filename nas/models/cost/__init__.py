"""What a model costs: parameters, multiply-accumulates and memory on the meta device, latency by the clock."""

from nas.models.cost.latency import (
    LEAST,
    TARGETS,
    Latency,
    intra_op_threads,
    latency,
    synchronise,
    target_fault,
)
from nas.models.cost.parts import Cost, Part, cost, parameters, total_parameters
from nas.models.cost.static import static_costs

__all__ = [
    "LEAST",
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
