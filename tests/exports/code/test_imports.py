from __future__ import annotations

from nas.exports.code.imports import sorted_imports


def test_one_line_a_module_in_two_groups() -> None:
    lines = ["import torch", "from torch import nn", "from torch import Tensor", "import math", "import torch.nn as n"]
    assert sorted_imports(
        [*lines, "from collections.abc import Mapping, Callable", "from os import PathLike, SEEK_SET, walk"]
    ) == (
        "from __future__ import annotations\n\n"
        "import math\n"
        "from collections.abc import Callable, Mapping\n"
        "from os import SEEK_SET, PathLike, walk\n\n"
        "import torch\n"
        "import torch.nn as n\n"
        "from torch import Tensor, nn"
    )
