"""Draw short against full scores, for the proxy as it was and for the one that won, as docs/images/proxy.png.

    python benchmarks/pyramid_bench/plots.py

Each point is a neck of the bench that has a run under both settings; its colour is its finest level. The right-hand
column has full runs against those of another seed: what is told apart more finely than that is luck.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import plotly.graph_objects as go
import table
import variants
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots
from proxies import Bench

from nas.proxy import ranking

DATA = {"bccd": "blood cells", "nuclei": "nuclei", "digits": "digits"}
BEFORE, AFTER = ("as the full run", 6), ("batch of 4", 4)
COLOURS = {2: "#1f77b4", 3: "#ff7f0e", 4: "#2ca02c"}
WIDTH, HEIGHT = 1080, 330


class Panel(NamedTuple):
    """Scores by one training against those by another."""

    title: str
    short: NDArray[np.float64]
    full: NDArray[np.float64]
    finest: NDArray[np.int64]


def panels(name: str) -> Iterator[Panel | None]:
    """Before, after, and what another seed says; None where the bench has no such runs."""
    b = Bench(name)
    place = {digest: i for i, digest in enumerate(b.digests)}
    rows = variants.read(name)
    for variant, epochs in (BEFORE, AFTER):
        own = [r for r in rows if (r["variant"], int(r["epoch"])) == (variant, epochs) and r["digest"] in place]
        index = np.array([place[r["digest"]] for r in own], int)
        title = "batches of 4" if variant == "batch of 4" else "batches of 16"
        short = np.array([float(r["ap"]) for r in own])
        yield Panel(f"{title}, {epochs} epochs", short, b.full[index].mean(1), b.finest[index]) if own else None
    yield Panel("another full run", b.full[:, 1], b.full[:, 0], b.finest) if b.paired else None


def figure() -> go.Figure:
    """A row of panels for every data set that has any."""
    found = {name: list(panels(name)) for name in DATA}
    rows = {name: row for name, row in found.items() if any(row)}
    titles = [_title(DATA[name], panel) for name, row in rows.items() for panel in row]
    drawn = make_subplots(len(rows), 3, subplot_titles=titles, vertical_spacing=0.09, horizontal_spacing=0.06)
    for i, row in enumerate(rows.values(), 1):
        for k, panel in enumerate(row, 1):
            for level, colour in COLOURS.items() if panel else ():
                own = panel.finest == level
                first = i == k == 1
                points = go.Scatter(
                    x=panel.short[own], y=panel.full[own], mode="markers", name=f"from P{level}", showlegend=first,
                    marker={"color": colour, "size": 7},
                )  # fmt: skip
                drawn.add_trace(points, i, k)
        drawn.update_yaxes(title_text="AP of the full training", row=i, col=1)
    drawn.update_layout(
        template="simple_white", width=WIDTH, height=HEIGHT * len(rows), margin={"t": 60, "b": 40, "l": 60, "r": 20},
        legend={"orientation": "h", "y": -0.12 / len(rows)},
    )  # fmt: skip
    return drawn.update_annotations(font_size=13)


def _title(data: str, panel: Panel | None) -> str:
    if panel is None:
        return f"{data}: not yet"
    return f"{data}: {panel.title}, tau {ranking.tau(panel.short, panel.full):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=table.HERE.parents[1] / "docs/images/proxy.png")
    options = parser.parse_args()
    drawn = figure()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as browsers:
        page_file = Path(folder) / "figure.html"
        drawn.write_html(page_file, include_plotlyjs=True, config={"displayModeBar": False})
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        size = {"width": WIDTH + 20, "height": int(drawn.layout.height) + 20}
        page = browser.new_page(viewport=size)  # type: ignore[arg-type]
        page.goto(page_file.as_uri())
        page.locator(".plot-container").screenshot(path=options.output)
        browser.close()


if __name__ == "__main__":
    main()
