"""labelImg: one folder, where every image has its XML or text file beside it."""

from nas.tasks.data.layouts.layout import HERE, Layout

LAYOUTS = (
    Layout("voc", "labelImg folder", annotations=("*.xml",), images=HERE),
    Layout("voc", "labelImg folder", annotations=("images/*.xml",), images=("images/",)),
    Layout(
        "yolo", "labelImg folder", annotations=("images/*.txt",), images=("images/",), names=("images/classes.txt",)
    ),
    Layout(
        "yolo", "labelImg folder", annotations=("*.txt",), images=HERE, names=("classes.txt",), unless=("obj.data",)
    ),
)
