"""A neck as an SVG drawing.

Every level is a row, coarse at the top, and maps stand in order of computation, the backbone's at the left. Maps have
the names of `nas.necks.describe`, whose line for a map is its tooltip. The drawing shows the canonical form, because
that is what is built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from nas.necks import operators
from nas.necks.canonical import canonical
from nas.necks.describe import map_names, node_table, summary
from nas.necks.layout import Layout, Link, layout
from nas.necks.spec import ConvSpec, NeckSpec

HEIGHT, GAP, LANE, MARGIN, LEFT = 54, 62, 9, 20, 96
_GLYPHS = {"add": "+", "sum": "+"}
_COLOURS = {"same": "#4d5663", "up": "#c2410c", "down": "#1d4ed8"}
DASHES = {
    "same": ("",),
    "up": ("8 4", "8 3 2 3", "14 4", "5 5", "12 3 2 3 2 3", "3 3", "1 3"),
    "down": ("2 3", "2 2 6 2", "1 4", "4 2 1 2", "2 6", "6 2 6 6", "8 6", "10 2", "1 2 1 5"),
}
_FILLS = {"backbone": "#e5e7eb", "between": "#ffffff", "output": "#dcfce7"}
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


class _Label(NamedTuple):
    """The text of a map.

    Attributes:
        name: its name.
        lines: further lines below the name.
        kind: `backbone`, `between` or `output`.
        tooltip: its whole description.
    """

    name: str
    lines: tuple[str, ...]
    kind: str
    tooltip: str


class _Map(NamedTuple):
    """A map with its label and its centre in pixels."""

    label: _Label
    x: float
    y: float


def svg(neck: NeckSpec) -> str:
    """The SVG text of a neck, equal for all of its encodings.

    Example:
        >>> import nas
        >>> text = svg(nas.preset("panet", levels=3).neck)
        >>> text[:4], text.count('class="map')
        ('<svg', 12)
    """
    neck = canonical(neck)
    grid = layout(neck)
    labels = _labels(neck)
    box = max(58.0, *(6.2 * max(map(len, (label.name + " ", *label.lines))) + 16 for label in labels))
    ys = _rows(grid)
    maps = [
        _Map(label, LEFT + box / 2 + column * (box + GAP), ys[row])
        for label, (row, column) in zip(labels, grid.cells, strict=True)
    ]
    styles = _styles(grid)
    legend = _legend(grid, styles)
    bottom = ys[-1] + HEIGHT / 2 + MARGIN
    width = max(LEFT + grid.columns * (box + GAP) - GAP + MARGIN, MARGIN + 2 * 190 + MARGIN)
    per_line = max(1, int((width - 2 * MARGIN) // 190))
    height = bottom + 22 * -(-len(legend) // per_line) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{_FONT}" role="img">',
        f"<title>{escape(summary(neck))}</title>",
        f"<defs>{''.join(_arrow(kind, colour) for kind, colour in _COLOURS.items())}</defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *(_row(level, y, width) for level, y in zip(grid.levels, ys, strict=True)),
        *_edges(grid, maps, styles, box, ys),
        *(_box(m, box) for m in maps),
    ]
    for k, sample in enumerate(legend):
        x, y = MARGIN + 190 * (k % per_line), bottom + 22 * (k // per_line) + 6
        parts.append(f'<g class="legend" transform="translate({x},{y:.0f})">{sample}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _labels(neck: NeckSpec) -> list[_Label]:
    """The labels of all maps, the merged map last."""
    rows = node_table(neck).splitlines()
    labels: list[_Label] = []
    for i, name in enumerate(map_names(neck)):
        node, is_output = neck.node(i), i in neck.outputs
        if node is None:
            level = neck.level_of(i)
            text = f"{name} = P{level}" if is_output else name
            labels.append(_Label(text, ("backbone",), "output" if is_output else "backbone", f"level {level}"))
        else:
            fuse = _glyph(node.fuse) if len(node.inputs) > 1 else ""
            kind = "output" if is_output else "between"
            labels.append(_Label(name, _lines(fuse, node.block, node.width), kind, rows[i - len(neck.inputs)]))
    if neck.merge is not None:
        merge = neck.merge
        labels.append(_Label("out", _lines(_glyph(merge.kind), merge.block, merge.width), "output", rows[-1]))
    return labels


def _lines(fuse: str, block: ConvSpec | None, width: int) -> tuple[str, ...]:
    """At most two lines: the fusion, then convolution and width."""
    last = " · ".join(filter(None, (_conv(block), str(width))))
    return (fuse, last) if fuse else (last,)


def _glyph(fuse: str) -> str:
    return _GLYPHS.get(fuse, fuse.replace("_", " "))


def _conv(conv: ConvSpec | None) -> str:
    if conv is None or not conv.convolves:
        return ""
    kind = {"plain": "", "separable": "sep"}.get(conv.kind, conv.kind.replace("_", " "))
    size = "" if "kernel" in operators.BLOCKS[conv.kind].ignores else f"{conv.kernel}×{conv.kernel}"
    return " ".join(filter(None, (size, kind)))


def _rows(grid: Layout) -> list[float]:
    """The y of every row's middle, with space for the lanes between rows."""
    ys: list[float] = []
    y = float(MARGIN)
    for row in range(len(grid.levels)):
        y += LANE * grid.lanes_above(row) + (26 if row else 0) + HEIGHT
        ys.append(y - HEIGHT / 2)
    return ys


def _kind(grid: Layout, link: Link) -> str:
    down = grid.cells[link.target][0] - grid.cells[link.source][0]
    return "up" if down > 0 else "down" if down < 0 else "same"


def _style_key(grid: Layout, link: Link) -> tuple[str, str]:
    """The kind of an edge, and its resampling."""
    kind = _kind(grid, link)
    return kind, {"up": link.edge.up, "down": link.edge.down, "same": ""}[kind]


def _styles(grid: Layout) -> dict[tuple[str, str], str]:
    """The stroke of every kind and resampling that occurs: its colour by kind, its dashes by resampling."""
    styles: dict[tuple[str, str], str] = {}
    for kind, dashes in DASHES.items():
        names = sorted({name for k, name in (_style_key(grid, link) for link in grid.links) if k == kind})
        for k, name in enumerate(names):
            dash = dashes[k % len(dashes)]
            styles[kind, name] = f'stroke="{_COLOURS[kind]}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    return styles


def _edges(
    grid: Layout, maps: Sequence[_Map], styles: dict[tuple[str, str], str], box: float, ys: Sequence[float]
) -> list[str]:
    """The edges with their arrows. Edges that reach a map on the same side end next to each other."""
    sides: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for k, link in enumerate(grid.links):
        a, b = grid.cells[link.source], grid.cells[link.target]
        side = "left" if a[1] < b[1] else "top" if a[0] < b[0] else "bottom"
        sides[link.target, side].append(k)
    drawn: dict[int, str] = {}
    for (target, side), arriving in sides.items():
        # In order of height, so that edges do not cross in front of their target.
        arriving.sort(key=lambda k: _height(grid.links[k], maps, ys))
        step = min(9.0, (HEIGHT - 10) / len(arriving))
        for place, k in enumerate(arriving):
            link = grid.links[k]
            off = step * (place - (len(arriving) - 1) / 2)
            path, start = _path(maps[link.source], maps[target], side, off, box, _height(link, maps, ys))
            kind, _ = key = _style_key(grid, link)
            square = f'<rect x="{start[0] - 3:.1f}" y="{start[1] - 3:.1f}" width="6" height="6" class="projection"'
            drawn[k] = f'<path class="edge {kind}" d="{path}" fill="none" stroke-width="1.6" {styles[key]}'
            drawn[k] += f' marker-end="url(#{kind})"/>'
            if link.edge.project is not None:
                drawn[k] += f'{square} fill="{_COLOURS[kind]}"/>'
    return [drawn[k] for k in sorted(drawn)]


def _height(link: Link, maps: Sequence[_Map], ys: Sequence[float]) -> float:
    """The y at which an edge approaches its target: that of its lane, or else of its source."""
    if link.lane is None:
        return maps[link.source].y
    row, lane = link.lane
    return ys[row] if lane == 0 else ys[row] - HEIGHT / 2 - 10 - LANE * (lane - 1)


def _path(a: _Map, b: _Map, side: str, off: float, box: float, lane: float) -> tuple[str, tuple[float, float]]:
    """The path of an edge, and its start."""
    if side != "left":
        sign = 1 if side == "top" else -1
        x, y0, y1 = a.x + off, a.y + sign * HEIGHT / 2, b.y - sign * (HEIGHT / 2 + 2)
        return f"M{x:.1f} {y0:.1f}L{x:.1f} {y1:.1f}", (x, y0 + 4 * sign)
    x0, x1, y1 = a.x + box / 2, b.x - box / 2 - 2, b.y + off
    # The edge leaves its row within the gap behind `a`, and enters that of `b` within the gap before it.
    first, last = x0 + GAP, x1 + 2 - GAP
    in_neighbouring_columns = last <= first - 1
    if in_neighbouring_columns:
        return f"M{x0:.1f} {a.y:.1f}{_bend(x0, a.y, x1, y1)}", (x0 + 4, a.y)
    return (
        f"M{x0:.1f} {a.y:.1f}{_bend(x0, a.y, first, lane)}L{last:.1f} {lane:.1f}{_bend(last, lane, x1, y1)}",
        (x0 + 4, a.y),
    )


def _bend(x0: float, y0: float, x1: float, y1: float) -> str:
    """A curve that is horizontal at both ends."""
    middle = (x0 + x1) / 2
    return f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"


def _arrow(kind: str, colour: str) -> str:
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )


def _row(level: int, y: float, width: float) -> str:
    return (
        f'<g class="row"><path d="M{LEFT - 10} {y:.1f}H{width - MARGIN:.0f}" stroke="#eef0f3"/>'
        f'<text x="{MARGIN}" y="{y:.1f}" font-size="12" fill="#1f2937">level {level}</text>'
        f'<text x="{MARGIN}" y="{y + 14:.1f}" font-size="10" fill="#6b7280">stride {2**level}</text></g>'
    )


def _box(m: _Map, box: float) -> str:
    name, lines, kind, tooltip = m.label
    first = m.y + 5 - 7 * len(lines)
    text = "".join(
        f'<text x="{m.x:.1f}" y="{first + 14 * k:.1f}" font-size="11" fill="#374151" text-anchor="middle">'
        f"{escape(line)}</text>"
        for k, line in enumerate(lines, start=1)
    )
    return (
        f'<g class="map {kind}"><title>{escape(tooltip)}</title><rect x="{m.x - box / 2:.1f}" '
        f'y="{m.y - HEIGHT / 2:.1f}" width="{box:.1f}" height="{HEIGHT}" rx="6" fill="{_FILLS[kind]}" '
        f'stroke="#374151"/><text x="{m.x:.1f}" y="{first:.1f}" font-size="13" font-weight="bold" fill="#111827" '
        f'text-anchor="middle">{escape(name)}</text>{text}</g>'
    )


def _legend(grid: Layout, styles: dict[tuple[str, str], str]) -> list[str]:
    """A sample with its label for every style that occurs."""
    text = '<text x="42" y="4" font-size="11" fill="#374151">{}</text>'
    entries = [
        f'<path d="M0 0H34" stroke-width="1.6" {style} marker-end="url(#{kind})"/>'
        + text.format(escape(f"{kind}: {name.replace('_', ' ')}" if name else "same level"))
        for (kind, name), style in styles.items()
    ]
    if any(link.edge.project is not None for link in grid.links):
        entries.append('<rect x="14" y="-3" width="6" height="6" fill="#374151"/>' + text.format("projected first"))
    swatch = f'<rect x="8" y="-6" width="18" height="12" rx="2" fill="{_FILLS["output"]}" stroke="#374151"/>'
    entries.append(swatch + text.format("output"))
    return entries
