"""Outlines of COCO become masks; a broken one is told with what was found, whatever a library says to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faster_coco_eval import mask as rle
from hypothesis import given
from hypothesis import strategies as st

from nas.tasks.data.outlines import MISSING, Broken, mask_of

HEIGHT, WIDTH = 16, 32
SIZE = [HEIGHT, WIDTH]
SQUARE = np.zeros((HEIGHT, WIDTH), np.bool_)
SQUARE[2:6, 3:9] = True
TEXT: str = rle.encode(np.asfortranarray(SQUARE.astype(np.uint8)))["counts"].decode()
RUNS = [3 * HEIGHT + 2, *[4, 12] * 5, 4, HEIGHT * WIDTH - 3 * HEIGHT - 2 - 16 * 5 - 4]
RING = [3, 2, 9, 2, 9, 6, 3, 6]


def of(outline: Any) -> np.ndarray | Broken:
    return mask_of(outline, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "outline", [[RING], {"size": SIZE, "counts": TEXT}, {"size": SIZE, "counts": RUNS}], ids=["polygon", "text", "runs"]
)
def test_the_three_forms_give_one_mask(outline: Any) -> None:
    assert np.array_equal(of(outline), SQUARE)


def test_the_rings_of_an_object_are_joined() -> None:
    found = of([RING, [20, 8, 24, 8, 24, 12, 20, 12]])
    assert isinstance(found, np.ndarray)
    assert found.sum() == SQUARE.sum() + 16


@pytest.mark.parametrize("outline", [None, [], {}], ids=str)
def test_no_outline_is_missing(outline: Any) -> None:
    assert of(outline) == MISSING


def runs(*counts: Any) -> dict[str, Any]:
    return {"size": SIZE, "counts": list(counts)}


@pytest.mark.parametrize(
    ("outline", "kind", "found"),
    [
        ({"size": SIZE, "counts": TEXT[:-1]}, "broken run lengths", "RLE string is malformed: early end"),
        ({"size": SIZE, "counts": TEXT[:-3]}, "broken run lengths", "decoded 130 pixels but expected 512"),
        ({"size": SIZE, "counts": "\x01é☃"}, "broken run lengths", "exceed the mask dimensions"),
        ({"size": SIZE, "counts": ""}, "broken run lengths", "decoded 0 pixels"),
        (runs(-5, 517), "run lengths that are no whole numbers from 0", "-5"),
        (runs(1.5, 510.5), "run lengths that are no whole numbers from 0", "1.5"),
        (runs(True, 511), "run lengths that are no whole numbers from 0", "True"),
        (runs(None), "run lengths that are no whole numbers from 0", "None"),
        (runs(float("nan")), "run lengths that are no whole numbers from 0", "nan"),
        (runs(), "run lengths that do not add up to the image", "0 instead of 512 pixels"),
        (runs(100, 5), "run lengths that do not add up to the image", "105 instead of 512 pixels"),
        (runs(10**30), "run lengths that do not add up to the image", " instead of 512 pixels"),
        (runs(512), "mask without a pixel", ""),
        ({"size": SIZE, "counts": 7}, "run lengths that are neither a list nor text", "7"),
        ({"size": [20, 32], "counts": TEXT}, "mask of another size than its image", "[20, 32] instead of [16, 32]"),
        ({"size": [32, 16], "counts": RUNS}, "mask of another size than its image", "[32, 16] instead of [16, 32]"),
        ({"size": [16], "counts": RUNS}, "mask that is neither polygons nor run lengths (counts and size)", "[16]"),
        ({"counts": TEXT}, "mask that is neither polygons nor run lengths (counts and size)", "counts"),
        ("x", "mask that is neither polygons nor run lengths (counts and size)", "'x'"),
        ([1, 2, 3, 4, 5, 6], "polygon without x and y of three corners or more", "1"),
        ([[]], "polygon without x and y of three corners or more", "0 numbers"),
        ([[1, 2, 3, 4]], "polygon without x and y of three corners or more", "4 numbers"),
        ([RING, [*RING, 1]], "polygon without x and y of three corners or more", "9 numbers"),
        ([[1, 2, "x", 4, 5, 6]], "polygon with a corner that is no number", "'x'"),
        ([[1, 2, None, 4, 5, 6]], "polygon with a corner that is no number", "None"),
        ([[1, 2, float("nan"), 4, 5, 6]], "polygon with a corner that is no number", "nan"),
        ([[1, 2, float("inf"), 4, 5, 6]], "polygon with a corner that is no number", "inf"),
        ([[1, 2, 1e9, 4, 5, 6]], "polygon far outside its image", "1000000000.0"),
        ([[1, 2, 3, -(10**400), 5, 6]], "polygon far outside its image", "-1000"),
        ([[40, 2, 50, 4, 45, 6]], "mask without a pixel", ""),
    ],
    ids=lambda x: x if isinstance(x, str) and " " in x else "",
)
def test_a_broken_outline_is_told_by_its_kind_and_what_was_found(outline: Any, kind: str, found: str) -> None:
    broken = of(outline)
    assert isinstance(broken, Broken)
    assert broken.kind == kind
    assert found in broken.found
    assert len(broken.found) < 120


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([TEXT, *SIZE]),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.sampled_from(["counts", "size"]), inner),
    max_leaves=20,
)


@given(
    JSON | st.fixed_dictionaries({"size": st.just(SIZE), "counts": JSON | st.text(st.characters(max_codepoint=127))})
)
def test_whatever_json_holds_is_a_mask_or_told(outline: Any) -> None:
    found = of(outline)
    assert isinstance(found, Broken) or (found.shape == (HEIGHT, WIDTH) and found.any())
