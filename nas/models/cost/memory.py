"""Peak memory of a forward pass, found on the meta device without allocating it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class ActivationMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that operations inside this mode create, until Python frees them.

    A storage counts once, however many views it has. Weights do not count, because they are created outside. The
    workspace of kernels does not count, because it depends on the device.

    Attributes:
        alive: bytes that are held now.
        peak: the most bytes that were held at a time.
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
        # A view of a tensor from outside, such as a weight, does not count either.
        before = [x.untyped_storage() for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        outside = {id(storage) for storage in before if id(storage) not in self._held}
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and id(x.untyped_storage()) not in outside:
                self._count(x.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._held:
            return

        def release(_: weakref.ref[Any]) -> None:
            del self._held[key]
            self.alive -= size

        self._held[key] = weakref.ref(storage, release)
        self.alive += size
        self.peak = max(self.peak, self.alive)
