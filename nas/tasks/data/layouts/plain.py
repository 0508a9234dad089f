"""The standard form of each kind, and its close relatives."""

from nas.tasks.data.layouts.layout import Layout

_LISTS = ("ImageSets/Main/train.txt", "ImageSets/Main/val.txt")
_COCO = ("instances_{}.json", "annotations/instances_{}.json", "{}.json", "annotations/{}.json")

LAYOUTS = (
    Layout("coco", "COCO folder", annotations=_COCO, images=("images/{}/", "{}/"), plain=True),
    Layout("coco", "COCO folder with one folder of images", annotations=_COCO, images=("images/*.*",)),
    Layout(
        "voc",
        "VOC folder",
        annotations=("Annotations/",),
        images=("JPEGImages/",),
        listed=("ImageSets/Main/{}.txt",),
        plain=True,
    ),
    Layout(
        "voc",
        "VOC folder, the images of trainval.txt",
        annotations=("Annotations/",),
        images=("JPEGImages/",),
        listed=("ImageSets/Main/trainval.txt",),
        unless=_LISTS,
    ),
    Layout(
        "voc",
        "VOC folder",
        annotations=("Annotations/*.xml",),
        images=("JPEGImages/",),
        unless=(*_LISTS, "ImageSets/Main/default.txt"),
        plain=True,
    ),
    Layout("yolo", "YOLO folder", annotations=("labels/{}/",), images=("images/{}/",), plain=True, seedable=True),
    Layout("yolo", "YOLO folder", annotations=("images/{}/*.txt",), images=("images/{}/",), plain=True, seedable=True),
    Layout("masks", "folder of masks", annotations=("masks/{}/",), images=("images/{}/",), plain=True),
)
