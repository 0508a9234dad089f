"""Draw docs/images/proxy.png, short against full scores, and docs/images/convergence.png, whether full runs are flat.

    python benchmarks/pyramid_bench/plots.py

In the first each point is a neck of the bench that has a run under both settings; its colour is its finest level. The
right-hand column has full runs against those of another seed: what is told apart more finely than that is luck. In the
second are the full runs behind the shipped studies' certificates, and those of the bench: each run's score less its
last, the mean over the runs and the middle 80 % of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import certificates
import numpy as np
import plotly.graph_objects as go
import table
import variants
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright
from plotly.subplots import make_subplots
from proxies import Bench

from nas import catalog
from nas.measurement import Evaluation
from nas.proxy import ranking
from nas.proxy.evidence import LATE, late_gain, points

DATA = {"bccd": "blood cells", "nuclei": "nuclei", "digits": "digits"}
BEFORE, AFTER = ("as the full run", 6), ("batch of 4", 4)
COLOURS = {2: "#1f77b4", 3: "#ff7f0e", 4: "#2ca02c"}
WIDTH, HEIGHT = 1080, 330


IMAGES = table.HERE.parents[1] / "docs/images"


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


class Full(NamedTuple):
    """Full runs of one kind, and what their seeds differ by."""

    title: str
    metric: str
    runs: list[Evaluation]
    noise: float | None


def full_runs() -> Iterator[Full]:
    """Those behind the certificates, then those of the bench."""
    for name, found in catalog.certificates().items():
        kept = certificates.read(certificates.FOLDER / f"{found.full.fingerprint}.jsonl")
        runs = [e for e in kept if e.key.epochs == found.full.task.epochs]
        yield Full(f"certificate of {name}", found.metric, runs, found.noise)
    for name, data in DATA.items():
        yield Full(f"bench, {data}", "ap", table.read(name)[2], ranking.noise(Bench(name).full))


def convergence() -> go.Figure:
    """A panel for each kind of full run."""
    found = list(full_runs())
    drawn = make_subplots(2, 3, subplot_titles=[_gained(f) for f in found], vertical_spacing=0.18)
    for at, full in enumerate(found):
        curves = [points(run, full.metric) for run in full.runs]
        epochs = [epoch for epoch, _, _ in curves[0]]
        values = np.array([[value for _, value, _ in curve] for curve in curves])
        low, high = np.quantile(values - values[:, -1:], (0.1, 0.9), axis=0)
        place = {"row": at // 3 + 1, "col": at % 3 + 1}
        band = {"mode": "lines", "line": {"width": 0}, "showlegend": False}
        drawn.add_trace(go.Scatter(x=epochs, y=high, **band), **place)
        drawn.add_trace(go.Scatter(x=epochs, y=low, fill="tonexty", fillcolor="#c6dbef", **band), **place)
        mean = (values - values[:, -1:]).mean(0)
        drawn.add_trace(go.Scatter(x=epochs, y=mean, line={"color": "#1f77b4"}, showlegend=False), **place)
        late = go.Scatter(x=[epochs[-1] * LATE] * 2, y=[-0.3, 0.05], mode="lines", showlegend=False)
        drawn.add_trace(late.update(line={"dash": "dot", "color": "grey", "width": 1}), **place)
        drawn.update_xaxes(title_text="epoch", **place)
        drawn.update_yaxes(title_text=f"{full.metric} less its last", range=[-0.3, 0.05], **place)
    drawn.update_layout(
        template="simple_white", width=WIDTH, height=HEIGHT * 2, margin={"t": 60, "b": 40, "l": 60, "r": 20}
    )
    return drawn.update_annotations(font_size=13)


def _gained(full: Full) -> str:
    gain = np.mean([late_gain(run, full.metric) for run in full.runs])
    noise = "unknown" if full.noise is None else f"{full.noise:.4f}"
    return f"{full.title}: {len(full.runs)} runs<br>last third {gain:+.4f}, noise {noise}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=IMAGES, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, drawn in {"proxy": figure(), "convergence": convergence()}.items():
            page_file = Path(folder) / f"{name}.html"
            drawn.write_html(page_file, include_plotlyjs=True, config={"displayModeBar": False})
            page = browser.new_page(viewport={"width": WIDTH + 20, "height": int(drawn.layout.height) + 20})
            page.goto(page_file.as_uri())
            page.locator(".plot-container").screenshot(path=options.output / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
