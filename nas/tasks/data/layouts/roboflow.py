"""Roboflow: folders train, valid and test, where annotations lie beside the images.

A data set that was not divided has train alone. Roboflow's YOLO exports have a data.yaml.
"""

from nas.tasks.data.layouts.layout import HERE, Layout

_FILE = "_annotations.coco.json"
_VAL = ("valid", "val", "validation")

LAYOUTS = (
    Layout("coco", "Roboflow COCO export", annotations=(f"{{}}/{_FILE}",), images=("{}/",), val=_VAL, seedable=True),
    Layout("coco", "Roboflow COCO export", annotations=(_FILE,), images=HERE),
    Layout("voc", "Roboflow VOC export", annotations=("{}/*.xml",), images=("{}/",), val=_VAL, seedable=True),
    Layout(
        "yolo",
        "Roboflow Darknet export",
        annotations=("{}/*.txt",),
        images=("{}/",),
        names=("train/_darknet.labels",),
        val=_VAL,
        seedable=True,
    ),
)
