"""Exports: a trial as a folder that can be used without its study: `config.yaml` and `weights.safetensors`."""

from nas.export.evaluate import evaluate
from nas.export.loader import load
from nas.export.predict import predict
from nas.export.train import train
from nas.export.writer import FORMATS, export_study

__all__ = ["FORMATS", "evaluate", "export_study", "load", "predict", "train"]
