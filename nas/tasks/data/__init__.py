"""Data sets by kind: `check(spec)` tells what is wrong before anything is read, `load(spec, image_size)` reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nas.errors import Fault
from nas.study import DataSpec
from nas.tasks.data import digits
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.faults import Faults

__all__ = ["DATA", "Dataset", "Faults", "Loader", "Split", "check", "load"]


class Loader(NamedTuple):
    """A kind of data: a cheap check of its spec, with paths relative to the spec, and the reading itself."""

    check: Callable[[DataSpec], list[Fault]]
    load: Callable[[DataSpec, int, bool], Dataset]


DATA: dict[str, Loader] = {
    "digits": Loader(digits.check, digits.load),
}


def check(spec: DataSpec) -> list[Fault]:
    """What is wrong with `spec`, seen without decoding an image."""
    if spec.kind not in DATA:
        return [Fault("kind", f"unknown {spec.kind!r}; one of {', '.join(DATA)}")]
    return DATA[spec.kind].check(spec)


def load(spec: DataSpec, image_size: int, hold: bool = True) -> Dataset:
    """Read the data set. Without `hold` its images stay in their files, to be read by `Split.batch`."""
    return DATA[spec.kind].load(spec, image_size, hold)
