"""Names of classes as people write them, and which classes of a data set have objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

import numpy as np

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data.dataset import Dataset, Split
from nas.tasks.data.faults import Faults


def read_name(name: object, faults: Faults) -> str:
    """The name without blanks around it, which do not count."""
    bare = str(name).strip()
    if bare != str(name):
        faults.note(f"the class {str(name)!r} is read as {bare!r}, without blanks around it")
    return bare


def note_case(classes: Iterable[str], faults: Faults) -> None:
    """Note classes that differ in case alone, often a slip; they stay two classes."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike[name.casefold()].append(name)
    for names in alike.values():
        if len(names) > 1:
            faults.note(f"the classes {', '.join(names)} differ in case alone and are kept apart: are they one?")


def present(split: Split, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that have an object in `split`, other than crowds."""
    if split.masks is not None:
        found = {int(label) - 1 for mask in split.masks for label in np.unique(mask)}
    else:
        found = set(split.labels[~split.crowd].tolist())
    return tuple(name for label, name in enumerate(classes) if label in found)


def absent(dataset: Dataset, *splits: Split) -> tuple[str, ...]:
    """The classes that have an object in none of `splits`."""
    found = {name for split in splits for name in present(split, dataset.classes)}
    return tuple(name for name in dataset.classes if name not in found)


def check_listed(spec: DataSpec, dataset: Dataset, known: Collection[str] = ()) -> None:
    """Refuse a class that the user lists and that has no object, unless it is `known`: it is probably misspelt.

    Raises:
        UserError: there is one.
    """
    missing = [name for name in absent(dataset, dataset.train, dataset.val) if name not in known]
    if spec.classes and missing:
        has = f"; the data has {', '.join(dataset.occurring)}" if dataset.occurring else ""
        raise UserError(f"{spec.root}: no object of the class {with_close(missing, dataset.occurring)}{has}")


def with_close(names: Iterable[str], known: Collection[str]) -> str:
    """`names`, separated by commas, each with the name among `known` that it may be meant for."""
    lower = {name.lower(): name for name in known}
    result = []
    for name in names:
        close = get_close_matches(name.lower(), lower, n=1)
        result.append(f"{name} (did you mean {lower[close[0]]}?)" if close and name not in known else name)
    return ", ".join(result)


def remarks(dataset: Dataset) -> Iterator[str]:
    """A line for the classes without an object: in both parts, in training, in validation."""
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
