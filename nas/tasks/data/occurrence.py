"""Which classes have objects in a data set, and what to say of those that have none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

import numpy as np

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset, Split


def present(split: Split, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that have an object in `split`, other than crowds."""
    if split.masks is not None:
        found = {int(label) for mask in split.masks for label in np.unique(mask)}
        return tuple(name for label, name in enumerate(classes, start=1) if label in found)
    found = set(split.labels[~split.crowd].tolist())
    return tuple(name for label, name in enumerate(classes) if label in found)


def absent(dataset: Dataset, *splits: Split) -> tuple[str, ...]:
    """The classes that have an object in none of `splits`."""
    found = {name for split in splits for name in present(split, dataset.classes)}
    return tuple(name for name in dataset.classes if name not in found)


def check_listed(spec: DataSpec, dataset: Dataset, known: Collection[str] = ()) -> None:
    """Refuse a class that the user lists and that has no object, unless it is `known`: it is a slip of the pen.

    Raises:
        UserError: there is one.
    """
    missing = [name for name in absent(dataset, dataset.train, dataset.val) if name not in known]
    if spec.classes and missing:
        has = f"; the data has {', '.join(dataset.occurring)}" if dataset.occurring else ""
        raise UserError(f"{spec.root}: no object of the class {with_close(missing, dataset.occurring)}{has}")


def with_close(names: Iterable[str], known: Collection[str]) -> str:
    """`names` in a row, each with the name among `known` that it may be meant for."""
    lower = {name.lower(): name for name in known}
    shown = []
    for name in names:
        close = get_close_matches(name.lower(), lower, n=1)
        shown.append(f"{name} (did you mean {lower[close[0]]}?)" if close and name not in known else name)
    return ", ".join(shown)


def remarks(dataset: Dataset) -> Iterator[str]:
    """A line for what is missing: in both parts, in training, in validation."""
    nowhere = absent(dataset, dataset.train, dataset.val)
    untrained = [name for name in absent(dataset, dataset.train) if name not in nowhere]
    unmeasured = absent(dataset, dataset.val)
    if nowhere:
        yield f"no object of the class {', '.join(nowhere)} in train or val"
    if untrained:
        yield f"no object of the class {', '.join(untrained)} in train: it cannot be learnt"
    if unmeasured:
        found = len(dataset.classes) - len(unmeasured)
        only = [name for name in unmeasured if name not in nowhere]
        missing = f"no object of the class {', '.join(only)} in val: " if only else ""
        yield f"{missing}metrics are over the {found} of {len(dataset.classes)} classes that occur in val"
