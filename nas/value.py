"""Value: the frozen base of everything that is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from nas.errors import Fault, SpecError


@dataclass(frozen=True)
class Unit:
    """The unit of a number, for schemas and the reference: `Annotated[int, Unit("pixels")]`."""

    name: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"unit": self.name}


class Value(BaseModel):
    """A frozen value without surplus keys, compared and hashed by content.

    The text under a field describes it, in the JSON Schema and in the reference too.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, use_attribute_docstrings=True
    )

    @classmethod
    def parse(cls, data: Any, where: str = "") -> Self:
        """The validated value of `data`.

        Raises:
            SpecError: every fault at once, each with its path.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(where, validation_faults(error, cls)) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields, not validated, and without cached properties (a digest) of the old ones."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(copied).model_fields.keys():
            del copied.__dict__[name]
        return copied

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the fields that have their defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)


def flat(data: Any, path: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping from dotted paths."""
    if isinstance(data, dict) and data:
        return {k: v for key, item in data.items() for k, v in flat(item, f"{path}.{key}" if path else key).items()}
    return {path: data}


class Faulty(ValueError):
    """Several faults that one validator found, with paths from the value that it checks."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))


def validation_faults(error: ValidationError, cls: type[BaseModel]) -> list[Fault]:
    """pydantic's errors about a `cls` as faults with dotted paths, one for all branches of a union."""
    places: dict[str, list[Any]] = {}
    faults: list[Fault] = []
    items = error.errors(include_url=False)
    for item in items:
        n = len(item["loc"])
        if item["type"] == "too_short" and any(x["loc"][:n] == item["loc"] and x is not item for x in items):
            continue  # only because its entries have faults of their own
        path = ""
        for step in _without_branch(item["loc"], cls):
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
        found = item.get("ctx", {}).get("error")
        if isinstance(found, Faulty):
            faults += [Fault(f"{path}.{f.path}" if path and f.path else path + f.path, f.message) for f in found.faults]
        else:
            places.setdefault(path, []).append(item)
    return [Fault(path, _sentence(items, cls)) for path, items in places.items()] + faults


def _sentence(items: list[Any], cls: type[BaseModel]) -> str:
    item = items[0]
    match item["type"]:
        case "extra_forbidden":
            return _unknown_key(cls, item["loc"])
        case "missing":
            return "is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case "model_type" | "dict_type":
            return f"should be a mapping, not {item['input']!r}"
        case "tuple_type":
            return f"should be a list, not {item['input']!r}"
        case _:
            shown = repr(item["input"])
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            wanted = " or ".join(x["msg"].removeprefix("Input should be ").partition(", unable")[0] for x in items)
            start = "should be " if item["msg"].startswith("Input should be ") else ""
            return f"{start}{wanted}, not {shown}"


def _unknown_key(cls: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    for step in loc[:-1]:
        if step in cls.model_fields:
            cls = next(_models_in(cls.model_fields[str(step)].annotation), cls)
    known = [f.alias or name for name, f in cls.model_fields.items()]
    close = get_close_matches(str(loc[-1]), known, n=1)
    return f"unknown key; did you mean {close[0]}?" if close else f"unknown key; known are {', '.join(known)}"


def _without_branch(loc: tuple[int | str, ...], cls: type[BaseModel]) -> tuple[int | str, ...]:
    """pydantic's place without the branch of a union at its end (`workers.count.constrained-int`)."""
    for k, step in enumerate(loc):
        if step in cls.model_fields:
            annotation = cls.model_fields[str(step)].annotation
            model = next(_models_in(annotation), None)
            branches = [x for x in get_args(annotation) if x is not type(None)]
            if model is None and get_origin(annotation) in (Union, UnionType) and len(branches) > 1:
                return loc[: k + 1]
            cls = model or cls
    return loc


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
