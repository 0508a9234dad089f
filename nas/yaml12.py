"""YAML 1.2 with its core schema only: no dates, no objects, no code.

ruamel.yaml parses and writes. Plain scalars are read exactly as in YAML 1.2, section 10.3: ruamel.yaml's own schema
would also read `1_000` as a number and `2026-01-01` as a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import BaseResolver, implicit_resolvers

from nas.errors import Fault, SpecError

MAX_NODES = 100_000
"""Values allowed in one file with every alias expanded. It stops a "billion laughs" attack."""

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class _Scalar:
    """A kind of plain scalar: the characters that can begin one, its pattern, and its value."""

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


class _Resolver(BaseResolver):
    """The core schema, for reading."""

    def __init__(self, version: object = None, loader: Any = None, loadumper: Any = None) -> None:
        super().__init__(loader if loader is not None else loadumper)

    @property
    def processing_version(self) -> tuple[int, int]:
        return 1, 2


class _QuotingResolver(_Resolver):
    """For writing: text that YAML 1.1 would read as something else is quoted too."""


for _name, _scalar in _SCALARS.items():
    if _scalar.first is not None:
        _first = [*_scalar.first, *([""] if _name == "null" else [])]
        _Resolver.add_implicit_resolver_base(_TAG + _name, _scalar.pattern, _first)
        _QuotingResolver.add_implicit_resolver_base(_TAG + _name, _scalar.pattern, _first)
for _versions, _tag, _pattern, _first in implicit_resolvers:
    if (1, 1) in _versions:
        _QuotingResolver.add_implicit_resolver_base(_tag, _pattern, _first)


class _Representer(SafeRepresenter):
    """Mappings in their own order, no anchors, and double quotes where single ones would fold a line break."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> ScalarNode:
        return self.represent_scalar(_TAG + "str", data, style='"' if any(c in data for c in _BREAKS) else None)


_BREAKS = "\x85\u2028\u2029"
_Representer.add_representer(str, _Representer.represent_str)


def _yaml(resolver: type[_Resolver]) -> Any:
    yaml: Any = YAML(typ="safe", pure=True)  # its annotations do not allow its own settings
    yaml.Resolver, yaml.Representer = resolver, _Representer
    yaml.width, yaml.allow_unicode, yaml.default_flow_style = 120, True, False
    yaml.sort_base_mapping_type_on_output = False
    return yaml


@dataclass
class Document:
    """A file's data, and the line of each dotted path (`task.data.root`, `objectives[0]`)."""

    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """The line of `path`, or of its nearest parent in the file."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path)


def parse(text: str, where: str) -> Document:
    """Read one YAML document.

    Raises:
        SpecError: it is not YAML, repeats a key, or uses tags beyond the core schema; names the line.
    """
    builder = _Builder(where)
    try:
        root = _yaml(_Resolver).compose(text)
        if root is not None:
            builder.document.data = builder.value(root, "")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(x.removeprefix("but ") for x in (error.problem, error.context) if x)
        raise SpecError(where, [Fault(f"line {mark.line + 1}" if mark else "", f"not YAML: {problem}")]) from None
    except ReaderError as error:
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
    """Plain data as YAML in block style, mappings in their own order; `load_yaml` reads the same data."""
    text = StringIO()
    _yaml(_QuotingResolver).dump(data, text)
    return text.getvalue()


class _Builder:
    """Turns nodes into data, and collects faults."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.document = Document()
        self.faults: list[Fault] = []
        self.nodes = 0

    def value(self, node: Node, path: str) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise SpecError(self.where, [Fault("", f"has more than {MAX_NODES:,} values, with aliases expanded")])
        tag = str(node.tag)
        name = tag.removeprefix(_TAG)
        match node:
            case ScalarNode() if name in _SCALARS:
                return self._scalar(node, _SCALARS[name], name)
            case SequenceNode() if name == "seq":
                return self._sequence(node, path)
            case MappingNode() if name == "map":
                return self._mapping(node, path)
        return self._fault(node, f"the tag {tag.replace(_TAG, '!!')} is not allowed here; only YAML's core types are")

    def _scalar(self, node: ScalarNode, scalar: _Scalar, name: str) -> Any:
        try:
            if scalar.pattern.match(node.value):
                return scalar.meaning(node.value)
        except ValueError:  # Python's bound on the digits of an integer
            pass
        return self._fault(node, f"{node.value[:40]!r} is no {name}")

    def _mapping(self, node: MappingNode, path: str) -> dict[Any, Any]:
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, path)
            if not isinstance(key, Hashable):
                self._fault(key_node, "a key must be a scalar")
                continue
            if key in data:
                self._fault(key_node, f"the key {key!r} is repeated")
            place = f"{path}.{key}" if path else str(key)
            self.document.lines[place] = key_node.start_mark.line + 1
            data[key] = self.value(value_node, place)
        return data

    def _sequence(self, node: SequenceNode, path: str) -> list[Any]:
        for i, item in enumerate(node.value):
            self.document.lines[f"{path}[{i}]"] = item.start_mark.line + 1
        return [self.value(item, f"{path}[{i}]") for i, item in enumerate(node.value)]

    def _fault(self, node: Node, message: str) -> None:
        self.faults.append(Fault(f"line {node.start_mark.line + 1}", message))
