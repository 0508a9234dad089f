"""The words a neck is written in, and what the canonical form must know of each.

Builders for these names stand in `nas.models`; a test proves that the two lists agree.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fusion:
    """What a fusion operator promises about its inputs.

    `commutative`: the function stays the same when inputs and weights are permuted together.
    `concatenates`: the output has the sum of the inputs' channels, so that a reducing block must follow.
    """

    about: str
    commutative: bool = True
    concatenates: bool = False
    max_inputs: int | None = None


FUSIONS: dict[str, Fusion] = {
    "add": Fusion("sum of the inputs (FPN)"),
    "concat": Fusion("channels side by side, reduced by the node's block (PAN, U-Net)", concatenates=True),
    "attention": Fusion("softmax over the inputs a channel, from globally pooled context (SKNet)"),
    "fast_attention": Fusion("sum relu(w_i) x_i / (sum relu(w) + 1e-4) (EfficientDet)"),
    "softmax_attention": Fusion("sum softmax(w)_i x_i, one weight an input (EfficientDet)"),
    "global_gate": Fusion("x_0 + x_1 sigmoid(global max of x_0), the coarser first (NAS-FPN)", False, max_inputs=2),
}


@dataclass(frozen=True)
class Resampling:
    """`learned`: has weights, and maps the source's channels to the receiver's width by itself."""

    about: str
    learned: bool = False


UPSAMPLINGS: dict[str, Resampling] = {
    "nearest": Resampling("nearest neighbour to the receiver's size"),
    "bilinear": Resampling("bilinear to the receiver's size"),
    "bilinear_aligned": Resampling("bilinear, the corners of both maps on each other"),
    "deconv": Resampling("ConvTranspose2d(2, stride 2) for every factor of two", learned=True),
    "pixel_shuffle": Resampling("1x1 convolution to four times the channels, then PixelShuffle(2)", learned=True),
}

DOWNSAMPLINGS: dict[str, Resampling] = {
    "conv": Resampling("3x3 convolution with stride 2 for every factor of two", learned=True),
    "max_pool": Resampling("3x3 max pooling with stride 2"),
    "max_pool_2x2": Resampling("2x2 max pooling with stride 2 (NAS-FPN)"),
    "subsample": Resampling("every second pixel (torchvision's LastLevelMaxPool)"),
}

BLOCKS: dict[str, str] = {
    "plain": "a convolution",
    "separable": "a depthwise convolution, then a 1x1",
    "ppm": "pyramid pooling: averages of 1, 2, 3 and 6 cells a side beside the map, then a convolution (PSPNet)",
    "identity": "no convolution, norm and activation alone",
}

NORMS: dict[str, str] = {
    "none": "no normalisation",
    "batch": "BatchNorm2d",
    "group": "GroupNorm in groups of 8 channels, in float32",
}

ACTIVATIONS: dict[str, str] = {
    "none": "no activation",
    "relu": "ReLU",
    "silu": "SiLU",
    "gelu": "GELU",
}

ORDERS: dict[str, str] = {
    "post": "convolution, norm, activation",
    "pre": "activation, convolution, norm (EfficientDet)",
}

MERGES: dict[str, str] = {
    "sum": "maps brought to one level and summed",
    "concat": "maps brought to one level and concatenated, reduced by the merge's block",
}
