"""Data of one class: the twos among the digits."""

from nas.errors import Fault
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, Loader, digits


def _twos(spec: DataSpec) -> DataSpec:
    return spec.model_copy(update={"classes": ("2",)})


def check(spec: DataSpec) -> list[Fault]:
    return [] if spec.root is None else [Fault("root", "twos have no folder")]


def boxes(spec: DataSpec, image_size: int, held: float) -> Dataset:
    return digits.load(_twos(spec), image_size, held)


def masks(spec: DataSpec, image_size: int, held: float) -> Dataset:
    return digits.load(_twos(spec), image_size, held, masks=True)


BOXES, MASKS = Loader(check, boxes), Loader(check, masks)
