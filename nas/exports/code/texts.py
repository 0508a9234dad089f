"""Text that every model.py has."""

from __future__ import annotations

IMPORTS = (
    "import json",
    "import torch",
    "from collections import OrderedDict",
    "from collections.abc import Mapping, Sequence",
    "from pathlib import Path",
    "from torch import Tensor, nn",
)

BLOCK = '''\
def block(**layers: nn.Module) -> nn.Sequential:
    """The named layers in sequence."""
    module = nn.Sequential(OrderedDict(layers))
    init_convolutions(module)
    return module'''

LOAD = '''\
WEIGHTS = Path(__file__).with_name("weights.safetensors")
TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def load(path: str | Path = WEIGHTS) -> Neck:
    """Load the neck with the exported weights, in eval mode."""
    tensors = read(path)
    neck = Neck()
    state = {}
    for theirs, ours in NAMES.items():
        state |= {f"{ours}.{name}": tensor for name, tensor in part(tensors, f"neck.{theirs}.").items()}
    neck.load_state_dict(state)
    return neck.eval()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, which is removed."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def read(path: str | Path) -> dict[str, Tensor]:
    """Read a safetensors file: the length of the header, the header in JSON, then the numbers."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            tensors[name] = torch.frombuffer(data[begin:end], dtype=TYPES[entry["dtype"]]).view(entry["shape"])
    return tensors'''
