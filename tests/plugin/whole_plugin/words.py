"""What must be known of the operators without torch."""

from nas.necks.operators import Block, Fusion, Resampling

BESIDE = Fusion("channels side by side, each map with a weight", concatenates=True)
REPEATED = Resampling("every pixel as often as it takes")
SKIPPED = Resampling("every second pixel for every factor of two")
SCALED = Block("a convolution and a gain")
POOLED = Block("a convolution of the map and its mean", context=True)
