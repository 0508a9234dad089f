"""The brush of Label Studio: run lengths packed into bits, over the RGBA values of the whole image.

A stream begins with the number of values (32 bits), the bits of a value less 1 (5 bits), and four lengths of counts, in
bits less 1 (4 bits each). A run is a flag, which of the four lengths its count has (2 bits), the count less 1, and one
value if the flag is set, else `count` values. Source: https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack
"""

from __future__ import annotations

import numpy as np

from nas.tasks.data.outlines import Bits

_CHANNELS = 4


def unpacked(data: tuple[bytes, int, int]) -> Bits:
    """The painted pixels of (stream, width, height): those that are not transparent.

    Raises:
        ValueError: the stream is broken, or of another size.
    """
    stream, width, height = data
    bits = _Bits(stream)
    count, size = bits.take(32), bits.take(5) + 1
    lengths = [bits.take(4) + 1 for _ in range(4)]
    if count != _CHANNELS * width * height:
        raise ValueError(f"a brush over {count} values, not the {_CHANNELS * width * height} of {width} x {height}")
    values = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        repeated = bits.take(1)
        end = at + 1 + bits.take(lengths[bits.take(2)])
        if repeated:
            values[at:end] = bits.take(size) & 255
        else:
            own = [bits.take(size) & 255 for _ in range(min(end, count) - at)]
            values[at : at + len(own)] = own
        at = end
    opaque: Bits = values[_CHANNELS - 1 :: _CHANNELS].reshape(height, width) > 0
    return opaque


class _Bits:
    def __init__(self, stream: bytes) -> None:
        self._bits = np.unpackbits(np.frombuffer(stream, np.uint8))
        self._at = 0

    def take(self, count: int) -> int:
        own = self._bits[self._at : self._at + count]
        if len(own) < count:
            raise ValueError("a brush that ends too early")
        self._at += count
        return int("".join(map(str, own.tolist())), 2)
