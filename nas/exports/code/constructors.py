"""How the modules of a model were constructed: the calls that would make them again."""

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
from nas.exports.code.layout import Call, Expression, call, listed

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_ONE_AT_A_TIME = threading.Lock()
"""Classes belong to the whole process: of two exports at a time the one would restore what the other noted with."""


class Constructors:
    """The calls behind `build()`. It is called twice, on the meta device: to see which classes there are, and to see
    what each is called with.
    """

    def __init__(self, build: Callable[[], nn.Module]) -> None:
        self._made: dict[nn.Module, Arguments] = {}
        with torch.device("meta"):
            classes = {type(module) for module in build().modules()}
            with _noted(classes, self._made):
                self.model = build()
        self.operators: dict[str, type[nn.Module]] = {}

    def expression(self, module: nn.Module) -> Expression:
        """The call that makes `module`; `operators` learns the classes that are not torch's."""
        if isinstance(module, nn.Sequential):
            return self._sequence(module)
        kind = type(module)
        if getattr(nn, kind.__name__, None) is kind:
            name = f"nn.{kind.__name__}"
        else:
            name = kind.__name__
            if self.operators.setdefault(name, kind) is not kind:
                raise NASError(f"two operators are called {name}: a model.py cannot hold both")
        args, named = self._made[module]
        defaults = inspect.signature(kind).parameters
        named = {key: value for key, value in named.items() if key not in defaults or value != defaults[key].default}
        return call(name, *map(self._value, args), **{key: self._value(value) for key, value in named.items()})

    def _sequence(self, module: nn.Sequential) -> Call:
        parts = {name: self.expression(part) for name, part in module.named_children()}
        if list(parts) == [str(i) for i in range(len(parts))]:
            return call("nn.Sequential", *parts.values())
        return call("block", **parts)

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
def _noted(classes: set[type[nn.Module]], made: dict[nn.Module, Arguments]) -> Iterator[None]:
    """While it lasts, instances of `classes` put down what they are constructed with."""
    with _ONE_AT_A_TIME, ExitStack() as stack:
        for kind in classes:
            stack.enter_context(patch.object(kind, "__init__", _noting(kind.__init__, made)))
        yield


def _noting(plain: Callable[..., None], made: dict[nn.Module, Arguments]) -> Callable[..., None]:
    @functools.wraps(plain)
    def init(self: nn.Module, *args: Any, **named: Any) -> None:
        made.setdefault(self, (args, named))  # a subclass calls first, then its base
        plain(self, *args, **named)

    return init
