"""The necks next to a neck: those that differ in one word, one number, one edge, or the order of two inputs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from nas.errors import SpecError
from nas.necks import operators
from nas.necks.spec import ConvSpec, NeckSpec

Path = tuple[str | int, ...]

CHOICES: Mapping[str, Iterable[object]] = {
    "level": range(2, 7),
    "width": (8, 16),
    "fuse": operators.FUSIONS,
    "source": range(32),
    "up": operators.UPSAMPLINGS,
    "down": operators.DOWNSAMPLINGS,
    "shared": (False, True),
    "kernel": (1, 3, 5),
    "norm": operators.NORMS,
    "act": operators.ACTIVATIONS,
    "order": operators.ORDERS,
    "bias": (None, False, True),
    "project": (None, ConvSpec(kernel=1).model_dump()),
    "block": (None, ConvSpec().model_dump()),
}
"""What may stand in a key; in `kind` it depends on whose key it is."""


def neighbours(neck: NeckSpec, channels: Mapping[int, int], rng: random.Random) -> Iterator[NeckSpec]:
    """All necks one change away that fit the channels, in an order drawn by `rng`."""
    changed = list(_changed(_whole(neck)))
    rng.shuffle(changed)
    for data in changed:
        try:
            other = NeckSpec.model_validate(data)
            other.check(channels)
        except (ValidationError, SpecError):
            continue
        yield other


def _whole(neck: NeckSpec) -> dict[str, Any]:
    """The neck with every key of every edge."""
    edges = [[{name: getattr(e, name) for name in type(e).model_fields} for e in n.inputs] for n in neck.nodes]
    nodes = [n.model_dump() | {"inputs": own} for n, own in zip(neck.nodes, edges, strict=True)]
    for edge in (e for own in edges for e in own):
        edge["project"] = edge["project"] and edge["project"].model_dump()
    return neck.model_dump() | {"nodes": nodes}


def _changed(data: Any) -> Iterator[Any]:
    for path, value in _parts(data):
        key = path[-1]
        if key == "kind":
            choices: Iterable[object] = operators.MERGES if path[0] == "merge" and len(path) == 2 else operators.BLOCKS
        else:
            choices = CHOICES.get(str(key), ())
        yield from (_put(data, path, choice) for choice in choices if choice != value)
        if key in ("inputs", "outputs") and path != ("inputs",):
            yield from (_put(data, path, [*value[:k], *value[k + 1 :]]) for k in range(len(value)))
        if key == "inputs" and path != ("inputs",):
            turned = ([*value[:k], value[k + 1], value[k], *value[k + 2 :]] for k in range(len(value) - 1))
            yield from (_put(data, path, inputs) for inputs in turned)


def _parts(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything within, with its path."""
    if path:
        yield path, data
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list | tuple) else ()
    for key, value in items:
        yield from _parts(value, (*path, key))


def _put(data: Any, path: Path, value: Any) -> Any:
    """A copy of `data` with another value at `path`."""
    if not path:
        return value
    copied = dict(data) if isinstance(data, dict) else list(data)
    copied[path[0]] = _put(copied[path[0]], path[1:], value)
    return copied
