"""TaskSpec: the data, the backbone and the training, which are the same for all necks of a study."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from nas.errors import Fault
from nas.studies.parts import parse_as
from nas.value import Faulty, Unit, Value

Pixels = Annotated[int, Unit("pixels")]
Images = Annotated[int, Unit("images")]
Epochs = Annotated[int, Unit("epochs")]


_KINDS = ("digits", "voc", "coco", "yolo", "masks")
_TOOLS = ("cvat", "labelstudio", "labelme", "supervisely", "darwin", "fiftyone", "csv", "createml")


class DataSpec(Value):
    """Images with their annotations. Invalid annotations are reported and left out."""

    kind: str = Field(examples=[*_KINDS, *_TOOLS])
    """Format of the data: `digits` (embedded), `voc`, `coco`, `yolo`, `masks`, or the label files of a tool: `cvat`,
    `labelstudio`, `labelme`, `supervisely`, `darwin`, `fiftyone`, `createml` or `csv`."""
    root: str | None = None
    """Folder of the data, relative to the study file. `digits` needs none."""
    classes: tuple[Annotated[str, StringConstraints(strip_whitespace=True)], ...] | None = None
    """Classes to learn, by name. Without the key: every class that the data names."""
    strict: bool = False
    """Refuse data with any invalid annotation, instead of leaving the annotation out."""
    train: Images = Field(384, ge=16)
    """Number of training images to compose. Only for `digits`."""
    val: Images = Field(192, ge=8)
    """Number of validation images to compose. Only for `digits`."""
    test: Images = Field(192, ge=8)
    """Number of test images to compose, where a study has finalists to judge. Only for `digits`."""
    val_fraction: float = Field(0.25, gt=0, lt=1)
    """Share of the images that become the validation set, where the folder defines no split."""
    test_fraction: float = Field(0, ge=0, lt=1)
    """Share of the training images to set aside for tests, where the folder has no images for tests. Nothing is trained
    or chosen on them; they judge the finalists."""
    seed: int = Field(0, ge=0)
    """Seed of the split, of `test_fraction`, of `fraction`, and of the scenes of `digits`."""
    fraction: float = Field(1.0, gt=0, le=1)
    """Share of the training images to train on, drawn by `seed`. Of images cut into windows, a share of these."""
    tile: Pixels | None = Field(None, ge=32)
    """Cut images into windows of this side, in their own pixels, for training and validation and in `nas predict`. What
    is found in windows is merged, and measured on whole images. Without the key images are not cut."""
    overlap: float = Field(0.2, ge=0, le=0.8)
    """The least share of a window that its neighbours show too. With `tile`."""
    channels: int | None = Field(None, ge=1, le=64)
    """Number of channels of the images: TIFF, `.npy` or any other file. An image with another number is a fault.
    Without the key images are read in RGB of 8 bits."""
    range: tuple[float, float] | None = None
    """Values that become black and white, such as [0, 4095]. With `channels`. Without the key: the full range of 8 or
    16 bits; values of other types need it."""
    visible: float = Field(0.3, ge=0, le=1)
    """The least share of an object's box that a window must show, for the object to be learnt from it. With `tile`."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.range is not None and self.channels is None:
            raise Faulty([Fault("range", "goes with channels: give their number too")])
        if self.range is not None and not self.range[0] < self.range[1]:
            raise Faulty([Fault("range", "should be the least and the greatest value, such as [0, 4095]")])
        return self


class BackboneTask(Value):
    """The backbone and its weights: from `checkpoint`, else pretrained by name, else warmed up on the task."""

    name: str = "tf_efficientnet_lite0"
    """Name of a timm model that returns feature maps."""
    checkpoint: str | None = None
    """File with the weights (safetensors, timm's names), relative to the study file. Comes before `pretrained`."""
    pretrained: bool = True
    """Load the weights that timm publishes under the name. For the default backbone they come with a Python package."""
    tune: Literal["frozen", "partial", "full"] = "frozen"
    """What is trained besides neck and head: nothing, the stage of the backbone's coarsest level, or all of it.
    Weights that come with the backbone are trained at a tenth of the learning rate."""
    levels: tuple[int, ...] | None = None
    """Levels that a neck may take, consecutive, fine to coarse. Without the key: all from level 2. Of a plain backbone
    such as a ViT: the levels that the neck makes of its one map; without the key, two finer ones and a coarser one."""
    blocks: tuple[int, ...] | None = None
    """Blocks of a plain backbone, such as a ViT, behind which a neck may take the map: numbers from 0, or from the end
    with -1 as the last. Without the key: the last."""
    warmup: Epochs = Field(20, ge=1)
    """Length of the training that gives a frozen backbone its weights, once per study, where it has none."""

    @field_validator("levels")
    @classmethod
    def _consecutive(cls, levels: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if levels is not None and (not levels or levels != tuple(range(levels[0], levels[0] + len(levels)))):
            raise ValueError("list consecutive levels, fine to coarse, such as 3, 4, 5; or leave the key out for all")
        return levels

    @field_validator("blocks")
    @classmethod
    def _some_blocks(cls, blocks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if blocks is not None and not blocks:
            raise ValueError("list blocks, such as -1, -4; or leave the key out for the last")
        return blocks


HEADS = {"detection": "fcos", "segmentation": "panoptic_fpn"}
"""Task kind -> the head that the default, `head: fcos`, stands for."""


class RemoteTarget(Value):
    """A device elsewhere that times models: one on which `nas device serve` runs."""

    remote: str = Field(examples=["http://raspberrypi.local:8700"])
    """URL at which it listens. Its token is read from `NAS_DEVICE_TOKEN`, and stands in no file."""
    runtime: Literal["onnxruntime", "openvino", "tensorrt", "coreml", "litert"] = "onnxruntime"
    """What the device runs models on. Its package is to be installed there."""
    precision: Literal["fp32", "int8"] = "fp32"
    """Number format of the model. `int8`: quantized here, and calibrated on training images."""

    @field_validator("remote")
    @classmethod
    def _without_secrets(cls, remote: str) -> str:
        parts = urlsplit(remote)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("should be the URL of a device, such as http://raspberrypi.local:8700")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds a secret, which files would show: leave it out, and set NAS_DEVICE_TOKEN")
        return remote.rstrip("/")

    @model_validator(mode="after")
    def _check_precision(self) -> Self:
        if self.runtime == "litert" and self.precision == "int8":
            raise Faulty([Fault("precision", "litert takes fp32 only here: leave it out, or take another runtime")])
        return self

    def __str__(self) -> str:
        """The target in at most 64 letters, by which measurements are found again."""
        text = f"{self.runtime}{'-int8' if self.precision == 'int8' else ''} at {self.remote}"
        return text if len(text) <= 64 else f"{text[:43]} {hashlib.sha256(text.encode()).hexdigest()[:20]}"


LOCAL_TARGETS = ("torch", "onnxruntime", "onnxruntime-int8", "openvino", "openvino-int8")

Target = Literal["torch", "onnxruntime", "onnxruntime-int8", "openvino", "openvino-int8"] | RemoteTarget
"""What times a model: a runtime of this machine, or a device elsewhere."""


def timed_on(target: Target, device: str) -> str:
    """The target by which measurements are found again: `torch` on a GPU is `torch-cuda`."""
    return "torch-cuda" if target == "torch" and device == "cuda" else str(target)


class TaskSpec(Value):
    """The proxy task: data, backbone, and the short training of every neck."""

    kind: str = Field(examples=["detection", "segmentation"])
    """What the model learns: `detection` (boxes) or `segmentation` (class maps)."""
    data: DataSpec
    """The images and their annotations."""
    backbone: BackboneTask = BackboneTask()
    """The backbone and its weights."""
    image_size: Pixels = Field(160, ge=32, le=2048, multiple_of=32)
    """Side of the square that every image is scaled into, its aspect kept."""
    epochs: Epochs = Field(20, ge=1)
    """Length of a trial's training."""
    batch_size: Images = Field(16, ge=1)
    """Images in a training step."""
    lr: float = Field(5e-3, gt=0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(1e-4, ge=0)
    """Weight decay of AdamW."""
    schedule: Literal["constant", "one_cycle"] = "constant"
    """Hold the learning rate, or bring it down to zero. At a constant rate a short run is the start of a longer one."""
    average: float = Field(0.1, ge=0, lt=1)
    """Measure and keep weights averaged over about this last share of the steps so far. 0: the weights as they are."""
    views: int = Field(8, ge=1, le=16)
    """Fixed views of every training image, of which an epoch takes one at random. The first is the image itself, the
    second its mirror image (with `flip`), the others are zoomed, every second of them mirrored too (with `flip`)."""
    flip: bool = True
    """Mirror every second view. Switch it off where a mirrored object is another object, such as a digit."""
    jitter: tuple[float, float] = (0.8, 1.25)
    """Least and greatest zoom factor of the zoomed views."""
    mosaic: float = Field(0, ge=0, le=1)
    """Share of the zoomed views, the last ones, that are mosaics of four images."""
    cache: Literal["auto", "features", "images", "none"] = "auto"
    """What is computed once for all trials: the backbone's feature maps of all views (which needs a frozen backbone),
    the decoded images, or nothing."""
    cache_bytes: Annotated[float, Unit("bytes")] = Field(4e9, gt=0)
    """Upper limit of the cache's memory."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the training. `auto`: bfloat16 where the hardware is faster with it."""
    latency_target: Annotated[Target, BeforeValidator(parse_as(RemoteTarget, *LOCAL_TARGETS))] = "torch"
    """What `latency_ms` times: PyTorch on the task's device, ONNX Runtime or OpenVINO on the CPU, in fp32 or in INT8
    calibrated on training images, or a device elsewhere: `{remote: URL}`."""
    head: str = Field("fcos", examples=["fcos", "retinanet", "faster_rcnn", "panoptic_fpn"])
    """Head of a detector: `fcos`, `retinanet` or `faster_rcnn`. A segmenter has `panoptic_fpn`, also without the key.
    Packages can add heads."""
    head_convs: int = Field(1, ge=0, le=8)
    """Convolutions in each tower of the head."""
    head_scale: float = Field(1.0, gt=0)
    """Factor on the object sizes that each level of a detector answers for."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where trials train. `auto`: on a GPU where the workers have one."""
    options: dict[str, Any] = {}
    """Further keys of a task of another package."""

    @field_validator("jitter")
    @classmethod
    def _zooms(cls, jitter: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= jitter[0] <= jitter[1] <= 10:
            raise ValueError("should be the least and the greatest zoom, within 0.1 to 10, such as [0.8, 1.25]")
        return jitter

    @model_validator(mode="after")
    def _check_mosaic(self) -> Self:
        if self.mosaic and not self.mosaics:
            zoomed = self.views - self.plain_views
            raise Faulty([Fault("mosaic", f"{self.mosaic:g} of {zoomed} zoomed views rounds to 0: raise it, or views")])
        return self

    @property
    def head_kind(self) -> str:
        """The kind of head of the models. In a segmentation task, the default `fcos` stands for `panoptic_fpn`."""
        return HEADS.get(self.kind, self.head) if self.head == type(self).model_fields["head"].default else self.head

    @property
    def plain_views(self) -> int:
        """Number of views, the first ones, that show the whole image as it is or mirrored."""
        return min(self.views, 2 if self.flip else 1)

    @property
    def mosaics(self) -> int:
        """Number of views, the last ones, that are mosaics."""
        return round(self.mosaic * (self.views - self.plain_views))
