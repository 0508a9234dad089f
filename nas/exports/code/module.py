"""source: a neck as the text of a Python module, `model.py`.

The layers are written as the calls that constructed them when `nas.models` built the neck, and the classes behind those
calls are copied from their own source (see decisions: model-py-from-the-built-model). Only names and the `forward` are
written here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from types import ModuleType
from typing import Any, NamedTuple

from torch import nn

from nas.exports.code.constructors import Constructors
from nas.exports.code.definitions import Definitions
from nas.exports.code.imports import sorted_imports
from nas.exports.code.layout import WIDTH, Expression, call, flat, laid_out, listed
from nas.exports.code.texts import BLOCK, IMPORTS, LOAD
from nas.exports.files import PYTHON
from nas.models import blocks, repvgg
from nas.models.neck import Neck
from nas.necks.canonical import canonical
from nas.necks.describe import map_names, node_table, summary
from nas.necks.spec import EdgeSpec, MergeSpec, NeckSpec, NodeSpec


class More(NamedTuple):
    """What a module has beside the neck.

    Attributes:
        needs: the packages that it needs, for people.
        definitions: names that are copied, each with the module that defines it.
        imports: lines that its texts need.
        texts: its last parts, after the neck.
    """

    needs: str = "torch"
    definitions: Sequence[tuple[str, ModuleType]] = ()
    imports: Sequence[str] = ()
    texts: Sequence[str] = ()


NOTHING_MORE = More()


def source(
    neck: NeckSpec,
    channels: Mapping[int, int],
    title: str = "A neck",
    usage: str = "",
    file: str = PYTHON,
    more: More = NOTHING_MORE,
) -> str:
    """The text of `model.py`, or of another module with the neck.

    Args:
        neck: the neck.
        channels: the backbone's channels by level.
        title: start of the docstring.
        usage: end of the docstring.
        file: its name.
        more: what it has beside the neck.

    Raises:
        SpecError: the neck does not fit the channels.
        NASError: an operator cannot be written as code.
    """
    return _Writer(canonical(neck), channels).text(title, usage, file.removesuffix(".py"), more)


def layer_names(neck: NeckSpec, channels: Mapping[int, int]) -> dict[str, str]:
    """Names of the layers with weights in the built neck -> in the written one."""
    return _Writer(canonical(neck), channels).names


class _Writer:
    """The code of a neck, collected node by node."""

    def __init__(self, spec: NeckSpec, channels: Mapping[int, int]) -> None:
        self.spec = spec
        self.channels = channels
        self.maps = [name.lower().replace(".", "_") for name in map_names(spec)]
        self.constructors = Constructors(lambda: Neck(spec, channels))
        self.model = self.constructors.model
        self.places = {module: name for name, module in self.model.named_modules()}
        self.layers: dict[str, Expression] = {}  # by attribute name
        self.names: dict[str, str] = {}  # attribute names by the names in the built neck
        self.laterals: dict[str, str] = {}  # attribute names by the keys of shared projections
        self.sized: set[int] = set()  # levels that maps are resampled to
        self.body: list[str] = []  # lines of `forward`
        for i, node in enumerate(spec.nodes):
            self._node(self.maps[len(spec.inputs) + i], node, self.model.nodes[i])
        if spec.merge is not None:
            self._merge(spec.merge)

    def text(self, title: str, usage: str, stem: str, more: More) -> str:
        definitions = Definitions()
        for name, kind in sorted(self.constructors.operators.items()):
            definitions.require(name, sys.modules[kind.__module__])
        if repvgg.RepConv.__name__ in self.constructors.operators:
            definitions.require(repvgg.deployed.__name__, repvgg)
            usage = "\n\n".join(filter(None, (_DEPLOYED, usage)))
        for name, module in more.definitions:
            definitions.require(name, module)
        has_blocks = any("block(" in flat(layer) for layer in self.layers.values())
        if has_blocks:
            definitions.require("init_convolutions", blocks)
        parts = [*definitions.texts, *([BLOCK] if has_blocks else []), self._class(), self._names(), LOAD, *more.texts]
        imports = sorted_imports({*IMPORTS, *definitions.imports, *more.imports})
        head = f"{_docstring(self.spec, title, usage, stem, more.needs)}\n\n{imports}"
        gap = "\n\n\n" if parts[0].startswith(("class ", "def ", "@")) else "\n\n"  # as isort has it
        return head + gap + "\n\n\n".join(parts) + "\n"

    def _class(self) -> str:
        spec = self.spec
        inputs = [f"{name} {_shape(self.channels[x], x)}" for name, x in zip(self.maps, spec.inputs, strict=False)]
        unpacked = ", ".join(self.maps[: len(inputs)]) if len(inputs) > 1 else f"({self.maps[0]},)"
        arguments = ["self", "maps: Mapping[str, Tensor] | Sequence[Tensor]"]
        about = []
        if min(self.sized, default=spec.inputs[0]) < spec.inputs[0]:
            arguments.append("image: tuple[int, int] | None = None")
            about = ['        """`image` is its height and width; without it both are assumed to be even."""']
        returned = "OrderedDict[str, Tensor]" if spec.merge is None else "Tensor"
        lines = [
            "class Neck(nn.Module):",
            '    """Computes the pyramid from the backbone\'s maps, fine to coarse.',
            "",
            *(f"    {line}" for line in wrap(f"It takes {', '.join(inputs)}. H and W are the image's.", WIDTH - 4)),
            '    """',
            "",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *(line for name, layer in self.layers.items() for line in laid_out(f"self.{name} = ", layer, 8)),
            "",
            *laid_out("def ", call("forward", *arguments), 4, f" -> {returned}:"),
            *about,
            f"        {unpacked} = maps.values() if isinstance(maps, Mapping) else maps",
            *(f"        {line}" for line in self._sizes()),
            *self.body,
        ]
        if spec.merge is None:
            outputs = {f"p{spec.level_of(i)}": self.maps[i] for i in spec.outputs}
            lines += laid_out("return ", call("OrderedDict", **outputs), 8)
        return "\n".join(lines)

    def _sizes(self) -> Iterator[str]:
        """Lines that compute the height and width of the levels that maps are resampled to."""
        inputs = dict(zip(self.spec.inputs, self.maps, strict=False))
        finest = min(inputs)
        if min(self.sized, default=finest) < finest:
            scale = 2**finest
            yield "if image is None:"
            yield f"    image = {scale} * {inputs[finest]}.shape[-2], {scale} * {inputs[finest]}.shape[-1]"
        for level in sorted(self.sized):
            if level in inputs:
                yield f"size{level} = {inputs[level]}.shape[-2:]"
            elif level == 0:
                yield "size0 = image"
            else:
                below = max((x for x in inputs if x < level), default=0)
                h, w = (f"{inputs[below]}.shape[{i}]" if below in inputs else f"image[{i}]" for i in (-2, -1))
                factor = 2 ** (level - below)
                yield f"size{level} = -(-{h} // {factor}), -(-{w} // {factor})"

    def _node(self, name: str, node: NodeSpec, module: Any) -> None:
        self.body.append(f"        # {name}: {_shape(node.width, node.level)}")
        inputs = [self._edge(name, node, *pair) for pair in zip(node.inputs, module.edges, strict=True)]
        fuse = node.fuse if len(inputs) > 1 else "add"
        if fuse not in _INLINE:
            inputs = [call(f"self.{self._layer(f'fuse_{name}', module.fuse, shared=fuse)}", listed(inputs))]
        block = self._layer(f"block_{name}", module.block) if node.block is not None else None
        self.body += _assigned(name, _fused(fuse, inputs), block)

    def _edge(self, name: str, node: NodeSpec, edge: EdgeSpec, module: Any) -> Expression:
        source = self.maps[edge.source]
        x: Expression = source
        if module.key is not None:
            if module.key not in self.laterals:
                lateral = self._layer(f"lateral_{source}", self.model.shared[module.key])
                self.laterals[module.key] = lateral
                self.body.append(f"        {lateral} = self.{lateral}({source})")
            x = self.laterals[module.key]
        elif edge.project is not None:
            x = call(f"self.{self._layer(f'project_{source}_{name}', module.project)}", x)
        return self._resampled(x, edge.source, name, node.level, edge, module.resample)

    def _resampled(
        self, x: Expression, source: int, target: str, level: int, spec: EdgeSpec | MergeSpec, module: nn.Module
    ) -> Expression:
        steps = self.spec.level_of(source) - level
        if steps == 0:
            return x
        self.sized.add(level)
        operator = spec.up if steps > 0 else spec.down
        return call(
            f"self.{self._layer(f'{operator}_{self.maps[source]}_{target}', module, operator)}", x, f"size{level}"
        )

    def _merge(self, merge: MergeSpec) -> None:
        module = self.model.merge
        self.body.append(f"        # y: {_shape(merge.width, merge.level)}")
        maps = [
            self._resampled(self.maps[i], i, "y", merge.level, merge, resample)
            for i, resample in zip(self.spec.outputs, module.resample, strict=True)
        ]
        block = self._layer("block_y", module.block) if merge.block is not None else None
        fuse = "concat" if merge.kind == "concat" and len(maps) > 1 else "add"
        self.body += _assigned("y", _fused(fuse, maps), block, last="return ")

    def _layer(self, name: str, module: nn.Module, shared: str = "") -> str:
        """Attribute name of a layer. Equal layers without weights are one, called `shared`."""
        expression = self.constructors.expression(module)
        stateless = not [*module.parameters(), *module.buffers()]
        name = re.sub(r"\W", "_", shared if stateless and shared else name)  # an entry point may be called `my-fusion`
        candidate, k = name, 1
        while candidate in self.layers and not (stateless and self.layers[candidate] == expression):
            k += 1
            candidate = f"{name}_{k}"
        self.layers[candidate] = expression
        if module.state_dict():
            self.names[self.places[module]] = candidate
        return candidate

    def _names(self) -> str:
        items = [f'    "{theirs}": "{ours}",' for theirs, ours in self.names.items()]
        lines = ["NAMES = {", *items, "}"] if items else ["NAMES: dict[str, str] = {}"]
        return "\n".join([*lines, '"""Names of the layers among the exported weights, after `neck.`, and here."""'])


_DEPLOYED = """\
`load()` has the trained form, in which a RepConv is two convolutions. The same outputs in less time:

    neck = deployed(load())"""

_INLINE = ("add", "concat")
"""Fusions that are written as expressions."""


def _fused(fuse: str, inputs: Sequence[Expression]) -> Sequence[Expression]:
    """Terms whose sum is the fused map."""
    return [call("torch.cat", listed(inputs), "1")] if fuse == "concat" else inputs


def _assigned(name: str, terms: Sequence[Expression], block: str | None, last: str = "") -> list[str]:
    """Lines of `name = block(sum of terms)`: one if it fits. `last` replaces the start of the last statement."""
    last = last or f"{name} = "
    total: Expression = terms[0] if len(terms) == 1 else " + ".join(map(flat, terms))
    line = f"        {last}{flat(total if block is None else call(f'self.{block}', total))}"
    if len(line) <= WIDTH:
        return [line]
    first = last if block is None else f"{name} = "
    if len(terms) > 1 and len(f"        {first}{total}") > WIDTH:
        lines = laid_out(f"{name} = ", terms[0], 8)
        for k, term in enumerate(terms[1:], 2):
            lines += laid_out(f"{first if k == len(terms) else f'{name} = '}{name} + ", term, 8)
    else:
        lines = laid_out(first, total, 8)
    return lines if block is None else [*lines, f"        {last}self.{block}({name})"]


def _shape(width: int, level: int) -> str:
    return f"(N, {width}, H/{2**level}, W/{2**level})" if level else f"(N, {width}, H, W)"


def _docstring(spec: NeckSpec, title: str, usage: str, stem: str, needs: str) -> str:
    table = [
        f"    {part}"
        for line in node_table(spec).splitlines()
        for part in wrap(line, WIDTH - 4, subsequent_indent=" " * 8)
    ]
    lines = [
        f'"""{title}: a feature pyramid that needs only {needs}.',
        "",
        *wrap(summary(spec), WIDTH),
        "",
        *([*table, ""] if table else []),
        "`Neck()` has new weights, `load()` reads those of `weights.safetensors` beside this file:",
        "",
        f"    from {stem} import load",
        "",
        "    neck = load()",
        f"    pyramid = neck([{', '.join(map_names(spec)[: len(spec.inputs)]).lower().replace('.', '_')}])",
        *(["", usage] if usage else []),
        '"""',
    ]
    return "\n".join(lines)
