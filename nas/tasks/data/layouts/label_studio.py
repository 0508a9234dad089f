"""Label Studio: one part, in folders of its own."""

from nas.tasks.data.layouts.layout import HERE, Layout

LAYOUTS = (
    Layout("coco", "Label Studio COCO export", annotations=("result.json",), images=("images/", *HERE)),
    Layout(
        "yolo",
        "Label Studio YOLO export",
        annotations=("labels/",),
        images=("images/",),
        names=("classes.txt",),
        marks=("notes.json",),
    ),
)
