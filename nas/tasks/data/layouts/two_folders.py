"""A folder of images and a folder of annotations, as data sets on Kaggle and exports of several tools have them."""

from nas.tasks.data.layouts.layout import HERE, Layout

_IMAGES = ("JPEGImages/", "images/", "image/", "imgs/", "img/")
_XML = ("Annotations/*.xml", "annotations/xmls/*.xml", "annotation/*.xml", "xmls/*.xml", "xml/*.xml", "labels/*.xml")

LAYOUTS = (
    Layout(
        "voc",
        "XML folder with parts",
        annotations=("Annotations/{}/*.xml", "labels/{}/*.xml", "images/{}/*.xml"),
        images=("images/{}/", "JPEGImages/{}/"),
        seedable=True,
    ),
    Layout(
        "voc",
        "XML folder",
        annotations=_XML,
        images=_IMAGES,
        unless=("ImageSets/Main/train.txt", "ImageSets/Main/val.txt"),
    ),
    Layout(
        "yolo",
        "YOLO folder with parts",
        annotations=("{}/labels/",),
        images=("{}/images/",),
        seedable=True,
    ),
    Layout(
        "yolo",
        "YOLO folder",
        annotations=("labels/",),
        images=_IMAGES,
        unless=("images/train/", "images/val/"),
        plain=True,
    ),
    Layout(
        "coco",
        "single COCO file",
        annotations=(
            "annotations.json",
            "annotations/annotations.json",
            "instances.json",
            "annotations/instances.json",
            "coco.json",
            "annotations/coco.json",
        ),
        images=("images/", "JPEGImages/", *HERE),
    ),
)
