"""What a model costs: parameters, multiply-accumulates and memory on the meta device, latency by the clock."""

from nas.models.cost.latency import LEAST, Latency, intra_op_threads, latency
from nas.models.cost.parts import Cost, Part, cost, parameters, total_parameters
from nas.models.cost.static import static_costs
from nas.models.cost.targets import (
    CALIBRATION,
    TARGETS,
    Prepared,
    prepare,
    quantized,
    session,
    synchronise,
    target_fault,
)

__all__ = [
    "CALIBRATION",
    "LEAST",
    "TARGETS",
    "Cost",
    "Latency",
    "Part",
    "Prepared",
    "cost",
    "intra_op_threads",
    "latency",
    "parameters",
    "prepare",
    "quantized",
    "session",
    "static_costs",
    "synchronise",
    "target_fault",
    "total_parameters",
]
