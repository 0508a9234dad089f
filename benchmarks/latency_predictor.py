"""The latency predictor against measurement, on a stratified sample of necks.

    python benchmarks/latency_predictor.py                                      # 60 necks of `pyramid`, torch
    python benchmarks/latency_predictor.py --target onnxruntime-int8 --image-size 320
    python benchmarks/latency_predictor.py --necks 10                           # a look

Each neck is measured whole, beside nothing, with the study's lock; and predicted from the table of operations, whose
factor is learned from the other necks. Run it on an idle machine: under load it measures the load.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from contextlib import closing
from datetime import date
from typing import Any

import numpy as np
import torch

from nas.device.runner import processor
from nas.models import build_with_head
from nas.models.backbone import channels
from nas.models.cost import TARGETS, latency, static_costs
from nas.models.cost.predictor import Predictor
from nas.models.measurement_lock import MeasurementLock
from nas.necks.architecture import Architecture, BackboneSpec, Frame, HeadSpec
from nas.necks.spec import NeckSpec
from nas.proxy.sample import stratified_sample
from nas.studies import catalog

BACKBONE = BackboneSpec(name="tf_efficientnet_lite0", levels=(2, 3, 4, 5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="torch", choices=TARGETS)
    parser.add_argument("--space", default="pyramid")
    parser.add_argument("--necks", type=int, default=60)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    frame = Frame(channels=channels(BACKBONE), image_size=args.image_size)

    def whole(neck: NeckSpec) -> Architecture:
        backbone = BACKBONE.model_copy(update={"levels": neck.inputs})
        return Architecture(backbone=backbone, neck=neck, head=HeadSpec(classes=("a",)), image_size=args.image_size)

    space = catalog.read_space(args.space)
    sample = stratified_sample(space, frame, lambda neck: static_costs(whole(neck))["macs"] or 0.0, args.necks)
    predictor = Predictor(args.target)
    began, tables, pairs = time.monotonic(), 0.0, []
    for k, one in enumerate(sample):
        architecture = whole(one.neck)
        start = time.monotonic()
        total = predictor.summed(architecture)
        tables += time.monotonic() - start
        model = build_with_head(architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with closing(MeasurementLock()) as lock:
            pairs.append((total, latency(model, target=args.target, quiet=lock.exclusive()).model))
        print(f"{k + 1} of {len(sample)}: summed {total:.2f} ms, measured {pairs[-1][1]:.2f} ms", file=sys.stderr)
    found = _errors(pairs) | {
        "target": args.target,
        "necks": len(pairs),
        "operations": len(predictor.table),
        "table_seconds": round(tables, 1),
        "seconds": round(time.monotonic() - began, 1),
        "processor": processor(),
        "python": platform.python_version(),
        "date": str(date.today()),
    }
    if args.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<14} {value}")


def _errors(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Errors as parts of what was measured, each neck predicted with the factor of the others."""
    ratios = [ms / total for total, ms in pairs]
    errors = [
        abs(statistics.median(ratios[:k] + ratios[k + 1 :]) * total / ms - 1) for k, (total, ms) in enumerate(pairs)
    ]
    return {
        "median_error": round(statistics.median(errors), 4),
        "error_90": round(float(np.quantile(errors, 0.9)), 4),
        "factor": round(statistics.median(ratios), 3),
    }


if __name__ == "__main__":
    main()
