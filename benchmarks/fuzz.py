"""Mutated files: a study, a search space or a data set that is spoilt ends in a sentence, and writes nothing.

Study and space files are spoilt in their bytes, lines, values and keys, and read by `nas validate`. Folders of VOC,
COCO, YOLO and masks are spoilt file by file, and read by `nas data`. What is counted: tracebacks, hangs, files written,
and files read from outside of the data set. Hypothesis chooses the seeds.

Run it by `python benchmarks/fuzz.py --examples 10000 --folders 2000 --json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.folders import KINDS
from fuzzing.guard import Guard
from fuzzing.mutations import keys_of, mutated_bytes, mutated_value, spoil_folder
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from PIL import Image

from nas.yaml12 import dump_yaml, load_yaml

ROOT = Path(__file__).parents[1]

WHOLE = """
name: mine
search_space: pyramid
space: {levels: [3, 4], fusion: [add, attention], width: {min: 16, max: 64, step: 16}, topology: bifpn}
task:
  kind: detection
  data: {kind: voc, root: there, classes: [cat, dog], split: {val: 0.2}, seed: 3, fraction: 0.5, strict: false}
  backbone: {name: tf_efficientnet_lite0, pretrained: false, tune: frozen, levels: [3, 4, 5]}
  head: {kind: fcos}
  image_size: 96
  epochs: 4
full: {epochs: 20, image_size: 128}
objectives: [{metric: ap, direction: maximize}, {metric: params, direction: minimize}]
constraints: {params: 5.0e6, latency_ms: 10}
baselines: [fpn, {name: wide, topology: bifpn, width: 64}]
sampler: {kind: tpe, n_startup_trials: 5}
pruner: none
budget: {trials: 5, seconds: 60}
workers: {count: 2, cpus: 1, gpus: auto}
promotion: none
finalists: {top: 2, seeds: 2}
keep: best 3
export: [onnx]
seed: 1
"""
"""A study with most keys."""


class Files:
    """Mutated study and space files."""

    def __init__(self) -> None:
        paths = [*(ROOT / "studies").glob("*.yaml"), *(ROOT / "search_spaces").glob("*.yaml")]
        self.contents = [*(path.read_bytes() for path in sorted(paths)), WHOLE.encode()]
        self.values = [load_yaml(content.decode(), "a file") for content in self.contents]
        self.keys = sorted({key for value in self.values for key in keys_of(value)})

    def write(self, random: Random, folder: Path) -> Path:
        """One mutated file."""
        which = random.randrange(len(self.contents))
        if random.random() < 0.5:
            content = mutated_bytes(random, self.contents[which], self.contents)
        else:
            value = mutated_value(random, self.values[which], self.keys)
            try:
                content = dump_yaml(value).encode()
            except Exception:  # what YAML cannot hold, JSON can
                content = json.dumps(value).encode()
        path = folder / "mutated.yaml"
        path.write_bytes(content)
        return path


class Trial:
    """Runs examples, and keeps the violations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.guard = Guard()
        self.files = Files()
        self.count: Counter[str] = Counter()
        self.violations: list[dict[str, Any]] = []
        self.outside = folder / "outside"
        self.outside.mkdir()
        Image.new("RGB", (64, 48)).save(self.outside / "secret.png")
        os.chdir(folder)

    def file(self, number: int) -> None:
        """One study or space file."""
        path = self.files.write(Random(number), self.folder)
        self._judge("files", number, ["validate", path.name], None)

    def data_set(self, kind: str, number: int) -> None:
        """One folder."""
        root = self.folder / "data" / "set"
        shutil.rmtree(root.parent, ignore_errors=True)
        KINDS[kind](root)
        spoil_folder(Random(number), root)
        words = ["data", "data/set", *(["--kind", kind] if number % 2 else [])]
        self._judge(kind, number, words, self.outside)

    def _judge(self, what: str, number: int, words: list[str], outside: Path | None) -> None:
        self.count[what] += 1
        found = self.guard.violation(words, outside)
        if found is not None:
            self.violations.append({"what": what, "seed": number, "violation": found})


def run(examples: int, folders: int, seed: int, folder: Path) -> dict[str, Any]:
    """All examples; returns the counts and the violations."""
    trial = Trial(folder.resolve())
    KINDS["voc"](folder / "whole")
    for words in (["validate", "quickstart"], ["data", "whole"]):
        trial.guard.violation(words)  # torch writes a little when it is imported, which is not counted
    began = time.monotonic()
    _run(examples, seed, trial.file)
    for kind in KINDS:
        _run(folders, seed, partial(trial.data_set, kind))
    return {"examples": dict(trial.count), "violations": trial.violations, "seconds": time.monotonic() - began}


def _run(examples: int, seed: int, example: Callable[[int], None]) -> None:
    if not examples:
        return
    checks = {"phases": [Phase.generate], "suppress_health_check": [*HealthCheck]}

    @hypothesis_seed(seed)
    @settings(max_examples=examples, database=None, deadline=None, **checks)
    @given(st.integers(0, 2**63))
    def one(number: int) -> None:
        example(number)

    one()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000, help="study and space files")
    parser.add_argument("--folders", type=int, default=2_000, help="data sets of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", metavar="WHAT:SEED", help="only this example, whose files stay, such as coco:17")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.one is not None:
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        trial, (what, _, number) = Trial(folder), args.one.partition(":")
        trial.file(int(number)) if what == "files" else trial.data_set(what, int(number))
        print(folder, *(v["violation"] for v in trial.violations), sep="\n")
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        found = run(args.examples, args.folders, args.seed, Path(folder))
        os.chdir("/")
    if args.json:
        print(json.dumps(found))
    else:
        for what, count in found["examples"].items():
            print(f"{what:8} {count:>7,} mutations, {sum(v['what'] == what for v in found['violations'])} violations")
        print(*(f"{v['what']}:{v['seed']} {v['violation']}" for v in found["violations"][:20]), sep="\n")
    sys.exit(bool(found["violations"]))


if __name__ == "__main__":
    main()
