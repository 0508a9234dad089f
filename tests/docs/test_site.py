"""What the pages that are made at build time hold. `make docs` builds them, and refuses broken links."""

from __future__ import annotations

import argparse
import re

import pytest

from docs.hooks import LATER, _without, outside
from docs.reference import PAGES
from nas import cli
from nas.models import blocks, fuse, resample
from nas.search_space import TEMPLATES
from nas.studies.metrics import METRICS
from nas.studies.schema import SCHEMAS
from tests.docs.blocks import REPOSITORY


def named(page: str) -> set[str]:
    """What stands in a page's tables as code."""
    return set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGES[page]()))


def test_every_page_that_is_made_is_in_the_navigation() -> None:
    written = (REPOSITORY / "mkdocs.yml").read_text()
    assert [name for name in PAGES if f"reference/{name}.md" not in written] == []


def test_every_key_of_a_study_is_explained() -> None:
    schema, words = SCHEMAS["study"](), named("study")
    assert set(schema["properties"]) <= words
    assert {f"task.{key}" for key in schema["$defs"]["TaskSpec"]["properties"]} <= words
    assert {f"task.data.{key}" for key in schema["$defs"]["DataSpec"]["properties"]} <= words
    assert {"budget.seconds", "workers.gpus", "objectives[].fallback", "constraints.latency_ms"} <= words


def test_a_row_has_type_default_unit_and_meaning() -> None:
    row = "| `task.image_size` | whole number (32 to 2,048, a multiple of 32) | `160` | pixels | Side of the square"
    assert row in PAGES["study"]()
    assert "| `baselines` | list of [neck](necks.md) or mapping | `[fpn, panet, bifpn]` |" in PAGES["study"]()


def test_every_parameter_of_a_template_is_explained() -> None:
    assert {f"parameters.{name}" for template in TEMPLATES.values() for name in template.domains} <= named("space")


def test_every_verb_and_option_is_explained() -> None:
    words = named("verbs")
    (choices,) = (a for a in cli.build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    options = {o for own in choices.choices.values() for a in own._actions for o in a.option_strings}
    assert options - {"-h", "--help"} <= {word for words_ in words for word in words_.split(", ")}
    assert {f"nas {verb}" for verb in cli.VERBS} <= words


def test_every_operator_has_a_row_with_its_cost() -> None:
    page = PAGES["operators"]()
    tables = (fuse.FUSIONS, resample.UPSAMPLINGS, resample.DOWNSAMPLINGS, blocks.BLOCKS)
    assert {name for table in tables for name in table} <= named("operators")
    assert "| `conv` | 3x3 convolution with stride 2" in page
    assert "| 36,928 | 9.44 M |" in page  # 3 * 3 * 64 * 64 weights and 64 biases; the weights at 16 x 16 places


def test_every_metric_has_a_row() -> None:
    assert set(METRICS) <= named("metrics")


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://a.org/x.js"></script>', ["https://a.org/x.js"]),
        ('<link rel="stylesheet" href="//a.org/x.css">', ["//a.org/x.css"]),
        ("<img alt='x' src=http://a.org/x.png>", ["http://a.org/x.png"]),
        ('<a href="https://a.org">a link to follow</a><img src="images/x.png"><script src="../x.js"></script>', []),
    ],
)
def test_a_page_that_loads_from_elsewhere_is_noticed(html: str, found: list[str]) -> None:
    assert outside(html) == found


def test_pages_that_are_to_come_are_left_out_of_the_navigation() -> None:
    nav = ["index.md", {"How to": [{"Data": LATER[0]}, "x.md"]}, {"More": [LATER[1]]}]
    assert _without(nav, set(LATER)) == ["index.md", {"How to": ["x.md"]}]
