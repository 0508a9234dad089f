from __future__ import annotations

import pytest

from nas.exports.code.layout import WIDTH, Expression, call, flat, laid_out, listed


def test_what_fits_stays_on_one_line() -> None:
    assert laid_out("x = ", call("f", "1", listed(["a", "b"]), k="2"), 4) == ["    x = f(1, [a, b], k=2)"]


def test_arguments_go_on_a_line_of_their_own_then_a_line_each() -> None:
    half = "a" * 50
    assert laid_out("x = ", call("f", half, half, k="123456789"), 0)[0:3] == [
        "x = f(",
        f"    {half}, {half}, k=123456789",
        ")",
    ]
    assert laid_out("x = ", call("f", half, half, half), 0) == ["x = f(", *[f"    {half},"] * 3, ")"]


def test_a_list_has_a_line_an_item() -> None:
    half = "a" * 57
    assert laid_out("x = ", listed([half, half]), 0) == ["x = [", f"    {half},", f"    {half},", "]"]


@pytest.mark.parametrize("length", range(1, 200, 7))
def test_a_line_is_too_long_only_where_it_cannot_be_broken(length: int) -> None:
    atom = "a" * length
    nested: Expression = call("f", call("g", listed([atom, atom]), key=atom), atom)
    lines = laid_out("x = ", nested, 8)
    assert [line for line in lines if len(line) > WIDTH and atom != line.strip(" ,").removeprefix("key=")] == []
    assert "".join("".join(lines).split()).replace(",]", "]").replace(",)", ")") == "x=" + flat(nested).replace(" ", "")
