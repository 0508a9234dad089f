"""How much memory a forward pass takes at its fullest moment, found without taking any."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class ActivationMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the tensors that operations inside the mode make, from their making until Python lets them go.

    A storage counts once, whatever views there are of it. Weights were made outside, and so do not count; nor does
    the room that a kernel takes while it runs, which differs from device to device.

    Attributes:
        alive: bytes held now.
        peak: the most that were ever held at a time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0
        self.peak = 0
        self._held: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        # What comes in from outside, a weight say, stays uncounted when an operation gives a view of it.
        before = [x.untyped_storage() for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        outside = {id(storage) for storage in before if id(storage) not in self._held}
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and id(x.untyped_storage()) not in outside:
                self._hold(x.untyped_storage())
        return out

    def _hold(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._held:
            return

        def release(_: weakref.ref[Any]) -> None:
            del self._held[key]
            self.alive -= size

        self._held[key] = weakref.ref(storage, release)
        self.alive += size
        self.peak = max(self.peak, self.alive)
