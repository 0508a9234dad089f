"""Mean intersection over union, at the letterboxed resolution: the whole, and by the size of the objects.

All come from one confusion matrix over the whole validation set, [territory, truth, found], without void pixels and
padding. The IoU of a class is m_kk / (sum_j m_kj + sum_j m_jk - m_kk).

`miou` is the mean over the classes that occur, with the background; `accuracy` the share of pixels that are right.
`miou_small` is the mean over the foreground classes with a small object, within the territory of small objects: the
pixels whose nearest object is small (`nas.tasks.data.territories`); `miou_medium` and `miou_large` likewise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.necks.architecture import VOID
from nas.studies.metrics import Metrics
from nas.tasks.data import Split
from nas.tasks.data.territories import SIZES

Counts = NDArray[np.int64]


def counts(
    truth: NDArray[np.uint8], found: NDArray[np.integer], territories: NDArray[np.uint8], classes: int
) -> Counts:
    """Pixels by territory, true and found label: [1 + sizes, classes, classes]; `classes` counts the background."""
    seen = truth != VOID
    cells = (territories[seen].astype(np.int64) * classes + truth[seen]) * classes + found[seen]
    shape = (1 + len(SIZES), classes, classes)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def metrics(total: Counts) -> Metrics:
    """miou, accuracy, miou_small, miou_medium and miou_large; None without a pixel or an object to measure it on."""
    whole = total.sum(0)
    result: Metrics = {
        "miou": _mean(whole, first=0),
        "accuracy": float(np.trace(whole) / whole.sum()) if whole.sum() else None,
    }
    return result | {f"miou_{size}": _mean(total[k], first=1) for k, size in enumerate(SIZES, start=1)}


def available(split: Split) -> set[str]:
    """The metrics that `split` can give."""
    assert split.masks is not None
    assert split.territories is not None
    thing = (split.masks != 0) & (split.masks != VOID)
    sizes = {f"miou_{size}" for k, size in enumerate(SIZES, start=1) if np.any(thing & (split.territories == k))}
    return {"miou", "accuracy"} | sizes


def _mean(matrix: Counts, first: int) -> float | None:
    """Mean IoU over the labels from `first` that occur in the truth."""
    right = np.diagonal(matrix)
    union = matrix.sum(0) + matrix.sum(1) - right
    labels = np.flatnonzero(matrix.sum(1) > 0)
    labels = labels[labels >= first]
    return float((right[labels] / union[labels]).mean()) if len(labels) else None
