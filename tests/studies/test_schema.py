"""The JSON Schemas: they accept whatever a file may hold, and refuse wrong keys and types as the reader does."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nas.errors import SpecError
from nas.executors import EXECUTORS
from nas.models.heads import HEADS
from nas.search.checks import check
from nas.search.pruners import PRUNERS
from nas.search.samplers import SAMPLERS
from nas.search_space import TEMPLATES, SearchSpace
from nas.studies import catalog
from nas.studies.schema import SCHEMAS, space_schema, study_schema
from nas.studies.spec import DataSpec, StudySpec, TaskSpec
from nas.tasks import TASKS
from nas.tasks.data import DATA, MASKS
from nas.yaml12 import load_yaml

REPOSITORY = Path(__file__).parents[2]
STUDY, SPACE = Draft202012Validator(study_schema()), Draft202012Validator(space_schema())
TASK = {"kind": "detection", "data": {"kind": "digits"}}


def written_in_tests() -> list[Any]:
    """The studies that stand in the tests' sources as YAML."""
    found = []
    for file in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.search(r"^task:", text, re.MULTILINE):
                try:
                    data = load_yaml(text, str(file))
                except SpecError:
                    continue  # a test of broken YAML
                if isinstance(data, dict):
                    found.append(pytest.param(data, id=f"{file.stem}:{node.lineno}"))
    return found


def read(data: Any) -> bool:
    """Whether a study can be read, and names nothing unknown. Packages and plugins may add names."""
    try:
        study = StudySpec.parse(data)
    except SpecError:
        return False
    faults = [fault for fault in check(study) if fault.path.startswith(("objectives", "constraints", "baselines"))]
    return not faults


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_committed_schema_is_what_the_verb_prints(kind: str) -> None:
    """After a change: `nas schema study > schemas/study.json`, and `space` alike."""
    committed = (REPOSITORY / "schemas" / f"{kind}.json").read_text()
    assert json.loads(committed) == SCHEMAS[kind]()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_schema_is_one_and_describes_every_key(kind: str) -> None:
    schema = SCHEMAS[kind]()
    Draft202012Validator.check_schema(schema)
    parts = [schema, *schema.get("$defs", {}).values()]
    parts += [form for part in parts for form in part.get("anyOf", ())]
    keys = [(name, key) for part in parts for name, key in part.get("properties", {}).items()]
    assert len(keys) >= 4
    options = {name for name, key in keys if key == {}}  # of baselines, whose meaning is the topology's
    assert [name for name, key in keys if "description" not in key and name not in options] == []


@pytest.mark.parametrize("kind", ["studies", "search_spaces"])
def test_shipped_files_are_valid_and_name_the_schema(kind: catalog.Kind) -> None:
    validator, schema = (STUDY, "study") if kind == "studies" else (SPACE, "space")
    for name in catalog.names(kind):
        path = catalog.find(kind, name)
        text = path.read_text()
        assert text.splitlines()[0] == f"# yaml-language-server: $schema=../schemas/{schema}.json"
        assert (path.parent.parent / "schemas" / f"{schema}.json").is_file()
        validator.validate(load_yaml(text, name))


@pytest.mark.parametrize("data", written_in_tests())
def test_what_the_reader_accepts_in_tests_the_schema_accepts(data: Any) -> None:
    if read(data):
        STUDY.validate(data)


@pytest.mark.parametrize(
    "keys",
    [
        {"objectives": ["ap", {"metric": "latency_ms"}, {"metric": "params", "direction": "maximize"}]},
        {"objectives": [{"metric": "ap_full", "fallback": "ap"}]},
        {"sampler": "random", "pruner": {"kind": "median", "n_startup_trials": 3}},
        {"sampler": {"kind": "tpe", "options": {"n_startup_trials": 8}}},
        {"baselines": ["fpn", {"name": "wide", "topology": "fpn", "width": 128}, {"topology": "bifpn", "repeats": 2}]},
        {"baselines": []},
        {"space": {"width": [32, 64], "upsample": "nearest", "finest": {"low": 2, "high": 3}, "cells": 2}},
        {"space": {"width": {"low": 16, "high": 96, "step": 16}}},
        {"full": {"epochs": 200, "flip": False}},
        {"keep": "all"},
        {"keep": "best 3"},
        {"keep": 7},
        {"budget": {"seconds": 60.5}, "workers": {"count": 2, "gpus": 0.5}},
        {"constraints": {"params": 5e6, "latency_ms": 12}, "export": ["onnx", "pt2"]},
        {"name": None, "address": None},
        {"task": TASK | {"backbone": {"checkpoint": "x.safetensors", "levels": [3, 4, 5]}, "jitter": [0.5, 2]}},
        {"task": TASK | {"data": {"kind": "voc", "root": "cells", "classes": ["a", "b"]}}},
    ],
    ids=str,
)
def test_short_forms_are_valid_for_both(keys: dict[str, Any]) -> None:
    data = {"task": TASK} | keys
    assert read(data)
    STUDY.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"task": 3},
        {"task": TASK, "tsak": 1},
        {"task": TASK | {"epoch": 4}},
        {"task": TASK | {"epochs": "many"}},
        {"task": TASK | {"epochs": 0}},
        {"task": TASK | {"image_size": 100}},
        {"task": TASK | {"data": {"kind": "digits", "rot": "x"}}},
        {"task": TASK | {"backbone": {"tune": "some"}}},
        {"task": TASK | {"jitter": [1]}},
        {"task": TASK, "objectives": "ap"},
        {"task": TASK, "objectives": []},
        {"task": TASK, "objectives": ["app"]},
        {"task": TASK, "objectives": [{"metric": "ap", "way": "up"}]},
        {"task": TASK, "baselines": ["fnp"]},
        {"task": TASK, "baselines": [{"width": 3}]},
        {"task": TASK, "sampler": {"n_startup_trials": 8}},
        {"task": TASK, "sampler": 3},
        {"task": TASK, "budget": {}},
        {"task": TASK, "budget": {"trial": 3}},
        {"task": TASK, "workers": {"count": "many"}},
        {"task": TASK, "constraints": {"params": -1}},
        {"task": TASK, "constraints": {"ap": 0.3}},
        {"task": TASK, "full": {"epoch": 3}},
        {"task": TASK, "full": {"backbone": {}}},
        {"task": TASK, "export": ["onxn"]},
        {"task": TASK, "keep": "some"},
        {"task": TASK, "seed": -1},
    ],
    ids=str,
)
def test_wrong_keys_types_and_words_are_refused_by_both(data: dict[str, Any]) -> None:
    assert not read(data)
    assert not STUDY.is_valid(data)


@pytest.mark.parametrize(
    "space", [{"wdith": 16}, {"width": 16.5}, {"fusion": "sum"}, {"width": []}, {"width": {"low": 3}}]
)
def test_a_study_narrows_only_known_parameters(space: dict[str, Any]) -> None:
    assert not STUDY.is_valid({"task": TASK, "space": space})
    with pytest.raises(SpecError):
        catalog.read_space("pyramid").narrowed(space)


LEAST = {
    "pyramid": {
        "finest": 2,
        "levels": [2, 3],
        "topology": "top_down",
        "fusion": "add",
        "upsample": "nearest",
        "widths": "shared",
        "width": 16,
        "conv": "plain",
    },
    "merging_cells": {"finest": 2, "levels": 3, "cells": [0, 1], "fusion": ["add"], "width": 16},
}
"""The parameters that each template must be given."""


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"norm": ["none", "batch"]}, True),
        ({"width": {"low": 16, "high": 96, "step": 16}}, True),
        ({"width": None}, False),
        ({"wdith": 16}, False),
        ({"width": "wide"}, False),
        ({"upsample": ["nearest", "bicubic"]}, False),
        ({"levels": [3, 3]}, False),
        ({"levels": 9}, False),
    ],
    ids=str,
)
def test_a_space_is_judged_alike(template: str, changes: dict[str, Any], valid: bool) -> None:
    data = {"template": template, "parameters": LEAST[template] | changes}
    assert SPACE.is_valid(data) == valid
    try:
        SearchSpace.parse({"name": "x"} | data)
        assert valid
    except SpecError:
        assert not valid


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_space_must_hold_what_has_no_default(template: str) -> None:
    for name in LEAST[template]:
        rest = {key: value for key, value in LEAST[template].items() if key != name}
        assert not SPACE.is_valid({"template": template, "parameters": rest})


def test_templates_describe_each_of_their_parameters() -> None:
    for template in TEMPLATES.values():
        assert set(template.about) == set(template.domains)


def test_examples_are_the_names_in_our_tables() -> None:
    """The values cannot import the tables, which need torch and optuna."""

    def examples(spec: type[Any], key: str) -> set[Any]:
        return set(spec.model_fields[key].examples)

    assert examples(TaskSpec, "kind") == set(TASKS)
    assert examples(TaskSpec, "head") == set(HEADS.own)
    assert examples(DataSpec, "kind") == {*DATA.own, *MASKS.own}
    assert examples(StudySpec, "sampler") == set(SAMPLERS)
    assert examples(StudySpec, "pruner") == set(PRUNERS)
    assert examples(StudySpec, "executor") == set(EXECUTORS)
