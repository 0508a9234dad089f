"""A neck as a picture: SVG text, levels as rows (coarse at the top), maps in columns in the order of computation.

The backbone's maps stand at the left. Maps are called as in `nas.necks.describe`; where a node is pointed at, its
whole line of that description shows. What is drawn is the canonical form, for that is what is built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from nas.necks.canonical import canonical
from nas.necks.describe import drawing, map_names, summary
from nas.necks.layout import Layout, Link, layout
from nas.necks.spec import ConvSpec, NeckSpec

HEIGHT, GAP, LANE, MARGIN, LEFT = 54, 62, 9, 20, 96
_GLYPHS = {"add": "+", "sum": "+"}
_COLOURS = {"same": "#4d5663", "up": "#c2410c", "down": "#1d4ed8"}
DASHES = {
    "same": ("",),
    "up": ("8 4", "8 3 2 3", "14 4", "5 5", "12 3 2 3 2 3", "3 3", "1 3"),
    "down": ("2 3", "2 2 6 2", "1 4", "4 2 1 2", "2 6", "6 2 6 6", "8 6"),
}
_FILLS = {"backbone": "#e5e7eb", "between": "#ffffff", "output": "#dcfce7"}
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


class _Map(NamedTuple):
    """What is written on a map, and where it is: x and y of its middle."""

    name: str
    facts: tuple[str, ...]
    kind: str
    about: str
    x: float
    y: float


def svg(neck: NeckSpec) -> str:
    """The drawing of a neck, on a background of its own: the same text for all its encodings."""
    neck = canonical(neck)
    grid = layout(neck)
    words = _words(neck)
    box = max(58.0, *(6.2 * max(map(len, (name + " ", *facts))) + 16 for name, facts, _, _ in words))
    ys = _rows(grid)
    maps = [
        _Map(*word, LEFT + box / 2 + column * (box + GAP), ys[row])
        for word, (row, column) in zip(words, grid.cells, strict=True)
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


def _words(neck: NeckSpec) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Name, facts, kind and description of every map, the merged one last."""
    names = map_names(neck)
    lines = drawing(neck).splitlines()
    words: list[tuple[str, tuple[str, ...], str, str]] = []
    for i, name in enumerate(names):
        node, kind = neck.node(i), "output" if i in neck.outputs else "between"
        if node is None:
            level = neck.level_of(i)
            shown = f"{name} = P{level}" if kind == "output" else name
            words.append((shown, ("backbone",), "output" if kind == "output" else "backbone", f"level {level}"))
        else:
            fuse = _glyph(node.fuse) if len(node.inputs) > 1 else ""
            words.append((name, _facts(fuse, node.block, node.width), kind, lines[i - len(neck.inputs)]))
    if neck.merge is not None:
        merge = neck.merge
        words.append(("out", _facts(_glyph(merge.kind), merge.block, merge.width), "output", lines[-1]))
    return words


def _facts(fuse: str, block: ConvSpec | None, width: int) -> tuple[str, ...]:
    """At most two lines: the fusion, then convolution and width."""
    made = " · ".join(filter(None, (_short(block), str(width))))
    return (fuse, made) if fuse else (made,)


def _glyph(fuse: str) -> str:
    return _GLYPHS.get(fuse, fuse.replace("_", " "))


def _short(conv: ConvSpec | None) -> str:
    if conv is None or not conv.convolves:
        return ""
    size = f"{conv.kernel}×{conv.kernel}"
    return size if conv.kind == "plain" else f"{size} {conv.kind[:3] if conv.kind == 'separable' else conv.kind}"


def _rows(grid: Layout) -> list[float]:
    """y of the rows' middles; rows stand apart as their lanes need."""
    ys: list[float] = []
    y = float(MARGIN)
    for row in range(len(grid.levels)):
        y += LANE * grid.lanes_above(row) + (26 if row else 0) + HEIGHT
        ys.append(y - HEIGHT / 2)
    return ys


def _kind(grid: Layout, link: Link) -> str:
    down = grid.cells[link.target][0] - grid.cells[link.source][0]
    return "up" if down > 0 else "down" if down < 0 else "same"


def _word(grid: Layout, link: Link) -> tuple[str, str]:
    """Kind of an edge and the name of its resampling."""
    kind = _kind(grid, link)
    return kind, {"up": link.edge.up, "down": link.edge.down, "same": ""}[kind]


def _styles(grid: Layout) -> dict[tuple[str, str], str]:
    """Colour by kind and dashes by name, for the words that occur."""
    styles: dict[tuple[str, str], str] = {}
    for kind, dashes in DASHES.items():
        names = sorted({name for k, name in (_word(grid, link) for link in grid.links) if k == kind})
        for k, name in enumerate(names):
            dash = dashes[k % len(dashes)]
            styles[kind, name] = f'stroke="{_COLOURS[kind]}"' + (f' stroke-dasharray="{dash}"' if dash else "")
    return styles


def _edges(
    grid: Layout, maps: Sequence[_Map], styles: dict[tuple[str, str], str], box: float, ys: Sequence[float]
) -> list[str]:
    """Edges with arrows; those into the same side of a map end side by side."""
    sides: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for k, link in enumerate(grid.links):
        a, b = grid.cells[link.source], grid.cells[link.target]
        side = "left" if a[1] < b[1] else "top" if a[0] < b[0] else "bottom"
        sides[link.target, side].append(k)
    drawn: dict[int, str] = {}
    for (target, side), arriving in sides.items():
        # The last to come from above ends topmost.
        arriving.sort(key=lambda k: _height(grid.links[k], maps, ys))
        step = min(9.0, (HEIGHT - 10) / len(arriving))
        for place, k in enumerate(arriving):
            link = grid.links[k]
            off = step * (place - (len(arriving) - 1) / 2)
            path, start = _path(maps[link.source], maps[target], side, off, box, _height(link, maps, ys))
            kind, _ = word = _word(grid, link)
            square = f'<rect x="{start[0] - 3:.1f}" y="{start[1] - 3:.1f}" width="6" height="6" class="projection"'
            drawn[k] = f'<path class="edge {kind}" d="{path}" fill="none" stroke-width="1.6" {styles[word]}'
            drawn[k] += f' marker-end="url(#{kind})"/>'
            if link.edge.project is not None:
                drawn[k] += f'{square} fill="{_COLOURS[kind]}"/>'
    return [drawn[k] for k in sorted(drawn)]


def _height(link: Link, maps: Sequence[_Map], ys: Sequence[float]) -> float:
    """y at which an edge comes near its target: that of its lane, or of its source."""
    if link.lane is None:
        return maps[link.source].y
    row, lane = link.lane
    return ys[row] if lane == 0 else ys[row] - HEIGHT / 2 - 10 - LANE * (lane - 1)


def _path(a: _Map, b: _Map, side: str, off: float, box: float, lane: float) -> tuple[str, tuple[float, float]]:
    """The path of an edge and where it starts."""
    if side != "left":
        sign = 1 if side == "top" else -1
        x, y0, y1 = a.x + off, a.y + sign * HEIGHT / 2, b.y - sign * (HEIGHT / 2 + 2)
        return f"M{x:.1f} {y0:.1f}L{x:.1f} {y1:.1f}", (x, y0 + 4 * sign)
    x0, x1, y1 = a.x + box / 2, b.x - box / 2 - 2, b.y + off
    first, last = x0 + GAP, x1 + 2 - GAP  # the ends of the gaps behind `a` and before `b`
    if last <= first - 1:  # in neighbouring columns
        return f"M{x0:.1f} {a.y:.1f}{_bend(x0, a.y, x1, y1)}", (x0 + 4, a.y)
    return (
        f"M{x0:.1f} {a.y:.1f}{_bend(x0, a.y, first, lane)}L{last:.1f} {lane:.1f}{_bend(last, lane, x1, y1)}",
        (x0 + 4, a.y),
    )


def _bend(x0: float, y0: float, x1: float, y1: float) -> str:
    """A curve that leaves and arrives level, and so stays between its ends."""
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
    first = m.y + 5 - 7 * len(m.facts)
    facts = "".join(
        f'<text x="{m.x:.1f}" y="{first + 14 * k:.1f}" font-size="11" fill="#374151" text-anchor="middle">'
        f"{escape(fact)}</text>"
        for k, fact in enumerate(m.facts, start=1)
    )
    return (
        f'<g class="map {m.kind}"><title>{escape(m.about)}</title><rect x="{m.x - box / 2:.1f}" '
        f'y="{m.y - HEIGHT / 2:.1f}" width="{box:.1f}" height="{HEIGHT}" rx="6" fill="{_FILLS[m.kind]}" '
        f'stroke="#374151"/><text x="{m.x:.1f}" y="{first:.1f}" font-size="13" font-weight="bold" fill="#111827" '
        f'text-anchor="middle">{escape(m.name)}</text>{facts}</g>'
    )


def _legend(grid: Layout, styles: dict[tuple[str, str], str]) -> list[str]:
    """A sample and a word for all that occurs."""
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
