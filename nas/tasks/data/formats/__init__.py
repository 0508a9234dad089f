"""Label files of annotation tools that are not VOC, COCO or YOLO: a file here a format, and `reading` for all of them.

A reader says where the label files are, which images they hold, and what an object is (`base.Format`). Faults, names of
images, stated sizes, parts and class maps are shared.
"""

from __future__ import annotations

from nas.tasks.data.formats.base import Format
from nas.tasks.data.formats.cvat import Cvat
from nas.tasks.data.formats.darwin import Darwin
from nas.tasks.data.formats.fiftyone import FiftyOne
from nas.tasks.data.formats.labelme import LabelMe
from nas.tasks.data.formats.labelstudio import LabelStudio
from nas.tasks.data.formats.supervisely import Supervisely
from nas.tasks.data.formats.tables import CreateMl, Csv

FORMATS: dict[str, Format] = {
    "cvat": Cvat(),
    "labelstudio": LabelStudio(),
    "labelme": LabelMe(),
    "supervisely": Supervisely(),
    "darwin": Darwin(),
    "fiftyone": FiftyOne(),
    "csv": Csv(),
    "createml": CreateMl(),
}
"""Kind of data -> its reader. A package adds one by `boxes_of` and `masks_of` in the tables `data` and `masks`."""
