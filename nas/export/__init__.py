"""Exports: a trial as a folder that is used without its study, and what is done with one.

`writer` makes the folder (config, weights, code, ONNX, pt2, card, drawing); `loader` reads it back; `predict`,
`evaluate` and `train` are the work behind the verbs of those names. `code` writes readable Python.
"""

from nas.export.evaluate import evaluate
from nas.export.loader import load
from nas.export.predict import predict
from nas.export.train import train
from nas.export.writer import FORMATS, export_study

__all__ = ["FORMATS", "evaluate", "export_study", "load", "predict", "train"]
