"""The files of an export: their names, and what each is for."""

CONFIG = "config.yaml"
WEIGHTS = "weights.safetensors"
PYTHON = "model.py"
ONNX = "model.onnx"
ONNX_NMS = "model-nms.onnx"
PT2 = "model.pt2"
CARD = "README.md"
DRAWING = "drawing.svg"
CURVE = "curve.csv"
STUDY_CARD = "study.md"
CHECKPOINT = "checkpoint.pt"

FORMATS = {
    "config": CONFIG,
    "weights": WEIGHTS,
    "python": PYTHON,
    "onnx": ONNX,
    "onnx-nms": ONNX_NMS,
    "pt2": PT2,
}
"""Format -> its file. Config, card and drawing are always written."""

DEFAULT_FORMATS = ("config", "weights")

PURPOSES = {
    CONFIG: "the architecture, its metrics, and how to prepare an image",
    WEIGHTS: "the weights of backbone, neck and head",
    PYTHON: "the neck as code that needs only torch; its `load()` reads the weights above",
    ONNX: "the model for onnxruntime and similar: a batch `images` in [0, 1], letterboxed as the config says",
    ONNX_NMS: "the same with non-maximum suppression: `selected` lists image, class and point of each box",
    PT2: "the same model as a program for `torch.export.load`",
    DRAWING: "the neck as a picture",
    CURVE: "the learning curve of `nas train`: seconds, loss and metrics by epoch",
    STUDY_CARD: "the card of the study that found this architecture",
}

TRAINING_FILES = (CHECKPOINT, CURVE, f".{CHECKPOINT}", f".{CURVE}")
"""Files of an unfinished training. Those with a leading dot are partly written."""

ALL_FILES = (*FORMATS.values(), CARD, DRAWING, STUDY_CARD, *TRAINING_FILES)
"""Files that an export may consist of. A new one in the same folder overwrites or removes them."""
