"""Pages of the reference, as Markdown made from the code: `PAGES` has them by name."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from typing import Any

import nas
from docs import operators
from docs.tables import cell, key_table, mapping, table
from nas import cli
from nas.necks.topologies import TOPOLOGIES, topology_options
from nas.search_space import TEMPLATES
from nas.service.app import described
from nas.service.openapi import route_lines
from nas.studies.metrics import CONSTRAINED, DROPS, METRICS
from nas.studies.schema import SCHEMAS


def study() -> str:
    """Every key of a study file."""
    schema = SCHEMAS["study"]()
    parts = schema["$defs"]
    sections = [
        ("", "The file", schema),
        ("task", "task", parts["TaskSpec"]),
        ("task.data", "task.data", parts["DataSpec"]),
        ("task.backbone", "task.backbone", parts["BackboneTask"]),
        ("objectives[]", "objectives", mapping(parts["Objective"])),
        ("constraints", "constraints", schema["properties"]["constraints"]),
        ("baselines[]", "baselines", mapping(parts["Baseline"])),
        ("sampler", "sampler and pruner", mapping(parts["Named"])),
        ("budget", "budget", parts["Budget"]),
        ("workers", "workers", parts["Workers"]),
    ]
    tables = [f"## {title}\n\n{key_table(part, prefix, parts)}\n" for prefix, title, part in sections]
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
        tables.append(f"## Parameters of `{name}`\n\n{key_table(parameters, 'parameters', {})}\n")
    return f"""# Keys of a search space file

A search space says which necks may be proposed. A *template* makes a neck of parameters. Each parameter is a value, a
list of choices, or a range of whole numbers such as `{{low: 16, high: 96, step: 16}}`. A study narrows or fixes
parameters under `space`. `nas schema space` prints the JSON Schema.

{key_table(schema, "", {})}

{chr(10).join(tables)}"""


def verbs() -> str:
    """Every verb of the command line, from its parser."""
    parser = cli.build_parser()
    (choices,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    overview = [f"| [`nas {name}`](#nas-{name}) | {verb.help} |" for name, verb in cli.VERBS.items()]
    sections = [_verb(name, own) for name, own in choices.choices.items()]
    return f"""# Verbs of the command line

{table(["verb", "what it does"], overview)}

Exit status: 0 done, 1 the work failed, 2 the command or the file is wrong, 130 interrupted.

{chr(10).join(sections)}"""


def http() -> str:
    """Every route of the service."""
    rows = [f"| `{r.method} {r.path}` | {r.scope} | {cell(r.about)} |" for r in route_lines(described())]
    return f"""# Routes of the service

`nas serve` answers these, and describes them in full under `/docs`. The scope is what a token needs; `-` needs none.
Optuna's dashboard is at `/dashboard` with a token of any scope.

{table(["route", "scope", "what it does"], rows)}
"""


def metrics() -> str:
    """Every metric."""
    bounded = (*CONSTRAINED, *DROPS)
    rows = [
        f"| `{name}` | {cell(m.about)} | {m.unit or '0 to 1'} | {m.direction} | {_yes(name in bounded)} |"
        for name, m in METRICS.items()
    ]
    return f"""# Metrics

A level P*l* has stride 2^*l*. `direction` is the way an objective of that metric takes unless it says another.

{table(["metric", "what it is", "unit", "direction", "may be a constraint"], rows)}
"""


def necks() -> str:
    """Every named neck, with its options and source."""
    sections = []
    for name, topology in TOPOLOGIES.items():
        text = inspect.getdoc(topology) or ""
        options = [f"| `{key}` | {_shown(value)} |" for key, value in topology_options(name).items()]
        sections.append(f"## {name}\n\n{_prose(text)}\n\n{table(['option', 'default'], options)}\n")
    return f"""# Named necks

Published necks, as baselines of a study, presets of the command line and `nas.preset` in Python.
[Measured necks and spaces](../pyramids.md) has their costs and drawings.

{chr(10).join(sections)}"""


def python() -> str:
    """What `import nas` offers."""
    names = [name for name in nas.__all__ if name != "__version__"]
    found = "\n\n".join(_object(_home(name), f"nas.{name}") for name in names)
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
    "http": http,
    "metrics": metrics,
    "operators": operators.page,
    "necks": necks,
    "python": python,
}
"""Page under reference/ -> its text."""


def _home(name: str) -> str:
    """Where an object of `nas` is defined, as a dotted path."""
    module, _, attribute = nas._HOMES[name].partition(":")
    return f"{module}.{attribute or name}"


def _object(path: str, heading: str) -> str:
    """What mkdocstrings replaces by an object's docstring."""
    return f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading.rpartition('.')[2]}"


def _prose(text: str) -> str:
    return re.sub(r"\n(?=Source:)", "\n\n", text)


def _shown(value: Any) -> str:
    return "**required**" if value is inspect.Parameter.empty else f"`{value!r}`"


def _yes(fact: bool) -> str:
    return "yes" if fact else "-"


def _verb(name: str, parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        words = ", ".join(f"`{word}`" for word in action.option_strings) or f"`{action.metavar or action.dest}`"
        if action.option_strings and action.nargs != 0:
            words += f" `{action.metavar or action.dest.upper()}`"
        text = (action.help or "") % (vars(action) | {"prog": parser.prog})
        rows.append(f"| {words.replace('|', chr(92) + '|')} | {cell(text)} |")
    about = parser.description or ""
    return f"""## nas {name}

{about}

```text
{parser.epilog}
```

{table(["argument", "what it is"], rows)}
"""
