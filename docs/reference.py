"""Pages of the reference, as Markdown made from the code: `PAGES` has them by name."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas import cli
from nas.models import blocks, fuse, resample
from nas.necks import operators
from nas.necks.spec import ConvSpec
from nas.necks.topologies import TOPOLOGIES, options_of
from nas.search_space import TEMPLATES
from nas.studies.metrics import CONSTRAINED, METRICS
from nas.studies.schema import SCHEMAS, Schema

WIDTH, CELLS = 64, 32
"""The maps on which operators are counted: their channels, and cells a side."""


def study() -> str:
    """Every key of a study file."""
    schema = SCHEMAS["study"]()
    parts = schema["$defs"]
    sections = [
        ("", "The file", schema),
        ("task", "task", parts["TaskSpec"]),
        ("task.data", "task.data", parts["DataSpec"]),
        ("task.backbone", "task.backbone", parts["BackboneTask"]),
        ("objectives[]", "objectives", _mapping(parts["Objective"])),
        ("constraints", "constraints", schema["properties"]["constraints"]),
        ("baselines[]", "baselines", _mapping(parts["Baseline"])),
        ("sampler", "sampler and pruner", _mapping(parts["Named"])),
        ("budget", "budget", parts["Budget"]),
        ("workers", "workers", parts["Workers"]),
    ]
    tables = [f"## {title}\n\n{_table(part, prefix, parts)}\n" for prefix, title, part in sections]
    return f"""# Keys of a study file

Only `task` has no default. `nas schema study` prints the same as a JSON Schema, from which an editor completes and
checks keys: the shipped files name it in their first line. Numbers follow YAML 1.2. Paths are relative to the file.

{chr(10).join(tables)}
`space` takes the parameters of the [search space](space.md). `full` takes the keys of `task` but `kind`, `data`,
`backbone` and `device`. What an option of a baseline means depends on its [topology](necks.md).
"""


def space() -> str:
    """Every key of a search space file."""
    schema = SCHEMAS["space"]()
    tables = []
    for name, branch in zip(TEMPLATES, schema["allOf"], strict=True):
        parameters = branch["then"]["properties"]["parameters"]
        tables.append(f"## Parameters of `{name}`\n\n{_table(parameters, 'parameters', {})}\n")
    return f"""# Keys of a search space file

A search space says which necks may be proposed. A *template* makes a neck of parameters. Each parameter is a value, a
list of choices, or a range of whole numbers such as `{{low: 16, high: 96, step: 16}}`. A study narrows or fixes
parameters under `space`. `nas schema space` prints the JSON Schema.

{_table(schema, "", {})}

{chr(10).join(tables)}"""


def verbs() -> str:
    """Every verb of the command line, from its parser."""
    parser = cli._parser()
    (choices,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    overview = [f"| [`nas {name}`](#nas-{name}) | {verb.HELP} |" for name, verb in cli.VERBS.items()]
    sections = [_verb(name, own) for name, own in choices.choices.items()]
    return f"""# Verbs of the command line

{_rows(["verb", "what it does"], overview)}

Exit status: 0 done, 1 the work failed, 2 the command or the file is wrong, 130 interrupted.

{chr(10).join(sections)}"""


def metrics() -> str:
    """Every metric."""
    rows = [
        f"| `{name}` | {_cell(m.about)} | {m.unit or '0 to 1'} | {m.direction} | {_yes(name in CONSTRAINED)} |"
        for name, m in METRICS.items()
    ]
    return f"""# Metrics

A level P*l* has stride 2^*l*. `direction` is the way an objective of that metric takes unless it says another.

{_rows(["metric", "what it is", "unit", "direction", "may be a constraint"], rows)}
"""


def operator_page() -> str:
    """Every operator, with its formula, source and cost."""
    fusions = [_operator(n, w.about, fuse.FUSIONS[n](WIDTH, 2), 2) for n, w in operators.FUSIONS.items()]
    ups = [
        _operator(n, w.about, resample.UPSAMPLINGS[n](WIDTH, WIDTH, 1), size=2)
        for n, w in operators.UPSAMPLINGS.items()
    ]
    downs = [
        _operator(n, w.about, resample.DOWNSAMPLINGS[n](WIDTH, WIDTH, 1), size=0.5)
        for n, w in operators.DOWNSAMPLINGS.items()
    ]
    convs = [_operator(n, w, blocks.block(ConvSpec(kind=n), WIDTH, WIDTH)) for n, w in operators.BLOCKS.items()]
    head = ["operator", "in words", "formula", "params", "MACs", "source"]
    words = {"Norms": operators.NORMS, "Activations": operators.ACTIVATIONS, "Order": operators.ORDERS}
    small = [
        f"## {title}\n\n{_rows(['word', 'what it is'], [f'| `{w}` | {_cell(a)} |' for w, a in table.items()])}\n"
        for title, table in words.items()
    ]
    return f"""# Operators

The words that a neck is written in. Costs are counted on maps of {WIDTH} channels and {CELLS} x {CELLS} cells, for one
step of two where a map is resampled: multiply-accumulates of convolutions and matrix products, as everywhere here.
Packages can [add operators](../how-to/plugins.md).

## Fusions

Two maps of one size become one. `x_0` is the first.

{_rows(head, fusions)}

## Upsampling

{_rows(head, ups)}

## Downsampling

{_rows(head, downs)}

## Blocks

A block stands behind a fusion, or projects a map.

{_rows(head, convs)}

{chr(10).join(small)}"""


def necks() -> str:
    """Every named neck, with its options and source."""
    sections = []
    for name, topology in TOPOLOGIES.items():
        text = inspect.getdoc(topology) or ""
        options = [f"| `{key}` | {_shown(value)} |" for key, value in options_of(name).items()]
        sections.append(f"## {name}\n\n{_prose(text)}\n\n{_rows(['option', 'default'], options)}\n")
    return f"""# Named necks

Published necks, as baselines of a study, presets of the command line and `nas.preset` in Python.
[Measured necks and spaces](../pyramids.md) has their costs and drawings.

{chr(10).join(sections)}"""


def python() -> str:
    """What `import nas` offers."""
    import nas

    names = [name for name in nas.__all__ if name != "__version__"]
    found = "\n\n".join(_object(f"{nas._HOMES[name]}.{name}", f"nas.{name}") for name in names)
    values = "\n\n".join(_object(path, path) for path in VALUES)
    return f"""# Python

Names of `nas` itself are imported at their first use, so that `import nas` is quick.

## Functions of `nas`

{found}

## Values

{values}
"""


VALUES = (
    "nas.necks.architecture.Architecture",
    "nas.necks.spec.NeckSpec",
    "nas.necks.spec.NodeSpec",
    "nas.necks.spec.EdgeSpec",
    "nas.necks.spec.ConvSpec",
    "nas.studies.spec.StudySpec",
    "nas.search_space.space.SearchSpace",
    "nas.storage.results.Result",
)
"""Values that a user of the functions meets."""

PAGES: dict[str, Callable[[], str]] = {
    "study": study,
    "space": space,
    "verbs": verbs,
    "metrics": metrics,
    "operators": operator_page,
    "necks": necks,
    "python": python,
}
"""Page under reference/ -> its text."""


def _object(path: str, heading: str) -> str:
    """What mkdocstrings replaces by an object's docstring."""
    return f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading.rpartition('.')[2]}"


def _mapping(schema: Schema) -> Schema:
    """The long form, of a part that may be a name as well."""
    (found,) = (form for form in schema["anyOf"] if "properties" in form)
    return dict(found)


def _table(schema: Schema, prefix: str, parts: Mapping[str, Schema]) -> str:
    required = schema.get("required", ())
    rows = []
    for name, key in schema["properties"].items():
        if not key:
            continue  # an option of a baseline: the necks' page has it
        path = f"{prefix}.{name}" if prefix else name
        default = "**required**" if name in required else _default(key)
        cells = (f"`{path}`", _type(key, parts), default, _unit(key), _cell(key.get("description", "")))
        rows.append(f"| {' | '.join(cells)} |")
    return _rows(["key", "type", "default", "unit", "what it is"], rows)


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


def _verb(name: str, parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        words = ", ".join(f"`{word}`" for word in action.option_strings) or f"`{action.metavar or action.dest}`"
        if action.option_strings and action.nargs != 0:
            words += f" `{action.metavar or action.dest.upper()}`"
        text = (action.help or "") % (vars(action) | {"prog": parser.prog})
        rows.append(f"| {words.replace('|', chr(92) + '|')} | {_cell(text)} |")
    about = parser.description or ""
    return f"""## nas {name}

{about}

```text
{parser.epilog}
```

{_rows(["argument", "what it is"], rows)}
"""


def _operator(name: str, about: str, module: nn.Module, inputs: int = 1, size: float = 1) -> str:
    formula, source = _formula(module)
    params, macs = _cost(module, inputs, size)
    cells = [f"`{name}`", _cell(about), f"`{formula}`" if formula else "-", f"{params:,}", f"{macs / 1e6:.2f} M"]
    return f"| {' | '.join([*cells, _cell(source) or '-'])} |"


def _formula(module: nn.Module) -> tuple[str, str]:
    """The first equation of the docstring of our own class inside, and its source."""
    for part in module.modules():
        text = inspect.getdoc(type(part)) or ""
        if type(part).__module__.startswith("nas.models") and type(part).__name__ != "Steps":
            first = text.partition("\n")[0]
            formula = re.match(r"(?:\(.*?\) -> |y\w* = |x \+ |join\()[^:;.]*(?:\.\d[^:;.]*)*", first)
            source = re.search(r"Source:\s*(.*?)(?:\n\s*\n|\Z)", text, re.DOTALL)
            return formula[0].strip() if formula else "", " ".join(source[1].split()) if source else ""
    return "", ""


def _cost(module: nn.Module, inputs: int, size: float) -> tuple[int, int]:
    maps = [torch.zeros(1, WIDTH, CELLS, CELLS) for _ in range(inputs)]
    side = int(CELLS * size)
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if inputs > 1:
            module(maps)
        elif size != 1:
            module(maps[0], (side, side))
        else:
            module(maps[0])
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2


def _prose(text: str) -> str:
    return re.sub(r"\n(?=Source:)", "\n\n", text)


def _rows(head: list[str], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _shown(value: Any) -> str:
    return "**required**" if value is inspect.Parameter.empty else f"`{value!r}`"


def _yes(fact: bool) -> str:
    return "yes" if fact else "-"
