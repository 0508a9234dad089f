"""What the heads take from torchvision's private module of detection helpers. No other module imports from it.

`tests/models/test_torchvision_adapter.py` fails when one of them changes.
"""

from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher

__all__ = ["BalancedPositiveNegativeSampler", "BoxCoder", "Matcher"]
