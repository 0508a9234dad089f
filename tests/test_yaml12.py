"""YAML 1.2 scalars, refusals with their lines, and the way back."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import SpecError
from nas.yaml12 import dump_yaml, load_yaml, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.0e6", 5e6),
        ("1e5", 1e5),
        ("1e-3", 1e-3),
        ("-.5", -0.5),
        (".inf", float("inf")),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("+1", 1),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ('"1"', "1"),
        ("!!float 3", 3.0),
        ("[32, 64]", [32, 64]),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    loaded = load_yaml(text, "f.yaml")
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml: line 3: the key 'a' is repeated"),
        ("a: 1\nb: !!python/name:os.system", "f.yaml: line 2: the tag !!python/name:os.system is not allowed"),
        ("!mine {a: 1}", "f.yaml: line 1: the tag !mine is not allowed"),
        ("!!int abc", "f.yaml: line 1: 'abc' is no int"),
        ("a: 1\nb: [1", "f.yaml: line 2: not YAML"),
        ("a: 1\nb: \x01", "f.yaml: line 2: not YAML: special characters"),
        ("---\na: 1\n---\nb: 1", "f.yaml: line 3: not YAML: found another document"),
        ("? [1]\n: 2", "f.yaml: line 1: a key must be a scalar"),
        ("&a [*a]", "f.yaml: is nested too deeply"),
        ("[" * 5000, "f.yaml: is nested too deeply"),
    ],
)
def test_faults_name_file_and_line(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text, "f.yaml")
    assert str(caught.value).startswith(message)


def test_all_faults_of_a_file_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: 1\na: 2\nb: !x 1\n", "f.yaml")
    assert [fault.path for fault in caught.value.faults] == ["line 2", "line 3"]


def test_a_billion_laughs_are_refused() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    with pytest.raises(SpecError, match=r"f.yaml: has more than 100,000 values"):
        load_yaml(text, "f.yaml")


def test_lines_of_paths_and_of_what_is_missing_in_them() -> None:
    document = parse("a:\n  b: 1\nc:\n  - x\n  - d: 2\n", "f.yaml")
    assert document.lines == {"a": 1, "a.b": 2, "c": 3, "c[0]": 4, "c[1]": 5, "c[1].d": 5}
    assert document.line_of("a.b.int") == 2
    assert document.line_of("c[1].e.[key]") == 5
    assert document.line_of("z") is None


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_HARD = st.text(string.digits + string.punctuation + " eExXoOnNyYtT\n\t", max_size=12)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT | _HARD
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT | _HARD, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("text", ["\x85", "a\x85 b", "\u2028", "\u2029x"])
def test_unicode_line_breaks_survive(text: str) -> None:
    assert load_yaml(dump_yaml({text: [text]}), "f.yaml") == {text: [text]}


@given(_DATA)
def test_what_is_dumped_is_loaded_again(data: object) -> None:
    loaded = load_yaml(dump_yaml(data), "f.yaml")
    assert repr(loaded) == repr(data)


def test_dump_is_block_style_in_the_given_order() -> None:
    text = dump_yaml({"b": [1, 2], "a": {"lr": 0.002, "bound": 5e6, "on": "no"}})
    assert text == "b:\n- 1\n- 2\na:\n  lr: 0.002\n  bound: 5000000.0\n  'on': 'no'\n"
