"""A neck written out as Python: one file that needs only torch."""

from nas.exports.code.module import More, layer_names, source

__all__ = ["More", "layer_names", "source"]
