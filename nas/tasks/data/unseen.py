"""Images for tests: announced when the data is read, decoded only where something is judged on them.

No fault of theirs keeps a study from its search: images that cannot be used are noted with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

import numpy as np

from nas.errors import Fault, SpecError, UserError, first_line
from nas.studies.spec import DataSpec
from nas.tasks.data.annotated import Annotated, Parts, Unseen
from nas.tasks.data.dataset import ReadTest, Split
from nas.tasks.data.decoding import Divide, Label, ReadPart, holds, note_treated, read_part
from nas.tasks.data.faults import Faults, refuse_if_strict

L = TypeVar("L")

TWIN = "test image that is in train or val too"


def find(
    place: str,
    read: Callable[[Faults], list[Annotated]],
    faults: Faults,
    classes: Collection[str] | None = None,
    annotated: Callable[[Annotated], bool] = lambda item: bool(item.boxes),
) -> Unseen | None:
    """The annotated images for tests; None, with a note, if there are none.

    Args:
        place: where they come from, for the user.
        read: returns them; adds to the given faults what is left out.
        faults: takes the note.
        classes: those of train and val; objects of others are left out. None: all.
        annotated: whether an image has an annotation.
    """
    own = Faults()
    try:
        items = read(own)
    except (UserError, OSError) as error:
        faults.note(f"{place} is not used: {first_line(error)}")
        return None
    if classes is not None:
        strange = {box.label for item in items for box in item.boxes} - set(classes)
        for item in items:
            item.boxes = [box for box in item.boxes if box.label not in strange]
        if strange:
            own.note(f"{place}: objects of {', '.join(sorted(strange))}, which train and val lack, are left out")
    if not any(map(annotated, items)):
        what = "no object is annotated in its images" if items else "none of its images can be read"
        faults.note(f"{place} is not used: {what}{_counted(own)}")
        return None
    return Unseen(place, items, own)


def set_apart(spec: DataSpec, parts: Parts, faults: Faults) -> Parts:
    """The parts, none of whose images for tests is in another; with `test_fraction` some of train are set aside.

    Raises:
        SpecError: `test_fraction`, where there are images for tests.
    """
    test = _without_twins(parts, faults) if parts.test is not None else None
    if test is not None and spec.test_fraction:
        way = f"the data have images for tests, {test.place}: leave the key out"
        raise SpecError("", [Fault("task.data.test_fraction", way)])
    if test is None and spec.test_fraction and len(parts.train) > 1:
        parts, test = _set_aside(spec, parts)
    if test is not None:
        count = len(test.items)
        faults.note(f"{test.place}: {count} test image{'s' if count > 1 else ''}, which nothing is chosen on")
    return parts._replace(test=test)


def _without_twins(parts: Parts, faults: Faults) -> Unseen | None:
    assert parts.test is not None
    place, items, own = parts.test
    others = {item.path for item in (*parts.train, *parts.val)}
    for item in items:
        if item.path in others:
            own.add(TWIN, str(item.path))
    apart = [item for item in items if item.path not in others]
    if not apart:
        faults.note(f"{place} is not used: all its images are in train or val too")
    return Unseen(place, apart, own) if apart else None


def _set_aside(spec: DataSpec, parts: Parts) -> tuple[Parts, Unseen]:
    """Training and validation with fewer training images, and those that were taken away, drawn by seed."""
    total, share = len(parts.train), f"{100 * spec.test_fraction:g} % of the training images"
    count = min(max(1, round(spec.test_fraction * total)), total - 1)
    # Not the generator of `val_fraction`, so that the two shares are drawn apart.
    chosen = set(np.random.default_rng((spec.seed, 2)).permutation(total)[:count].tolist())
    kept = [item for i, item in enumerate(parts.train) if i not in chosen]
    taken = [item for i, item in enumerate(parts.train) if i in chosen]
    how = f"{parts.split}; {share} set aside for tests, seed {spec.seed}"
    return Parts(kept, parts.val, how), Unseen(share, taken, Faults())


def reader(
    spec: DataSpec,
    test: Unseen | None,
    size: int,
    label: Label[L],
    divide: Divide[L],
    finish: Callable[[ReadPart[L], Faults], Split],
    known: Iterable[bytes],
) -> ReadTest | None:
    """A function that reads the images for tests; None without any.

    Args:
        spec: the data.
        test: the images.
        size: side of the squares.
        label: returns the labels of an image.
        divide: returns those of its windows.
        finish: the split of the images read; adds faults of their labels.
        known: hashes of the images of train and val.
    """
    if test is None:
        return None
    seen = frozenset(known)

    def read(own: Faults, held: float) -> Split:
        treated: Counter[str] = Counter()
        hold = holds(spec, test.items, size, held)
        part = read_part(spec, "test", test.items, size, hold, label, divide, treated, own)
        fresh = []
        for i, content in enumerate(part.hashes):
            if content in seen:
                own.add(TWIN, str(part.items[i].path))
            else:
                fresh.append(i)
        if not fresh:
            raise UserError(f"none of its {len(test.items)} images can be used{_counted(own)}")
        split = finish(part.only(fresh) if len(fresh) < len(part.items) else part, own)
        if not split.has_objects:
            raise UserError(f"it has no objects of the classes{_counted(own)}")
        note_treated(treated, "test image", own)
        return split

    def read_test(held: float, faults: Faults) -> Split | None:
        own = Faults()
        own.join(test.faults)
        try:
            split = read(own, held)
        except UserError as error:
            faults.note(f"{test.place} is not used: {first_line(error)}")
            return None
        refuse_if_strict(spec, own)
        faults.join(own)
        return split

    return read_test


def _counted(faults: Faults) -> str:
    """The faults by kind, in brackets."""
    found = ", ".join(f"{count} x {kind}" for kind, count in faults.counts.items())
    return f" ({found})" if found else ""
