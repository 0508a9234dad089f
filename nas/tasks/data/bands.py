"""Bands: images of any number of channels, and of 8 or 16 bits, where a study declares `channels`.

Files are TIFF (by tifffile), .npy arrays, and whatever Pillow reads. Values are kept as 8 bits: those of 16 bits are
scaled from their full range, or, like those of any other type, from the declared `range`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.geometry import PAD
from nas.studies.spec import DataSpec

Pixels = NDArray[np.uint8]

OTHER_CHANNELS = "image of another number of channels than declared"
_NPY, _TIFF = b"\x93NUMPY", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PILLOW = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "PA": "RGBA"}
"""Modes whose values are no channels of light, and what they are converted to."""

_FULL = {np.dtype(np.uint8): (0, 255), np.dtype(np.uint16): (0, 65535)}


class OtherChannels(ValueError):
    """An image has not the declared channels."""


class TooManyPixels(ValueError):
    """An image claims more pixels than are read."""


class Raster(NamedTuple):
    """A picture of C channels, uint8 [H, W, C], with what is used of Pillow's images."""

    pixels: Pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def crop(self, area: tuple[int, int, int, int]) -> Raster:
        """The part from left, top to right, bottom."""
        x0, y0, x1, y1 = area
        return Raster(self.pixels[y0:y1, x0:x1])

    def resize(self, size: tuple[int, int], resampling: Image.Resampling) -> Pixels:
        """The pixels of another width and height."""
        bands = (Image.fromarray(np.ascontiguousarray(self.pixels[..., k])) for k in range(self.pixels.shape[2]))
        return np.stack([np.asarray(band.resize(size, resampling)) for band in bands], axis=2)


class Bands(NamedTuple):
    """How the images of a study are read.

    Attributes:
        channels: how many they have.
        range: values that become 0 and 255; None: the full range of their type.
    """

    channels: int
    range: tuple[float, float] | None

    @classmethod
    def of(cls, spec: DataSpec) -> Bands | None:
        """What `spec` declares; None: images are read in RGB."""
        return cls(spec.channels, spec.range) if spec.channels is not None else None

    def raster(self, values: NDArray[Any]) -> tuple[Raster, tuple[str, ...]]:
        """The picture of values [H, W] or [H, W, C], and how they were scaled.

        Raises:
            ValueError: they have other channels, or no full range.
        """
        values = values[..., None] if values.ndim == 2 else values
        if values.ndim != 3 or not values.size:
            raise ValueError(f"an array of shape {values.shape}, not (height, width, channels)")
        if values.shape[2] != self.channels:
            found = values.shape[2]
            raise OtherChannels(f"{found} channel{'s' if found > 1 else ''}, declared {self.channels}")
        kind = values.dtype.newbyteorder("=")
        limits = self.range or _FULL.get(kind)
        if limits is None:
            raise ValueError(f"values of type {kind} have no full range: give task.data.range, such as [0, 1]")
        low, high = limits
        if limits == (0, 255) and values.dtype == np.uint8:
            return Raster(np.ascontiguousarray(values)), ()
        scaled = (np.nan_to_num(values.astype(np.float32)) - low) * (255 / (high - low))
        note = f"of {kind}, scaled to 8 bits from {low:g} to {high:g}"
        return Raster(scaled.clip(0, 255).round().astype(np.uint8)), (note,)


def is_array(data: bytes) -> bool:
    """Whether a file is read here, and not by Pillow."""
    return data.startswith((_NPY, *_TIFF))


def read_array(data: bytes, most: int) -> NDArray[Any]:
    """The values [H, W] or [H, W, C] of an .npy or TIFF file, at most `most` of them.

    Raises:
        ValueError: it is broken, or has more dimensions.
        TooManyPixels: by its head it has more values.
    """
    if data.startswith(_NPY):
        _check_count(_npy_shape(data), most)
        values: NDArray[Any] = np.load(BytesIO(data), allow_pickle=False)
        return values
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise ValueError("TIFF with task.data.channels needs: pip install 'pyramid-nas[tiff]'") from error
    with tifffile.TiffFile(BytesIO(data)) as file:
        tag = file.pages[0].tags.get(274)  # type: ignore[union-attr]
        if tag is not None and tag.value != 1:
            raise ValueError("a TIFF with an orientation tag: save it upright, without the tag")
        series = file.series[0]
        _check_count(series.shape, most)
        axes, values = series.axes, series.asarray()
    keep = [k for k, axis in enumerate(axes) if axis in "YX" or values.shape[k] > 1]
    names = [axes[k] for k in keep]
    values = values.reshape([values.shape[k] for k in keep])
    others = [k for k, name in enumerate(names) if name not in "YX"]
    if len(names) - len(others) != 2 or len(others) > 1:
        raise ValueError(f"a TIFF with the axes {axes} of {series.shape}: one beside height and width is read")
    return np.moveaxis(values, others[0], -1) if others else values


def _npy_shape(data: bytes) -> tuple[int, ...]:
    file = BytesIO(data)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"an .npy file of version {version[0]}.{version[1]}, which numbers alone do not need")
    return readers[version](file)[0]


def _check_count(shape: tuple[int, ...], most: int) -> None:
    if (count := math.prod(shape)) > most:
        raise TooManyPixels(
            f"{' x '.join(map(str, shape))} are {count / 1e6:,.0f} million values, at most {most / 1e6:,.0f} million "
            "are read: make it smaller, or cut it into tiles"
        )


def values_of(image: Image.Image) -> NDArray[Any]:
    """The values of a picture that Pillow has decoded."""
    return np.asarray(image.convert(_PILLOW[image.mode]) if image.mode in _PILLOW else image)


def shown(pixels: Pixels) -> Pixels:
    """Pixels [..., C] in RGB, for people: the first three channels, or the first as grey."""
    channels = pixels.shape[-1]
    return pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)


def padded(size: int, channels: int) -> Pixels:
    """A grey square [size, size, channels]."""
    return np.full((size, size, channels), PAD, np.uint8)


def cycled(values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Values of RGB for more or fewer channels: repeated in order, as timm repeats weights; their mean for one."""
    if channels == 1:
        return (sum(values) / len(values),)
    return tuple(values[k % len(values)] for k in range(channels))
