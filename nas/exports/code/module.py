"""source: a neck as the text of a Python module, `model.py`.

The modules that `nas.models` builds are written out by the calls that constructed them, and the classes behind those
calls by their own source, so that there is one truth. What is written here is the naming and the `forward`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from textwrap import wrap

from torch import nn

from nas.exports.code.constructors import Constructors
from nas.exports.code.definitions import Definitions
from nas.exports.code.imports import sorted_imports
from nas.exports.code.layout import WIDTH, Expression, call, flat, laid_out, listed
from nas.exports.code.texts import BLOCK, IMPORTS, LOAD
from nas.models import blocks
from nas.models.neck import Neck
from nas.necks.canonical import canonical
from nas.necks.describe import map_names, node_table, summary
from nas.necks.spec import EdgeSpec, NeckSpec, NodeSpec


def source(neck: NeckSpec, channels: Mapping[int, int], title: str = "A neck", usage: str = "") -> str:
    """The text of `model.py`.

    Args:
        neck: what to write.
        channels: the backbone's channels by level.
        title: what the file is, for its first line.
        usage: further lines of its docstring.

    Raises:
        SpecError: the neck does not fit the channels.
        NASError: an operator cannot be written out.
    """
    return _Writer(canonical(neck), channels).text(title, usage)


class _Writer:
    """The layers of a neck under their names, and its `forward`."""

    def __init__(self, spec: NeckSpec, channels: Mapping[int, int]) -> None:
        self.spec = spec
        self.channels = channels
        self.maps = [name.lower().replace(".", "_") for name in map_names(spec)]
        self.made = Constructors(lambda: Neck(spec, channels))
        self.layers: dict[str, Expression] = {}
        self.names: dict[str, str] = {}
        self.sized: set[int] = set()
        self.laterals: dict[str, str] = {}
        model = self.made.model
        assert isinstance(model, Neck)
        self.model = model
        self.body = [line for i in range(len(spec.nodes)) for line in self._node(i)]
        self.body += self._merge() if spec.merge is not None else []

    def text(self, title: str, usage: str) -> str:
        definitions = Definitions()
        for name, kind in sorted(self.made.operators.items()):
            definitions.require(name, sys.modules[kind.__module__])
        blocked = any("block(" in flat(layer) for layer in self.layers.values())
        if blocked:
            definitions.require("init_convolutions", blocks)
        parts = [*definitions.texts, *([BLOCK] if blocked else []), self._class(), self._names(), LOAD]
        head = f"{_docstring(self.spec, title, usage)}\n\n{sorted_imports({*IMPORTS, *definitions.imports})}"
        gap = "\n\n\n" if parts[0].startswith(("class ", "def ", "@")) else "\n\n"  # as isort has it
        return head + gap + "\n\n\n".join(parts) + "\n"

    def _class(self) -> str:
        spec = self.spec
        inputs = [f"{name} {_shape(self.channels[x], x)}" for name, x in zip(self.maps, spec.inputs, strict=False)]
        lines = [
            "class Neck(nn.Module):",
            '    """The backbone\'s maps, fine to coarse, become the pyramid\'s.',
            "",
            *(f"    {line}" for line in wrap(f"Takes {', '.join(inputs)}; H and W are the image's.", WIDTH - 4)),
            '    """',
            "",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *(line for name, layer in self.layers.items() for line in laid_out(f"self.{name} = ", layer, 8)),
            "",
        ]
        given = ", ".join(self.maps[: len(spec.inputs)]) if len(spec.inputs) > 1 else f"({self.maps[0]},)"
        below = any(level < spec.inputs[0] for level in self.sized)
        taken = ["self", "maps: Mapping[str, Tensor] | Sequence[Tensor]"]
        taken += ["image: tuple[int, int] | None = None"] if below else []
        gives = "OrderedDict[str, Tensor]" if spec.merge is None else "Tensor"
        lines += [
            *laid_out("def ", call("forward", *taken), 4, f" -> {gives}:"),
            *(['        """`image` is its height and width; without it they are taken for even."""'] if below else []),
            f"        {given} = maps.values() if isinstance(maps, Mapping) else maps",
            *(f"        {line}" for line in self._sizes()),
            *self.body,
        ]
        if spec.merge is None:
            outputs = {f"p{spec.level_of(i)}": self.maps[i] for i in spec.outputs}
            lines += laid_out("return ", call("OrderedDict", **outputs), 8)
        return "\n".join(lines)

    def _sizes(self) -> Iterator[str]:
        """The height and width that maps are brought to, by level."""
        inputs = self.spec.inputs
        finest = inputs[0]
        needed = set(self.sized)
        if any(level < finest for level in needed):
            scale = 2**finest
            yield "if image is None:"
            yield f"    image = {scale} * {self.maps[0]}.shape[-2], {scale} * {self.maps[0]}.shape[-1]"
        needed |= set(range(inputs[-1] + 1, max(needed, default=0)))
        for level in sorted(needed):
            if level in inputs:
                yield f"size{level} = {self.maps[inputs.index(level)]}.shape[-2:]"
                continue
            if level < finest:
                base, steps = "image", level
            else:
                below = max(x for x in (*inputs, *range(inputs[-1] + 1, level)) if x < level)
                steps = level - below
                base = f"size{below}" if below in needed else f"{self.maps[inputs.index(below)]}.shape[-2:]"
            factor = 2**steps
            if factor == 1:
                yield f"size{level} = {base}"
            elif ".shape" in base:
                map_ = base.split(".")[0]
                yield f"size{level} = -(-{map_}.shape[-2] // {factor}), -(-{map_}.shape[-1] // {factor})"
            else:
                yield f"size{level} = -(-{base}[0] // {factor}), -(-{base}[1] // {factor})"

    def _node(self, index: int) -> Iterator[str]:
        spec, node, built = self.spec, self.spec.nodes[index], self.model.nodes[index]
        name = self.maps[len(spec.inputs) + index]
        yield f"        # {name}: {_shape(node.width, node.level)}"
        edges: list[Expression] = []
        for k, edge in enumerate(node.inputs):
            lines, expression = self._edge(node, edge, built.get_submodule(f"edges.{k}"), index, k, name)
            yield from lines
            edges.append(expression)
        place = f"nodes.{index}"
        fuse = node.fuse if len(edges) > 1 else "add"
        fused = None
        if fuse not in _INLINE:
            fused = self._layer(f"fuse_{name}", fuse, built.get_submodule("fuse"), f"{place}.fuse")
        block = None
        if node.block is not None:
            block = self._layer(f"block_{name}", f"block_{name}", built.get_submodule("block"), f"{place}.block")
        yield from _assigned(name, fuse, edges, fused, block)

    def _edge(
        self, node: NodeSpec, edge: EdgeSpec, built: nn.Module, index: int, k: int, target: str
    ) -> tuple[list[str], Expression]:
        spec, source = self.spec, self.maps[edge.source]
        lines: list[str] = []
        x: Expression = source
        way = f"{source}_{target}"
        place = f"nodes.{index}.edges.{k}"
        key = getattr(built, "key", None)
        if key is not None:
            if key not in self.laterals:
                self.laterals[key] = self._layer(
                    f"lateral_{source}", "", self.model.shared[key], f"shared.{key}", always=True
                )
                lines = [f"        {self.laterals[key]} = self.{self.laterals[key]}({source})"]
            x = self.laterals[key]
        elif edge.project is not None:
            x = call(f"self.{self._layer(f'project_{way}', '', built.get_submodule('project'), f'{place}.project')}", x)
        steps = spec.level_of(edge.source) - node.level
        if steps:
            word = edge.up if steps > 0 else edge.down
            x = self._resampled(x, word, way, built.get_submodule("resample"), f"{place}.resample", node.level)
        return lines, x

    def _resampled(self, x: Expression, word: str, way: str, module: nn.Module, place: str, level: int) -> Expression:
        self.sized.add(level)
        return call(f"self.{self._layer(f'{word}_{way}', word, module, place)}", x, f"size{level}")

    def _merge(self) -> list[str]:
        spec, merge, built = self.spec, self.spec.merge, self.model.merge
        assert merge is not None
        assert built is not None
        lines = [f"        # y: {_shape(merge.width, merge.level)}"]
        maps: list[Expression] = []
        for k, i in enumerate(spec.outputs):
            steps = spec.level_of(i) - merge.level
            x: Expression = self.maps[i]
            if steps:
                word = merge.up if steps > 0 else merge.down
                module = built.get_submodule(f"resample.{k}")
                x = self._resampled(x, word, f"{self.maps[i]}_y", module, f"merge.resample.{k}", merge.level)
            maps.append(x)
        block = None
        if merge.block is not None:
            block = self._layer("block_y", "", built.get_submodule("block"), "merge.block")
        fuse = "concat" if merge.kind == "concat" and len(maps) > 1 else "add"
        return [*lines, *_assigned("y", fuse, maps, None, block, last="return ")]

    def _layer(self, name: str, shared: str, module: nn.Module, place: str, always: bool = False) -> str:
        """Name of a layer; those without weights, made alike, are one, called by its word `shared`."""
        expression = self.made.expression(module)
        stateless = not [*module.parameters(), *module.buffers()]
        if stateless and shared and not always:
            name = shared
        name = re.sub(r"\W", "_", name)  # an entry point may be called `my-fusion`
        candidate, k = name, 1
        while candidate in self.layers and not (stateless and self.layers[candidate] == expression):
            k += 1
            candidate = f"{name}_{k}"
        self.layers[candidate] = expression
        if module.state_dict():
            self.names[place] = candidate
        return candidate

    def _names(self) -> str:
        items = [f'    "{theirs}": "{ours}",' for theirs, ours in self.names.items()]
        body = ["NAMES = {", *items, "}"] if items else ["NAMES: dict[str, str] = {}"]
        return "\n".join(
            [*body, '"""Layers by their names among the exported weights, where `neck.` stands before them."""']
        )


_INLINE = ("add", "concat")


def _assigned(
    name: str, fuse: str, xs: list[Expression], fused: str | None, block: str | None, last: str | None = None
) -> Iterator[str]:
    """`name = block(fuse(xs))`, on one line if it fits; `last` is what the last statement starts with instead."""
    last = last or f"{name} = "
    first = f"{name} = " if block is not None else last
    y: Expression
    if fused is not None:
        y = call(f"self.{fused}", listed(xs))
    elif fuse == "concat":
        y = call("torch.cat", listed(xs), "1")
    else:
        y = " + ".join(map(flat, xs))
    whole = y if block is None else call(f"self.{block}", y)
    if len(line := f"        {last}{flat(whole)}") <= WIDTH:
        yield line
        return
    if isinstance(y, str) and len(f"        {first}{y}") > WIDTH:
        yield from laid_out(f"{name} = ", xs[0], 8)
        for x in xs[1:-1]:
            yield from laid_out(f"{name} = {name} + ", x, 8)
        yield from laid_out(f"{first}{name} + ", xs[-1], 8)
    else:
        yield from laid_out(first, y, 8)
    if block is not None:
        yield f"        {last}self.{block}({name})"


def _shape(width: int, level: int) -> str:
    return f"(N, {width}, H/{2**level}, W/{2**level})" if level else f"(N, {width}, H, W)"


def _docstring(spec: NeckSpec, title: str, usage: str) -> str:
    drawn = [
        part for line in node_table(spec).splitlines() for part in wrap(line, WIDTH - 4, subsequent_indent=" " * 8)
    ]
    lines = [
        f'"""{title}: a feature pyramid in torch alone.',
        "",
        *wrap(summary(spec), WIDTH),
        "",
        *(f"    {line}" for line in drawn),
        *([""] if drawn else []),
        "`Neck()` has fresh weights, `load()` those of `weights.safetensors` beside this file:",
        "",
        "    from model import load",
        "",
        "    neck = load()",
        f"    pyramid = neck([{', '.join(f'c{level}' for level in spec.inputs)}])",
        *(["", usage] if usage else []),
        '"""',
    ]
    return "\n".join(lines)
