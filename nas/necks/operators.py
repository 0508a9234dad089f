"""The operators of necks by name, with the properties that the canonical form depends on.

`nas.models` has a builder for each name.
"""

from __future__ import annotations

from dataclasses import dataclass

from nas.plugins import Table


@dataclass(frozen=True)
class Fusion:
    """The properties of a fusion operator.

    Attributes:
        about: the operator in a sentence.
        commutative: whether permuting inputs and weights together changes nothing.
        concatenates: whether the output has the channels of all inputs. A block that reduces them must follow.
        max_inputs: largest number of inputs; None: any number.
        associative: whether fusing some inputs first changes nothing.
    """

    about: str
    commutative: bool = True
    concatenates: bool = False
    max_inputs: int | None = None
    associative: bool = False


FUSIONS = Table("fusions", Fusion) | {
    "add": Fusion("sum of the inputs (FPN)", associative=True),
    "concat": Fusion("channels side by side, reduced by the node's block (PAN, U-Net)", concatenates=True),
    "attention": Fusion("softmax over the inputs a channel, from globally pooled context (SKNet)"),
    "fast_attention": Fusion("sum relu(w_i) x_i / (sum relu(w) + 1e-4) (EfficientDet)"),
    "softmax_attention": Fusion("sum softmax(w)_i x_i, one weight an input (EfficientDet)"),
    "mean": Fusion("mean of the inputs"),
    "se_attention": Fusion("sum of the inputs, each channel gated from its pooled context (SENet)"),
    "global_gate": Fusion("x_0 + x_1 sigmoid(global max of x_0), the coarser first (NAS-FPN)", False, max_inputs=2),
    "gau": Fusion("x_0 + conv3(x_1) sigmoid(conv1(global mean of x_0)), the coarser first (PAN)", False, max_inputs=2),
    "aff": Fusion("2 g x_0 + 2 (1 - g) x_1, g from local and global context (AFF)", False, max_inputs=2),
    "iaff": Fusion("AFF whose context is fused by AFF first (iAFF)", False, max_inputs=2),
    "inject": Fusion(
        "BN(conv1(x_1)) hardsigmoid(BN(conv1(x_0))) + BN(conv1(x_0)), the global map first (Gold-YOLO)",
        False,
        max_inputs=2,
    ),
    "asff": Fusion("a softmax over the inputs at every pixel (ASFF)"),
}


@dataclass(frozen=True)
class Resampling:
    """The properties of an upsampling or downsampling.

    Attributes:
        about: the operator in a sentence.
        projects: whether it changes the source's channels to the node's width. Others keep the channels.
    """

    about: str
    projects: bool = False


UPSAMPLINGS = Table("upsamplings", Resampling) | {
    "nearest": Resampling("nearest neighbour to the receiver's size"),
    "bilinear": Resampling("bilinear to the receiver's size"),
    "bilinear_aligned": Resampling("bilinear, the corners of both maps on each other"),
    "deconv": Resampling("ConvTranspose2d(2, stride 2) for every factor of two", projects=True),
    "pixel_shuffle": Resampling("1x1 convolution to four times the channels, then PixelShuffle(2)", projects=True),
    "carafe": Resampling("cells of 5x5 weighted by what is there, for every factor of two (CARAFE)"),
    "dysample": Resampling("bilinear at learned places, for every factor of two (DySample)"),
}

DOWNSAMPLINGS = Table("downsamplings", Resampling) | {
    "conv": Resampling("3x3 convolution with stride 2 for every factor of two", projects=True),
    "max_pool": Resampling("3x3 max pooling with stride 2"),
    "max_pool_2x2": Resampling("2x2 max pooling with stride 2 (NAS-FPN)"),
    "subsample": Resampling("every second pixel (torchvision's LastLevelMaxPool)"),
    "avg_pool": Resampling("2x2 average pooling with stride 2"),
    "blur_pool": Resampling("3x3 binomial blur with stride 2 (BlurPool)"),
    "space_to_depth": Resampling("2x2 cells as channels, then a 1x1 convolution", projects=True),
    "conv_bn_silu": Resampling("3x3 convolution with stride 2, BatchNorm and SiLU (RT-DETR, YOLO)", projects=True),
    "scdown": Resampling("1x1, then a depthwise 3x3 with stride 2, each with BatchNorm (D-FINE)", projects=True),
}


@dataclass(frozen=True)
class Block:
    """The properties of a convolution block.

    Attributes:
        about: the block in a sentence.
        convolves: whether it has a convolution. Without one, it cannot change the number of channels.
        context: whether it takes the whole map into account. Spaces use such blocks as the coarsest lateral
            (`context`), and the others as output convolutions (`conv`).
        complete: whether the norm and the activation stand inside the block alone, so that none follow it.
        ignores: the parameters of a ConvSpec that change nothing in it.
        depth: default number of its inner blocks; None: it repeats nothing.
        expand: default ratio of its inner width to its width; None: the ratio is fixed.
    """

    about: str
    convolves: bool = True
    context: bool = False
    complete: bool = False
    ignores: tuple[str, ...] = ()
    depth: int | None = None
    expand: float | None = None


BLOCKS = Table("blocks", Block) | {
    "plain": Block("a convolution"),
    "separable": Block("a depthwise convolution, then a 1x1"),
    "ppm": Block(
        "pyramid pooling: averages of 1, 2, 3 and 6 cells a side beside the map, then a convolution (PSPNet)",
        context=True,
    ),
    "bottleneck": Block("1x1 to half the width, the convolution, 1x1 back, with a shortcut (ResNet)"),
    "csp": Block("half the width through a bottleneck, half past it, then a 1x1 (CSPNet)"),
    "aifi": Block(
        "1x1 convolution and norm, then encoder layers of self-attention over all pixels (RT-DETR)",
        context=True,
        complete=True,
        ignores=("kernel", "act", "order", "bias"),
        depth=1,
        expand=4.0,
    ),
    "rep_csp": Block(
        "a 1x1 through RepVGG blocks plus another past them (RT-DETR's RepC3); each RepVGG block is trained as a k x k "
        "and a 1x1 convolution and deployed as one",
        complete=True,
        ignores=("order", "bias"),
        depth=1,
        expand=1.0,
    ),
    "rep_elan": Block(
        "half the channels past, half through two chains of rep_csp and a convolution, all four joined by a 1x1 "
        "(D-FINE's RepNCSPELAN4)",
        depth=1,
        expand=1.0,
    ),
    "c3k2": Block(
        "half the channels past, half through residual blocks, all their outputs joined by a 1x1 (YOLO11's C3k2)",
        depth=1,
        expand=0.5,
    ),
    "c3k2_csp": Block(
        "c3k2 whose inner block is a CSP block of two residual blocks (YOLO11's C3k2 with C3k)", depth=1, expand=0.5
    ),
    "sppf": Block(
        "1x1 to half the channels, 5x5 max pooling three times in a row, all four maps joined by a 1x1 (YOLO's SPPF)",
        context=True,
        ignores=("kernel",),
    ),
    "c2psa": Block(
        "half the channels past, half through attention over all pixels, joined by a 1x1 (YOLO11's C2PSA)",
        context=True,
        ignores=("kernel",),
        depth=1,
        expand=0.5,
    ),
    "convnext": Block(
        "a depthwise convolution with a large kernel, norm, 1x1 to four times the width, activation, 1x1 back, with a "
        "shortcut (ConvNeXt's block with the given norm and without layer scale)",
        complete=True,
        ignores=("order", "bias"),
        expand=4.0,
    ),
    "identity": Block("no convolution, norm and activation alone", convolves=False),
}

NORMS: dict[str, str] = {
    "none": "no normalisation",
    "batch": "BatchNorm2d",
    "group": "GroupNorm in groups of 8 channels, in float32",
    "layer": "LayerNorm over the channels of each pixel, in float32 (ViTDet)",
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
