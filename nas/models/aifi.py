"""Self-attention over the pixels of one map: (N, C, H, W) -> (N, C, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    """y = LN(z + W2 gelu(W1 z)) with z = LN(x + attention(x + p, x + p, x)): a transformer's encoder layer.

    x has a row for each pixel, and p is `positions`. Attention has 8 heads, or the most below that divide the width.
    Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection" (2024), section 4.2 (RT-DETR's AIFI).

    Args:
        width: channels.
        hidden: channels between W1 and W2.
    """

    HEADS = 8

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.heads = max(n for n in range(1, self.HEADS + 1) if width % n == 0)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.reduce = nn.Linear(hidden, width)
        self.last_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(2).transpose(1, 2)  # (N, H W, C)
        z = self.norm(rows + self.attention(rows, positions(x)))
        y: Tensor = self.last_norm(z + self.reduce(F.gelu(self.expand(z))))
        return y.transpose(1, 2).reshape(x.shape)

    def attention(self, x: Tensor, p: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d)) V for each head, with d channels each."""
        q, k, v = (
            layer(rows).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, heads, H W, d)
            for layer, rows in ((self.query, x + p), (self.key, x + p), (self.value, x))
        )
        weights = torch.softmax(torch.matmul(q, k.transpose(-2, -1)) * q.shape[-1] ** -0.5, dim=-1)
        y: Tensor = self.out(torch.matmul(weights, v).transpose(1, 2).flatten(2))
        return y


TEMPERATURE = 10_000
"""Base of the wavelengths in `positions`."""


def positions(x: Tensor) -> Tensor:
    """Sines and cosines of each pixel's row and column, (1, H W, C), for a map (N, C, H, W).

    A quarter of the channels is each of sin y w, cos y w, sin x w and cos x w with w_i = TEMPERATURE^(-4i / C). The
    last C mod 4 channels are 0.
    """
    _, width, h, w = x.shape
    quarter = width // 4
    frequency = TEMPERATURE ** -(torch.arange(quarter, device=x.device, dtype=torch.float32) / max(quarter, 1))
    rows = torch.arange(h, device=x.device, dtype=torch.float32)[:, None] * frequency  # (H, C / 4)
    columns = torch.arange(w, device=x.device, dtype=torch.float32)[:, None] * frequency  # (W, C / 4)
    y = torch.cat([rows.sin(), rows.cos()], 1)[:, None].expand(-1, w, -1)
    z = torch.cat([columns.sin(), columns.cos()], 1)[None].expand(h, -1, -1)
    embedding = F.pad(torch.cat([y, z], 2), (0, width - 4 * quarter))  # (H, W, C)
    return embedding.flatten(0, 1)[None].to(x.dtype)
