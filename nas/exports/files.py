"""The files of an export: their names, and what each is for."""

from itertools import chain

CONFIG = "config.yaml"
WEIGHTS = "weights.safetensors"
PYTHON = "model.py"
ONNX = "model.onnx"
ONNX_NMS = "model-nms.onnx"
PT2 = "model.pt2"
TORCHVISION = "torchvision_model.py"
TIMM = "timm_model.py"
HF = "hf_model.py"
HF_CONFIG = "config.json"
HF_WEIGHTS = "model.safetensors"
ULTRALYTICS = "ultralytics_model.py"
ULTRALYTICS_YAML = "ultralytics_model.yaml"
CARD = "README.md"
DRAWING = "drawing.svg"
CURVE = "curve.csv"
STUDY_CARD = "study.md"
CHECKPOINT = "checkpoint.pt"

FORMATS: dict[str, tuple[str, ...]] = {
    "config": (CONFIG,),
    "weights": (WEIGHTS,),
    "python": (PYTHON,),
    "onnx": (ONNX,),
    "onnx-nms": (ONNX_NMS,),
    "pt2": (PT2,),
    "torchvision": (TORCHVISION,),
    "timm": (TIMM,),
    "hf": (HF, HF_CONFIG, HF_WEIGHTS),
    "ultralytics": (ULTRALYTICS, ULTRALYTICS_YAML),
}
"""Format -> its files. Config, card and drawing are always written."""

DEFAULT_FORMATS = ("config", "weights")

PURPOSES = {
    CONFIG: "the architecture, its metrics, and how to prepare an image",
    WEIGHTS: "the weights of backbone, neck and head",
    PYTHON: "the neck as code that needs only torch; its `load()` reads the weights above",
    ONNX: "the model for onnxruntime and similar: a batch `images` in [0, 1], letterboxed as the config says",
    ONNX_NMS: "the same with non-maximum suppression: `selected` lists image, class and point of each box",
    PT2: "the same model as a program for `torch.export.load`",
    TORCHVISION: "the model as a detector of torchvision; its `load_detector()` reads the weights above",
    TIMM: "backbone and neck as a model of timm with `feature_info`; its `load_pyramid()` reads the weights above",
    HF: "the model for Hugging Face's hub: `Detector.from_pretrained` reads the two files below",
    HF_CONFIG: "the arguments of `Detector`, and facts for readers",
    HF_WEIGHTS: "the weights under the names of hf_model.py",
    ULTRALYTICS: "backbone and neck as layers for Ultralytics, which importing this file registers",
    ULTRALYTICS_YAML: "a model for Ultralytics' trainer made of these layers and its own head",
    DRAWING: "the neck as a picture",
    CURVE: "the learning curve of `nas train`: seconds, loss and metrics by epoch",
    STUDY_CARD: "the card of the study that found this architecture",
}

TRAINING_FILES = (CHECKPOINT, CURVE, f".{CHECKPOINT}", f".{CURVE}")
"""Files of an unfinished training. Those with a leading dot are partly written."""

ALL_FILES = (*chain.from_iterable(FORMATS.values()), CARD, DRAWING, STUDY_CARD, *TRAINING_FILES)
"""Files that an export may consist of. A new one in the same folder overwrites or removes them."""
