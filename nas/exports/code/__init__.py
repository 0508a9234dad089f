"""A neck written out as Python: one file that needs only torch."""

from nas.exports.code.module import source

__all__ = ["source"]
