"""CONFIG: an architecture named by an export, a file, or a preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import UserError

if TYPE_CHECKING:
    from nas.architecture import NeckSpec


def neck_of(word: str, sets: Sequence[str] = ()) -> NeckSpec:
    """The neck that CONFIG means: an export (its folder or config.yaml), a YAML or JSON file of an architecture or a
    neck, or a preset's name with its options in `sets` (`width=64`).

    Raises:
        UserError: there is no such file or preset, or an option does not fit.
        SpecError: what is wrong in the file.
    """
    from nas.architecture import Architecture, NeckSpec
    from nas.catalog import load_yaml, read
    from nas.topologies import TOPOLOGIES

    path = Path(word)
    if path.is_dir():
        path /= "config.yaml"
    if word in TOPOLOGIES and not path.is_file():
        return _preset(word, sets)
    if not path.is_file():
        raise UserError(f"{word} is neither a file nor an export nor a preset; presets are {', '.join(TOPOLOGIES)}")
    if sets:
        raise UserError(f"--set changes a preset, and {word} is a file")
    data: Any = load_yaml(read(path), str(path))
    if isinstance(data, Mapping) and isinstance(data.get("architecture"), Mapping):
        data = data["architecture"]
    if isinstance(data, Mapping) and "neck" in data:
        return Architecture.parse(data, str(path)).neck
    return NeckSpec.parse(data, str(path))


def _preset(name: str, sets: Sequence[str]) -> NeckSpec:
    from nas.catalog import load_yaml
    from nas.presets import preset

    options: dict[str, Any] = {}
    for change in sets:
        key, equals, text = change.partition("=")
        if not equals or not key.isidentifier() or key == "name":
            raise UserError(f"--set {change}: should be OPTION=VALUE, such as width=64")
        options[key] = load_yaml(text, f"--set {change}")
    whole = [key for key in ("levels", "finest", "in_channels", "width") if type(options.get(key, 0)) is not int]
    if whole:
        raise UserError(f"--set {whole[0]}: should be a whole number, not {options[whole[0]]!r}")
    return preset(name, **options).neck
