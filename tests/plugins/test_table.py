"""Entries of other packages: small distributions on sys.path, found by their entry points."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nas
from nas.errors import UserError
from nas.necks.operators import Fusion
from nas.plugins import Table, UnknownName, packages
from nas.plugins.table import _entry_points
from tests import forked

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution on sys.path: entry points by group, modules by name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name: str, points: dict[str, str], **modules: str) -> None:
        info = tmp_path / f"{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [f"[pyramid_nas.{table}]\n{point}\n" for table, point in points.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for module, text in modules.items():
            (tmp_path / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)
            imported.add(module)
        _entry_points.cache_clear()

    imported: set[str] = set()
    yield put
    _entry_points.cache_clear()
    for module in imported:  # or the next test that writes one of this name would get this one
        sys.modules.pop(module, None)


def table() -> Table[Fusion]:
    return Table("fusions", Fusion) | {"add": Fusion("sum")}


OPERATORS = "from nas.necks.operators import Fusion\nMIDDLE = Fusion('the middle')\n"


def test_our_own_names_come_first_and_others_after(install: Install) -> None:
    install("zeta", {"fusions": "zz = operators_z:MIDDLE\naa = operators_z:MIDDLE"}, operators_z=OPERATORS)
    found = table()
    assert list(found) == ["add", "aa", "zz"]
    assert len(found) == 3
    assert found["zz"] == Fusion("the middle")
    assert "zz" in found
    assert "none" not in found


def test_a_table_without_plugins_is_its_own_names() -> None:
    assert dict(table()) == {"add": Fusion("sum")}


def test_an_unknown_name_is_a_key_error_and_a_sentence() -> None:
    found = table()
    assert found.get("none") is None
    with pytest.raises(UnknownName, match=r"^fusions: nothing is called 'none'; known are add$"):
        found["none"]


def test_a_name_taken_twice_names_both(install: Install) -> None:
    install("one", {"fusions": "middle = operators_1:MIDDLE"}, operators_1=OPERATORS)
    install("two", {"fusions": "middle = operators_1:MIDDLE"})
    with pytest.raises(
        UserError, match=r"^fusions: 'middle' is taken twice, by one 1\.5 and by two 1\.5; uninstall one"
    ):
        list(table())


def test_our_own_names_cannot_be_taken(install: Install) -> None:
    install("one", {"fusions": "add = operators_1:MIDDLE"}, operators_1=OPERATORS)
    with pytest.raises(UserError, match=r"'add' is taken twice, by pyramid-nas itself and by one 1\.5"):
        table()["add"]


def test_what_cannot_be_imported_troubles_only_who_uses_it(install: Install) -> None:
    install("broken", {"fusions": "bad = operators_b:NONE\nworse = no_such_module:X"}, operators_b=OPERATORS)
    found = table()
    assert list(found) == ["add", "bad", "worse"]
    assert found["add"] == Fusion("sum")
    with pytest.raises(
        UserError, match=r"'bad' of broken 1\.5 \(operators_b:NONE\) cannot be imported \(AttributeError"
    ):
        found["bad"]
    with pytest.raises(UserError, match=r"'worse' of broken.*No module named 'no_such_module'"):
        found["worse"]


def test_a_value_of_another_class_is_refused(install: Install) -> None:
    install("odd", {"fusions": "odd = operators_o:ODD"}, operators_o="ODD = 3\n")
    with pytest.raises(UserError, match=r"'odd' of odd 1\.5 \(operators_o:ODD\) should be a Fusion, not 3"):
        table()["odd"]


def test_a_class_of_another_base_is_refused(install: Install) -> None:
    classes = "class Odd: pass\nclass Even(dict): pass\n"
    install("odd", {"heads": "odd = operators_o:Odd\neven = operators_o:Even"}, operators_o=classes)
    found = Table[type]("heads", bases=(dict, list))
    assert found["even"].__mro__[1] is dict
    with pytest.raises(UserError, match=r"\(operators_o:Odd\) should be a class derived from dict or list, not <class"):
        found["odd"]


def test_packages_lists_all_that_add_to_a_table_with_their_versions(install: Install) -> None:
    before = packages()
    install("zeta", {"fusions": "zz = operators_z:MIDDLE", "data": "some = operators_z:SOME"})
    assert packages() == before | {"zeta": "1.5"}


POINTS = {
    "fusions": "median = median_words:MEDIAN\nhomeless = median_words:MEDIAN",
    "fusion_builders": "median = median_modules:median",
    "upsamplings": "twice = median_words:TWICE",
    "upsampling_builders": "twice = median_modules:twice",
    "downsamplings": "half = median_words:TWICE",
    "downsampling_builders": "half = median_modules:half",
    "blocks": "scale = median_words:SCALE",
    "block_builders": "scale = median_modules:scale",
    "backbones": "stairs = median_modules:STAIRS",
    "pretrained": "stairs = median_modules:weights",
    "data": "none = median_modules:NONE",
}

FACTS = """
from nas.necks.operators import Block, Fusion, Resampling
MEDIAN = Fusion("the median of the inputs")
TWICE = Resampling("every pixel four times")
SCALE = Block("a convolution at half its size")
"""

MODULES = """
from collections import OrderedDict
import torch
from torch import nn
from nas.models.bodies import Body
from nas.tasks.data import Loader

class Median(nn.Module):
    def forward(self, xs):
        return torch.stack(list(xs)).median(0).values

class Times(nn.Module):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps
    def forward(self, x, size):
        if self.steps > 0:
            return x.repeat_interleave(2**self.steps, 2).repeat_interleave(2**self.steps, 3)
        return x[..., :: 2**-self.steps, :: 2**-self.steps]

class Stairs(nn.Module):
    def __init__(self, levels):
        super().__init__()
        self.levels = levels
        self.gain = nn.Parameter(torch.ones(1))
    def forward(self, x):
        return [self.gain * x[:, :1, :: 2**n, :: 2**n].repeat(1, 4, 1, 1) for n in self.levels]

def median(width, inputs): return Median()
def twice(cin, cout, steps): return Times(steps)
def half(cin, cout, steps): return Times(-steps)
def scale(conv, cin, cout, bias): return OrderedDict(conv=nn.Conv2d(cin, cout, conv.kernel, padding=conv.kernel // 2))
def weights(): return {"gain": torch.full((1,), 3.0)}
STAIRS = Body(lambda spec: dict.fromkeys(range(6), 4), lambda spec: Stairs(spec.levels))
NONE = Loader(lambda spec: [], lambda spec, image_size, held: None)
"""

USE = """
import sys
from nas.necks.architecture import Architecture, BackboneSpec
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec
from nas.errors import UserError
from nas.necks.canonical import digest
from nas.necks.describe import summary, node_table

inputs = (0, EdgeSpec(source=1, up="twice"), 0)
fused = NodeSpec(level=3, width=4, inputs=inputs, fuse="median", block=ConvSpec(kind="scale"))
down = NodeSpec(level=4, width=4, inputs=(EdgeSpec(source=2, down="half"),), block=ConvSpec(kind="scale", act="relu"))
neck = NeckSpec(inputs=(3, 4), nodes=(fused, down), outputs=(2, 3))
assert "median" in node_table(neck) and digest(neck).startswith("n1-"), node_table(neck)
assert "torch" not in sys.modules, "the ground floor needs no torch"

import torch
from nas.models import build
from nas.models.backbone import Backbone, channels_of
from nas.models.pretrained import load_state, pretrained_state
from nas.models.cost import static_costs
from nas.tasks import data
from nas.studies.spec import DataSpec

body = BackboneSpec(name="stairs", levels=(3, 4))
model = build(Architecture(backbone=body, neck=neck, image_size=32))
c3 = torch.rand(2, 3, 32, 32)
p3, p4 = model(c3).values()
a, b = model.backbone(c3).values()
median = torch.stack([a, b.repeat_interleave(2, 2).repeat_interleave(2, 3), a]).median(0).values
torch.testing.assert_close(p3, model.neck.nodes[0].block(median))
torch.testing.assert_close(p4, model.neck.nodes[1].block(p3[..., ::2, ::2]))
assert channels_of("stairs")[5] == 4
load_state(model.backbone, pretrained_state("stairs"), "the plugin")
assert model.backbone.body.gain.item() == 3
assert data.check(DataSpec(kind="none")) == []
homeless = fused.model_copy(update={"fuse": "homeless"})
try:
    build(Architecture(backbone=body, neck=NeckSpec(inputs=(3, 4), nodes=(homeless,), outputs=(2,))))
except UserError as error:
    print(error)
"""

SPACE = """
name: medians
template: pyramid
parameters: {finest: 3, levels: 3, topology: [top_down, bidirectional], fusion: [add, median],
  upsample: [nearest, twice], widths: shared, width: 16, conv: plain}
"""


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(nas.__file__).parents[1])])}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return forked.run(*words, cwd=folder, env=environment(folder))


def test_a_plugin_in_a_search_space_and_nas_validate(install: Install, tmp_path: Path) -> None:
    install("median-fusion", POINTS, median_words=FACTS, median_modules="raise RuntimeError('torch is not needed')\n")
    (tmp_path / "medians.yaml").write_text(SPACE)
    ended = run(tmp_path, "-m", "nas", "validate", "medians.yaml", "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["necks"] == 8
    (tmp_path / "typo.yaml").write_text(SPACE.replace("median]", "medium]"))
    ended = run(tmp_path, "-m", "nas", "validate", "typo.yaml")
    assert ended.returncode == 2
    assert "'medium' is not one of add, concat" in ended.stderr
    assert "median" in ended.stderr


def test_two_plugins_of_one_name_end_in_a_sentence(install: Install, tmp_path: Path) -> None:
    install("one", {"fusions": "median = median_words:MEDIAN"}, median_words=FACTS)
    install("two", {"fusions": "median = median_words:MEDIAN"})
    (tmp_path / "medians.yaml").write_text(SPACE)
    ended = run(tmp_path, "-m", "nas", "validate", "medians.yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "nas: fusions: 'median' is taken twice, by one 1.5 and by two 1.5; uninstall one\n"


@pytest.mark.slow
def test_operators_and_a_backbone_of_another_package_are_built(install: Install, tmp_path: Path) -> None:
    install("median-fusion", POINTS, median_words=FACTS, median_modules=MODULES)
    command = [sys.executable, "-c", USE]  # it looks at what it imported
    ended = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("fusion_builders: nothing is called 'homeless'; known are add, concat,")


STUDY = """
search_space: medians.yaml
task: {kind: detection, data: {kind: digits}}
baselines: [fpn]
export: [onnx, pt2]
"""


@pytest.mark.slow
def test_what_cannot_be_exported_is_refused_before_a_search_that_exports_to_onnx(
    install: Install, tmp_path: Path
) -> None:
    either = MODULES.replace(
        "return torch.stack(list(xs)).median(0).values", "return xs[0] if xs[0].sum().item() > 0 else xs[1]"
    )
    install("median-fusion", POINTS, median_words=FACTS, median_modules=either)
    (tmp_path / "medians.yaml").write_text(SPACE)
    (tmp_path / "study.yaml").write_text(STUDY)
    ended = run(tmp_path, "-m", "nas", "validate", "study.yaml", "--json")
    assert ended.returncode == 2, ended.stderr
    faults = {fault["message"].partition(" (")[0] for fault in json.loads(ended.stdout)["faults"]}
    message = "{} cannot hold the fusion 'median' of median-fusion 1.5"
    assert faults == {message.format("onnx"), message.format("pt2")}  # `twice` can be exported, which is as well shown
