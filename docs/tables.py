"""Markdown tables, and those of a JSON Schema's keys."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nas.necks.topologies import TOPOLOGIES
from nas.studies.metrics import METRICS
from nas.studies.schema import Schema


def table(head: list[str], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *rows])


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def mapping(schema: Schema) -> Schema:
    """The long form, of a part that may be a name as well."""
    (found,) = (form for form in schema["anyOf"] if "properties" in form)
    return dict(found)


def key_table(schema: Schema, prefix: str, parts: Mapping[str, Schema]) -> str:
    required = schema.get("required", ())
    lines = []
    for name, key in schema["properties"].items():
        if not key:
            continue  # an option of a baseline: the necks' page has it
        path = f"{prefix}.{name}" if prefix else name
        default = "**required**" if name in required else _default(key)
        cells = (f"`{path}`", _type(key, parts), default, _unit(key), cell(key.get("description", "")))
        lines.append(f"| {' | '.join(cells)} |")
    return table(["key", "type", "default", "unit", "what it is"], lines)


def _type(key: Schema, parts: Mapping[str, Schema]) -> str:
    """A schema's type in words."""
    if "$ref" in key:
        part = parts[key["$ref"].rpartition("/")[2]]
        return _type(part, parts)
    if "enum" in key and set(key["enum"]) <= set(METRICS):
        return "[metric](metrics.md)"
    if "enum" in key and set(key["enum"]) == set(TOPOLOGIES):
        return "[neck](necks.md)"
    if "enum" in key:
        return " or ".join(f"`{word}`" for word in key["enum"])
    if "const" in key:
        return f"`{key['const']}`"
    if "anyOf" in key and key.get("type") != "object":
        return " or ".join(dict.fromkeys(_type(form, parts) for form in key["anyOf"] if form.get("type") != "null"))
    if key.get("type") == "array":
        if "prefixItems" in key:
            return f"list of {len(key['prefixItems'])} numbers"
        return f"list of {_type(key.get('items', {}), parts)}".replace("number", "numbers").replace("text", "texts")
    if "pattern" in key:
        return "`best N`"
    names = {"object": "mapping", "integer": "whole number", "boolean": "true or false", "string": "text"}
    kind = names.get(key.get("type", ""), key.get("type", "anything"))
    return kind + _bounds(key)


def _bounds(key: Schema) -> str:
    least, most = key.get("minimum"), key.get("maximum")
    told = []
    if least is not None and most is not None:
        told.append(f"{least:,} to {most:,}")
    elif least is not None:
        told.append(f"at least {least:,}")
    if "exclusiveMinimum" in key:
        told.append(f"above {key['exclusiveMinimum']:,}")
    if most is not None and least is None:
        told.append(f"at most {most:,}")
    if "exclusiveMaximum" in key:
        told.append(f"below {key['exclusiveMaximum']:,}")
    if "multipleOf" in key:
        told.append(f"a multiple of {key['multipleOf']:,}")
    return f" ({', '.join(told)})" if told else ""


def _default(key: Schema) -> str:
    if "default" not in key or key["default"] is None:
        return "-"
    told = f"{key['default']:g}" if isinstance(key["default"], float) else json.dumps(key["default"]).replace('"', "")
    return "its keys' own" if len(told) > 60 else f"`{told}`"


def _unit(key: Schema) -> str:
    forms = [key, *key.get("anyOf", ())]
    return next((form["unit"] for form in forms if "unit" in form), "")
