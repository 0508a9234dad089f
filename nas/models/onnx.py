"""What ONNX needs of this machine. Every word of the vocabulary can be exported: tests/export/test_onnx.py."""

from __future__ import annotations

from importlib.util import find_spec

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def fault() -> str | None:
    """What is not installed, and the command that installs it."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return f'ONNX needs {", ".join(missing)}: pip install "pyramid-nas[onnx]"'
