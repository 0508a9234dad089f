"""Exports: a trial as a folder that is used without its study, and what is done with one.

`writer` makes the folder (its `files`: config, weights, code, ONNX, pt2, card, drawing), `loader` loads the model.
`predict`, `evaluate` and `train` are the work behind the verbs of those names. `code` writes readable Python.
"""

from nas.exports.evaluate import evaluate
from nas.exports.files import FORMATS
from nas.exports.loader import load
from nas.exports.predict import predict
from nas.exports.train import train
from nas.exports.writer import export, export_study

__all__ = ["FORMATS", "evaluate", "export", "export_study", "load", "predict", "train"]
