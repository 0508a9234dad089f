"""Our operators as torch modules."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Maximum(nn.Module):
    """The greatest of the inputs at every place."""

    def __init__(self, width: int, inputs: int) -> None:
        super().__init__()

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(maps)).amax(0)
