"""Constructors: the calls that construct the modules of a model, as expressions."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from nas.errors import NASError
from nas.exports.code.layout import Expression, call, listed

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_LOCK = threading.Lock()
"""Only one thread at a time may patch classes."""


class Constructors:
    """The constructor calls of the model that `build` returns.

    `build` is called twice, on the meta device: first to find the classes, then to record their arguments.

    Attributes:
        model: the model.
        operators: classes that are not torch's, by name, of the expressions so far.
    """

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        self._calls: dict[nn.Module, Arguments] = {}
        with torch.device("meta"):
            classes = {type(module) for module in build().modules()}
            with _recorded(classes, self._calls):
                self.model: Any = build()
        self.operators: dict[str, type[nn.Module]] = {}

    def expression(self, module: nn.Module) -> Expression:
        """The call that constructs `module`."""
        if isinstance(module, nn.Sequential):
            parts = {name: self.expression(part) for name, part in module.named_children()}
            if list(parts) == [str(i) for i in range(len(parts))]:
                return call("nn.Sequential", *parts.values())
            return call("block", **parts)
        kind = type(module)
        name = kind.__name__
        if getattr(nn, name, None) is kind:
            name = f"nn.{name}"
        elif self.operators.setdefault(name, kind) is not kind:
            raise NASError(f"two operators are called {name}: a model.py cannot hold both")
        args, named = self._calls[module]
        defaults = inspect.signature(kind).parameters
        named = {key: value for key, value in named.items() if key not in defaults or value != defaults[key].default}
        return call(name, *map(self._value, args), **{key: self._value(value) for key, value in named.items()})

    def _value(self, value: Any) -> Expression:
        if isinstance(value, nn.Module):
            return self.expression(value)
        if isinstance(value, list | tuple) and any(isinstance(item, nn.Module) for item in value):
            return listed([self._value(item) for item in value])
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value).replace("'", '"')
        if isinstance(value, list | tuple) and all(isinstance(item, bool | int | float) for item in value):
            return repr(value)
        raise NASError(f"an operator takes {value!r}, which cannot be written into a model.py")


@contextmanager
def _recorded(classes: set[type[nn.Module]], calls: dict[nn.Module, Arguments]) -> Iterator[None]:
    """Record the arguments of all instances of `classes` that are constructed in the block."""

    def recording(plain: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(plain)
        def init(self: nn.Module, *args: Any, **named: Any) -> None:
            calls.setdefault(self, (args, named))  # a subclass calls first, then its base
            plain(self, *args, **named)

        return init

    with _LOCK, ExitStack() as stack:
        for kind in classes:
            stack.enter_context(patch.object(kind, "__init__", recording(kind.__init__)))
        yield
