"""Draw docs/images/proxy.png, short against full scores, and docs/images/convergence.png, whether full runs are flat.

    python benchmarks/pyramid_bench/plots.py

In the first each point is a neck; its colour is its finest level. Of the bench are those that have a run under both
settings; the right-hand column has full runs against those of another seed: what is told apart more finely than that
is luck. The last row has the necks of the shipped studies' certificates, each with two runs, either against the full
run of the other seed; across `ap_full` lies what the law of the other necks forecasts. In the second are the full runs
behind the shipped studies' certificates, and those of the bench: each run's score less its last, the mean over the runs
and the middle 80 % of them.
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

from nas.proxy import ranking
from nas.proxy.compare import repeats
from nas.proxy.evidence import LATE, curve_points, late_score
from nas.proxy.forecasting import leave_one_out, max_steps
from nas.studies import catalog
from nas.studies.certificate import trained_objective
from nas.studies.metrics import FORECASTS
from nas.studies.records import Evaluation

Floats = NDArray[np.float64]

DATA = {"bccd": "blood cells", "nuclei": "nuclei", "digits": "digits"}
SHORT = {
    ("no average", 6): "last weights, 6 epochs",
    ("as the full run", 6): "averaged weights, 6 epochs",
    ("batch of 4", 4): "batches of 4, 4 epochs",
}
"""Short runs of the bench at about a tenth of the cost: variant and epochs -> words."""

COLOURS = {2: "#1f77b4", 3: "#ff7f0e", 4: "#2ca02c"}
WIDTH, HEIGHT = 1280, 330

IMAGES = table.HERE.parents[1] / "docs/images"


class Panel(NamedTuple):
    """Scores by one training against those by another, [necks] or [necks, seeds]."""

    title: str
    short: Floats
    full: Floats
    finest: NDArray[np.int64]


def of_bench(name: str) -> Iterator[Panel | None]:
    """Short runs under some settings, and another seed's full ones; None where the bench has no such runs."""
    b = Bench(name)
    place = {digest: i for i, digest in enumerate(b.digests)}
    rows = variants.read(name)
    for (variant, epochs), words in SHORT.items():
        own = [r for r in rows if (r["variant"], int(r["epoch"])) == (variant, epochs) and r["digest"] in place]
        if not own:
            yield None
            continue
        index = np.array([place[r["digest"]] for r in own], int)
        short, full = np.array([float(r["ap"]) for r in own]), b.full[index].mean(1)
        yield Panel(f"{DATA[name]}, {words}: tau {ranking.tau(short, full):.2f}", short, full, b.finest[index])
    if b.paired:
        short, full = b.full[:, 1], b.full[:, 0]
        yield Panel(f"{DATA[name]}, another full run: tau {ranking.tau(short, full):.2f}", short, full, b.finest)


def of_certificates() -> Iterator[Panel]:
    """The runs behind the shipped certificates; what they forecast is of each neck by the law of the others."""
    for name, found in catalog.certificates().items():
        rows = certificates.full_runs(found)
        finest = np.array(certificates.finest(rows))
        epochs, scores = certificates.curves(rows, found.metric)
        k = epochs.index(found.proxy.task.epochs)
        last = scores[..., k]
        truth = np.stack([own for _, own in repeats(last, scores[..., -1], paired=True)], 1)
        yield Panel(f"{name}, {found.metric} after {epochs[k]} epochs: tau {found.tau:.2f}", last, truth, finest)
        law, asked = found.forecast, trained_objective(catalog.read_study(name)[0])
        if law is not None and asked is not None and asked.metric in FORECASTS:
            limit = max_steps(law.epochs, epochs[-1])
            forecasts, _ = leave_one_out(scores[..., k - 1], last, truth, limit)
            yield Panel(f"{name}, {asked.metric} after {epochs[k]}: tau {law.tau:.2f}", forecasts, truth, finest)


def figure() -> go.Figure:
    """A row of panels for every data set, and one for the certificates."""
    rows: list[list[Panel | None]] = [*(list(of_bench(name)) for name in DATA), list(of_certificates())]
    rows = [row for row in rows if any(row)]
    columns = max(map(len, rows))
    titles = [panel.title if panel else "" for row in rows for panel in [*row, *[None] * (columns - len(row))]]
    drawn = make_subplots(len(rows), columns, subplot_titles=titles, vertical_spacing=0.07, horizontal_spacing=0.05)
    for i, row in enumerate(rows, 1):
        for k, panel in enumerate(row, 1):
            for level, colour in COLOURS.items() if panel else ():
                own = panel.finest == level
                dots = go.Scatter(
                    x=panel.short[own].ravel(), y=panel.full[own].ravel(), mode="markers", name=f"from P{level}",
                    showlegend=i == k == 1, marker={"color": colour, "size": 7},
                )  # fmt: skip
                drawn.add_trace(dots, i, k)
        drawn.update_yaxes(title_text="score of the full training", row=i, col=1)
    drawn.update_layout(
        template="simple_white", width=WIDTH, height=HEIGHT * len(rows), margin={"t": 60, "b": 40, "l": 60, "r": 20},
        legend={"orientation": "h", "y": -0.12 / len(rows)},
    )  # fmt: skip
    return drawn.update_annotations(font_size=12)


class Full(NamedTuple):
    """Full runs of one kind, and what their seeds differ by."""

    title: str
    metric: str
    runs: list[Evaluation]
    noise: float | None


def full_runs() -> Iterator[Full]:
    """Those behind the certificates, then those of the bench."""
    for name, found in catalog.certificates().items():
        runs = [run for row in certificates.full_runs(found) for run in row]
        yield Full(f"certificate of {name}", found.metric, runs, found.noise)
    for name, data in DATA.items():
        yield Full(f"bench, {data}", "ap", table.read(name)[2], ranking.noise(Bench(name).full))


def convergence() -> go.Figure:
    """A panel for each kind of full run."""
    found = list(full_runs())
    drawn = make_subplots(2, 3, subplot_titles=[_gained(f) for f in found], vertical_spacing=0.18)
    for at, full in enumerate(found):
        curves = [curve_points(run, full.metric) for run in full.runs]
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
    late = np.array([late_score(run, full.metric) for run in full.runs], np.float64)
    gain = np.mean([run.measurement.metrics[full.metric] for run in full.runs]) - late.mean()
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
