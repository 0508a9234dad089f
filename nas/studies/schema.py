"""The JSON Schemas (2020-12) of study and search space files, made from the values that read them.

A schema knows keys, types, short forms and the names in our own tables. Only `nas validate` finds what depends on data
or on several keys at once. The shipped files name the committed copies (see decisions: schema-by-relative-path).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from nas.necks.topologies import TOPOLOGIES, topology_options
from nas.search_space import TEMPLATES, SearchSpace
from nas.search_space.choosing import Range
from nas.search_space.scaling import ABOUT, SCALING
from nas.search_space.template import UNITS, Template
from nas.search_space.trials import Choice
from nas.studies.metrics import CONSTRAINED, DROPS, METRICS, architecture_metrics
from nas.studies.spec import SAME_IN_FULL, StudySpec
from nas.value import Value

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def study_schema() -> Schema:
    """The schema of a study file."""
    schema = _schema(StudySpec, "A study of pyramid-nas")
    parts, keys = schema["$defs"], schema["properties"]
    objectives = [name for name in METRICS if not name.endswith("_sd")]
    parts["Objective"]["properties"]["metric"]["enum"] = objectives
    parts["Objective"]["required"] = ["metric"]
    parts["Objective"] = _or_name(parts["Objective"], {"enum": objectives})
    parts["Named"]["additionalProperties"] = True
    parts["Named"] = _or_name(parts["Named"], {"type": "string"})
    parts["Baseline"] = _or_name(_baseline(parts["Baseline"]), {"enum": [*TOPOLOGIES]})
    parts["Budget"]["minProperties"] = 1
    task = parts["TaskSpec"]["properties"]
    keys["full"] |= _only({name: task[name] for name in task if name not in SAME_IN_FULL})
    bounded = (*CONSTRAINED, *DROPS, *architecture_metrics(METRICS))
    keys["constraints"] |= _only({name: _limit(name) for name in bounded})
    keys["keep"]["anyOf"].append({"type": "string", "pattern": "^best [0-9]+$"})
    known = {name: _parameter(*_merged(name)) for template in TEMPLATES.values() for name in template.domains}
    keys["space"] |= _only(_scaling() | known)
    for key in (*keys.values(), *task.values()):
        if "default" in key:
            key["default"] = _short(key["default"])
    return schema


def space_schema() -> Schema:
    """The schema of a search space file, whose parameters depend on the template."""
    schema = _schema(SearchSpace, "A search space of pyramid-nas")
    schema["required"] = ["parameters"]  # the name defaults to the file's
    default = SearchSpace.model_fields["template"].default
    schema["properties"]["template"]["enum"] = [*TEMPLATES]
    schema["properties"]["parameters"] = {"description": schema["properties"]["parameters"]["description"]}
    schema["allOf"] = [
        {
            "if": {"properties": {"template": {"const": name}}, "required": [] if name == default else ["template"]},
            "then": {"properties": {"parameters": _parameters(template)}},
        }
        for name, template in TEMPLATES.items()
    ]
    return schema


SCHEMAS: dict[str, Callable[[], Schema]] = {"study": study_schema, "space": space_schema}
"""Kind of file -> its schema."""


class _Plain(GenerateJsonSchema):
    """pydantic's generator without titles, which only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> Schema:
        made = super().model_schema(schema)
        made.pop("title", None)
        return made


def _schema(value: type[Value], title: str) -> Schema:
    return {"$schema": DIALECT, "title": title} | value.model_json_schema(schema_generator=_Plain)


def _or_name(mapping: Schema, name: Schema) -> Schema:
    """A mapping, or the name that is short for one."""
    return {"description": mapping.pop("description"), "anyOf": [name, mapping]}


def _short(default: Any) -> Any:
    """A default in its short form: names instead of mappings, and no keys without a value."""
    if isinstance(default, list):
        return [_short(item) for item in default]
    if not isinstance(default, dict):
        return default
    for name in ("metric", "kind", "topology"):
        if name in default:
            return default[name]
    return {key: value for key, value in default.items() if value is not None}


def _limit(name: str) -> Schema:
    metric = METRICS[name]
    return {"type": "number", "exclusiveMinimum": 0, "description": _sentence(metric.about), "unit": metric.unit}


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def _only(keys: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(keys), "additionalProperties": False}


def _baseline(mapping: Schema) -> Schema:
    """Options stand beside the name. Only `nas validate` knows which of them a topology has."""
    keys: Schema = mapping["properties"]
    keys["topology"]["enum"] = [*TOPOLOGIES]
    keys |= {option: {} for option in sorted({o for name in TOPOLOGIES for o in topology_options(name)})}
    return _only(keys) | {
        "description": mapping["description"],
        "anyOf": [{"required": ["name"]}, {"required": ["topology"]}],
    }


def _merged(name: str) -> tuple[list[Sequence[Choice]], str, Any]:
    """Domains, description and unit of a parameter in all templates, because `space` may narrow any of them."""
    templates = [template for template in TEMPLATES.values() if name in template.domains]
    return [t.domains[name] for t in templates], templates[0].about[name], UNITS.get(name)


def _parameters(template: Template) -> Schema:
    keys = {
        name: _parameter([known], template.about[name], UNITS.get(name)) for name, known in template.domains.items()
    }
    for name, value in template.defaults.items():
        keys[name]["default"] = value
    return _only(_scaling() | keys) | {"required": [name for name in template.domains if name not in template.defaults]}


def _scaling() -> Schema:
    """The parameters that all templates share."""
    known: dict[str, list[Sequence[Choice]]] = {name: [values] for name, values in SCALING.items()}
    blocks = [choice for choice in SCALING["block"] if isinstance(choice, int)]
    names = [choice for choice in SCALING["block"] if isinstance(choice, str)]
    known["block"] = [range(min(blocks), max(blocks) + 1), names]
    return {name: _parameter(values, ABOUT[name], None) for name, values in known.items()}


def _parameter(known: list[Sequence[Choice]], about: str, unit: str | None) -> Schema:
    """A value, a list of values, or for numbers a range of them."""
    numbers = [values for values in known if isinstance(values, range)]
    value: Schema = {"enum": list(dict.fromkeys(choice for values in known for choice in values))}
    if numbers:
        low, high = min(values[0] for values in numbers), max(values[-1] for values in numbers)
        value = {"type": "integer", "minimum": low, "maximum": high}
        texts = [choice for values in known for choice in values if isinstance(choice, str)]
        value = {"anyOf": [{"enum": texts}, value]} if texts else value
    forms = [value, {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}]
    forms += [Range.model_json_schema(schema_generator=_Plain)] if numbers else []
    return {"description": _sentence(about), "anyOf": forms} | ({"unit": unit} if unit else {})
