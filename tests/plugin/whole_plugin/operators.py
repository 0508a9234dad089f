"""Builders of the operators."""

from collections import OrderedDict

from torch import nn

from nas.necks.spec import ConvSpec

from .layers import Beside, Gain, Repeated, Skipped, WithMean


def beside(width: int, inputs: int) -> nn.Module:
    return Beside(inputs)


def repeated(cin: int, cout: int, steps: int) -> nn.Module:
    return Repeated(2**steps)


def skipped(cin: int, cout: int, steps: int) -> nn.Module:
    return Skipped(2**steps)


def scaled(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict(conv=nn.Conv2d(cin, cout, conv.kernel, padding=conv.kernel // 2, bias=bias), gain=Gain(cout))


def pooled(conv: ConvSpec, cin: int, cout: int, bias: bool) -> OrderedDict[str, nn.Module]:
    return OrderedDict(mean=WithMean(), conv=nn.Conv2d(cin, cout, 1, bias=bias))
