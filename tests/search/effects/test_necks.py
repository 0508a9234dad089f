"""Which necks effects rest on, read from a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.necks.architecture import Architecture, Frame
from nas.necks.topologies import fpn
from nas.search.effects import default_metrics, necks_of
from nas.search_space import SearchSpace
from nas.storage import Store, open_store
from nas.studies.certificate import Compared
from nas.studies.records import Evaluation, Key, Measurement
from tests.fabricated import EPOCHS, TASK, Fabric, spec
from tests.proxy.samples import certificate

SPACE = {
    "name": "cells",
    "template": "pyramid",
    "parameters": {
        "finest": 3,
        "levels": 3,
        "topology": ["none", "top_down"],
        "fusion": "add",
        "upsample": "nearest",
        "widths": "shared",
        "width": list(range(8, 104, 8)),
        "conv": "plain",
    },
}
FRAME = Frame(channels={3: 40, 4: 112, 5: 320}, image_size=160)
PROVENANCE = {
    "space": SearchSpace.parse(SPACE).to_dict(),
    "frame": FRAME.model_dump(mode="json"),
    "machine": "here",
}


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[Fabric]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield Fabric(store, provenance=PROVENANCE)


def inside(width: int) -> Architecture:
    """A neck of the space, the first of that width."""
    neck = next(n for params, n in SearchSpace.parse(SPACE).proposals(FRAME) if params["width"] == width)
    return Architecture(neck=neck)


def certify(store: Store, *necks: Architecture) -> None:
    """A certificate, with two short runs of each neck in the database, on two machines."""
    scores = {"proxy": (0.1,), "full": (0.2,)}
    compared = tuple(Compared(digest=neck.digest, name=f"neck {k}", **scores) for k, neck in enumerate(necks))
    task = spec("ap").task
    found = certificate(compared=compared, space=PROVENANCE["space"])
    proxy = found.proxy.model_copy(update={"task": task, "fingerprint": TASK})
    full = found.full.model_copy(update={"task": spec("ap").full_task})
    store.keep_certificate(found.model_copy(update={"proxy": proxy, "full": full}))
    for neck in necks:
        for seed, machine in ((0, "here"), (1, "there")):
            store.record(
                Evaluation(
                    key=Key(digest=neck.digest, task=TASK, seed=seed, epochs=EPOCHS),
                    architecture=neck,
                    state="complete",
                    measurement=Measurement(
                        metrics={"ap": 0.2 + 0.1 * seed, "latency_ms": 9.0, "params": 5.0},
                        seconds=1.0,
                        details={"machine": machine},
                    ),
                )
            )


def test_trials_with_parameters_each_neck_once(fabric: Fabric) -> None:
    for width in (16, 24):
        fabric.complete(width, ap=width / 100)
    fabric.duplicate(16, origin=0)
    fabric.pruned(32)
    fabric.failed(40, "no")
    found = necks_of(fabric.store, "cells")
    assert found.rows == ({"width": 16}, {"width": 24})
    assert [v["ap"] for v in found.values] == [0.16, 0.24]
    assert (found.trials, found.left_out) == (2, ())
    assert found.parameters["topology"] == ("none", "top_down")
    assert found.parameters["fusion"] == ("add",)


def test_baselines_are_looked_up_and_left_out_where_the_space_lacks_them(fabric: Fabric) -> None:
    fabric.complete(16, ap=0.1, baseline="fpn")
    fabric.complete(20, ap=0.1, baseline="odd")
    fabric.complete(24, ap=0.2)
    found = necks_of(fabric.store, "cells")
    assert found.rows == ({"topology": "top_down", "width": 16}, {"width": 24})
    assert (found.trials, found.left_out) == (2, ("odd",))


def test_necks_of_the_certificate_are_found_in_the_space(fabric: Fabric) -> None:
    fabric.complete(16, ap=0.1)
    certify(fabric.store, inside(32), Architecture(neck=fpn((3, 4), 32)))
    found = necks_of(fabric.store, "cells")
    assert found.trials == 1
    assert found.rows[1] == {"topology": "none", "width": 32}
    assert found.left_out == ("neck 1",)
    # The mean of both seeds; the latency is not, because one of the machines is another.
    assert found.values[1] == {"ap": pytest.approx(0.25), "latency_ms": None, "params": 5.0}
    assert len(necks_of(fabric.store, "cells", search=False).rows) == 1


def test_a_study_without_a_space(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        Fabric(store, provenance={})
        with pytest.raises(UserError, match="does not state its search space"):
            necks_of(store, "cells")
        with pytest.raises(UserError, match="there is no study 'other'"):
            necks_of(store, "other")


def test_default_metrics(fabric: Fabric) -> None:
    fabric.complete(16, ap=0.1, ap50=0.2, ap_small=None, ap_large=0.3, latency_ms=3.0, params=7.0)
    necks = necks_of(fabric.store, "cells")
    assert default_metrics(spec("latency_ms", "ap"), necks) == ["ap", "latency_ms", "ap_large", "params"]
