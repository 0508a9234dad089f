"""Python expressions as values, and their layout in lines of 120 columns as by `ruff format`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 120


@dataclass(frozen=True)
class Call:
    """`name(items)`, or a list: square brackets without a name. Each item has a prefix, such as `key=`."""

    name: str
    items: tuple[tuple[str, Expression], ...]
    brackets: tuple[str, str] = ("(", ")")


Expression = str | Call
"""A text that is never broken, or a call."""


def call(name: str, *items: Expression, **named: Expression) -> Call:
    return Call(name, tuple(("", item) for item in items) + tuple((f"{key}=", item) for key, item in named.items()))


def listed(items: Sequence[Expression]) -> Call:
    return Call("", tuple(("", item) for item in items), ("[", "]"))


def flat(expression: Expression) -> str:
    """The expression on one line."""
    if isinstance(expression, str):
        return expression
    start, end = expression.brackets
    return f"{expression.name}{start}{', '.join(key + flat(item) for key, item in expression.items)}{end}"


def laid_out(prefix: str, expression: Expression, indent: int, suffix: str = "") -> list[str]:
    """The expression on one line, otherwise all its items on the next line, otherwise an item a line."""
    margin = " " * indent
    line = f"{margin}{prefix}{flat(expression)}{suffix}"
    if len(line) <= WIDTH or isinstance(expression, str) or not expression.items:
        return [line]
    start, end = expression.brackets
    items = f"{margin}    {', '.join(key + flat(item) for key, item in expression.items)}"
    if len(items) > WIDTH:
        body = [line for key, item in expression.items for line in laid_out(key, item, indent + 4, ",")]
    elif start == "(":
        body = [items]
    else:  # a list has an item a line
        body = [f"{margin}    {key}{flat(item)}," for key, item in expression.items]
    return [f"{margin}{prefix}{expression.name}{start}", *body, f"{margin}{end}{suffix}"]
