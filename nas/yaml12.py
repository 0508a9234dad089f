"""YAML 1.2's core schema, safely: numbers as people write them, no surprises, no code.

PyYAML speaks YAML 1.1, where `5.0e6` is a string, `no` is false, `012` is ten and `1:30` ninety. Its parser is kept
here; what a plain scalar means is YAML 1.2, section 10.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from nas.errors import Fault, SpecError

MAX_NODES = 100_000
"""Values in one file with every alias written out: no study comes near it, a billion laughs does."""

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class _Scalar:
    """`first`: the characters that can open one; "" stands for the empty scalar."""

    first: str | None
    pattern: re.Pattern[str]
    meaning: Callable[[str], Any]


_SCALARS = {
    "null": _Scalar("~nN", re.compile(r"(?:~|null|Null|NULL|)\Z"), lambda text: None),
    "bool": _Scalar("tTfF", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), lambda text: text[0] in "tT"),
    "int": _Scalar(
        "-+0123456789",
        re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
        lambda text: int(text, 0 if text[1:2] in ("o", "x") else 10),
    ),
    "float": _Scalar(
        "-+.0123456789",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        lambda text: float(re.sub(r"\.(?=[in])", "", text.lower())),
    ),
    "str": _Scalar(None, re.compile(r"(?s:.*)\Z"), str),
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.SafeDumper):
    """Quotes every string that YAML 1.1 or 1.2 would take for something else; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Text; line breaks that single quotes would fold to a space are escaped."""
        node = super().represent_str(data)
        if any(c in data for c in _BREAKS):
            node.style = '"'
        return node


_BREAKS = "\x85\u2028\u2029"
_Dumper.add_representer(str, _Dumper.represent_str)

for _name, _scalar in _SCALARS.items():
    if _scalar.first is not None:
        _first = [*_scalar.first, *([""] if _name == "null" else [])]
        _Loader.add_implicit_resolver(_TAG + _name, _scalar.pattern, _first)
        _Dumper.add_implicit_resolver(_TAG + _name, _scalar.pattern, _first)


@dataclass
class Document:
    """A file's data, and the line on which each dotted path (`task.data.root`, `objectives[0]`) stands."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """The line of `path`, or of the nearest place above it that the file has."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path)


def parse(text: str, where: str) -> Document:
    """Read one YAML document.

    Raises:
        SpecError: it is not YAML, repeats a key, or uses tags beyond the core schema; with the line.
    """
    builder = _Builder(where)
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is not None:
            builder.document.data = builder.value(root, "")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(x.removeprefix("but ") for x in (error.problem, error.context) if x)
        raise SpecError(where, [Fault(f"line {mark.line + 1}" if mark else "", f"not YAML: {problem}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SpecError(where, [Fault(f"line {line}", f"not YAML: {error.reason}")]) from None
    except RecursionError:
        raise SpecError(where, [Fault("", "is nested too deeply")]) from None
    if builder.faults:
        raise SpecError(where, builder.faults)
    return builder.document


def load_yaml(text: str, where: str) -> Any:
    """The data of one YAML document; see `parse`."""
    return parse(text, where).data


def dump_yaml(data: Any) -> str:
    """Plain data as YAML in block style, mappings in their own order; `load_yaml` gives the same data back."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Builder:
    """Turns PyYAML's nodes into data, collecting what is wrong with them."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.document = Document()
        self.faults: list[Fault] = []
        self.nodes = 0

    def value(self, node: yaml.Node, path: str) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise SpecError(self.where, [Fault("", f"holds more than {MAX_NODES:,} values, aliases written out")])
        name = node.tag.removeprefix(_TAG)
        match node:
            case yaml.ScalarNode() if name in _SCALARS:
                return self._scalar(node, _SCALARS[name], name)
            case yaml.SequenceNode() if name == "seq":
                return self._sequence(node, path)
            case yaml.MappingNode() if name == "map":
                return self._mapping(node, path)
        tag = node.tag.replace(_TAG, "!!")
        return self._fault(node, f"the tag {tag} is not allowed here; only YAML's core types are")

    def _scalar(self, node: yaml.ScalarNode, scalar: _Scalar, name: str) -> Any:
        try:
            if scalar.pattern.match(node.value):
                return scalar.meaning(node.value)
        except ValueError:  # Python's bound on the digits of an integer
            pass
        return self._fault(node, f"{node.value[:40]!r} is no {name}")

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, path)
            if not isinstance(key, Hashable):
                self._fault(key_node, "a key must be a scalar")
                continue
            if key in data:
                self._fault(key_node, f"the key {key!r} stands twice")
            place = f"{path}.{key}" if path else str(key)
            self.document.lines[place] = key_node.start_mark.line + 1
            data[key] = self.value(value_node, place)
        return data

    def _sequence(self, node: yaml.SequenceNode, path: str) -> list[Any]:
        for i, item in enumerate(node.value):
            self.document.lines[f"{path}[{i}]"] = item.start_mark.line + 1
        return [self.value(item, f"{path}[{i}]") for i, item in enumerate(node.value)]

    def _fault(self, node: yaml.Node, message: str) -> None:
        self.faults.append(Fault(f"line {node.start_mark.line + 1}", message))
