"""CVAT: one part with the name `default` unless the images were given to parts."""

from nas.tasks.data.layouts.layout import Layout

LAYOUTS = (
    Layout(
        "coco",
        "CVAT COCO export",
        annotations=("annotations/instances_default.json",),
        images=("images/default/", "images/"),
    ),
    Layout(
        "voc",
        "CVAT VOC export",
        annotations=("Annotations/",),
        images=("JPEGImages/",),
        listed=("ImageSets/Main/default.txt",),
        unless=("ImageSets/Main/train.txt", "ImageSets/Main/val.txt"),
    ),
    Layout(
        "yolo",
        "CVAT YOLO export",
        listed=("{}.txt",),
        names=("obj.names", "data/obj.names"),
        marks=("obj.data",),
        seedable=True,
    ),
)
