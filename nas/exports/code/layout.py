"""Python expressions as values, and their layout in lines of 120 columns as `ruff format` would lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 120


@dataclass(frozen=True)
class Call:
    """`name(items)`; with brackets and no name, a list."""

    name: str
    items: tuple[tuple[str, Expression], ...]
    brackets: str = "()"


Expression = str | Call
"""A text that is never broken, or a call."""


def call(name: str, *items: Expression, **named: Expression) -> Call:
    return Call(name, tuple(("", item) for item in items) + tuple((f"{key}=", item) for key, item in named.items()))


def listed(items: Sequence[Expression]) -> Call:
    return Call("", tuple(("", item) for item in items), "[]")


def flat(expression: Expression) -> str:
    """On one line."""
    if isinstance(expression, str):
        return expression
    items = ", ".join(key + flat(item) for key, item in expression.items)
    return f"{expression.name}{expression.brackets[0]}{items}{expression.brackets[1]}"


def laid_out(prefix: str, expression: Expression, indent: int, suffix: str = "") -> list[str]:
    """Lines of `prefix expression suffix`: on one line, else the items on the next, else a line an item."""
    margin = " " * indent
    line = f"{margin}{prefix}{flat(expression)}{suffix}"
    if len(line) <= WIDTH or isinstance(expression, str) or not expression.items:
        return [line]
    start, end = expression.brackets[0], expression.brackets[1]
    items = f"{margin}    {', '.join(key + flat(item) for key, item in expression.items)}"
    if len(items) <= WIDTH:
        # A lone item that could be broken further stays whole here too: its brackets are not shared.
        body = [items] if start == "(" else [f"{margin}    {key}{flat(item)}," for key, item in expression.items]
    else:
        body = [line for key, item in expression.items for line in laid_out(key, item, indent + 4, ",")]
    return [f"{margin}{prefix}{expression.name}{start}", *body, f"{margin}{end}{suffix}"]
