"""Mutations: files of a user's, spoilt in one to four places. Bytes, lines, values and names, by a seeded `Random`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 1.5, 0.0, 1e308, 10**40, "", " ", "none", "auto", "all", "x", "x" * 300, "a\0b",
    "../..",
    "../outside/secret.png", "/dev/null", "~nobody/x", "é😀", "cpu", "cuda", "-", "%s", "{}", [], [[]], [None], [1, 1],
    {}, {"": None}, {"kind": "x"}, {"kind": None}, {"name": "fpn"}, {"min": 1, "max": 0}, float("inf"), float("nan"),
)  # fmt: skip
"""What a place may hold that nobody expects there."""

TOKENS = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\t", b"\n\n", b": ", b"- ", b"? ", b"&a ", b"*a", b"<<: *a",
    b"!!python/object:os.system ", b"!!binary x", b"!x ", b"|", b">", b"'", b'"', b"[" * 2000, b"{" * 50, b"]", b"}",
    b"#", b"---\n", b"...\n", b"%YAML 9.9\n", b"1e999", b"-0", b"0x", b".inf", b".nan", b"9" * 5000, b"1:30",
    b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"<![CDATA[", b"&lol;", b"../../outside/secret.png",
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>",
)  # fmt: skip
"""What means something to a parser."""


def mutated_bytes(random: Random, content: bytes, others: list[bytes]) -> bytes:
    """The content with one to four changes of bytes and lines."""
    for _ in range(random.randint(1, 4)):
        content = random.choice(_CHANGES)(random, content, others)
    return content


def _place(random: Random, content: bytes) -> int:
    return random.randint(0, len(content))


def _flipped(random: Random, content: bytes, others: list[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


def _inserted(random: Random, content: bytes, others: list[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + random.choice(TOKENS) + content[at:]


def _cut(random: Random, content: bytes, others: list[bytes]) -> bytes:
    start = _place(random, content)
    return content[:start] + content[start + random.randint(1, 40) :]


def _ended(random: Random, content: bytes, others: list[bytes]) -> bytes:
    return content[: _place(random, content)]


def _spliced(random: Random, content: bytes, others: list[bytes]) -> bytes:
    other = random.choice(others)
    return content[: _place(random, content)] + other[_place(random, other) :]


def _moved(random: Random, content: bytes, others: list[bytes]) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        line = lines.pop(random.randrange(len(lines)))
        for _ in range(random.randint(0, 2)):
            lines.insert(random.randint(0, len(lines)), line)
    return b"".join(lines)


def _indented(random: Random, content: bytes, others: list[bytes]) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        at = random.randrange(len(lines))
        lines[at] = b" " * random.randint(1, 5) + lines[at].lstrip() if random.random() < 0.5 else lines[at].lstrip()
    return b"".join(lines)


_CHANGES: tuple[Callable[[Random, bytes, list[bytes]], bytes], ...] = (
    _flipped, _inserted, _cut, _ended, _spliced, _moved, _indented,
)  # fmt: skip


def mutated_value(random: Random, value: Any, keys: list[str]) -> Any:
    """A value of JSON with one to four places changed: another value, another key, an entry twice or gone."""
    value = json.loads(json.dumps(value))
    for _ in range(random.randint(1, 4)):
        places = list(_containers(value))
        if not places:
            return random.choice(VALUES)
        holder = random.choice(places)
        slots = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        change = random.random()
        if isinstance(holder, dict) and (not slots or change < 0.2):
            holder[random.choice([*keys, "x", ""])] = random.choice(VALUES)
        elif not slots:
            holder.append(random.choice(VALUES))
        elif change < 0.35:
            del holder[random.choice(slots)]
        elif change < 0.45 and isinstance(holder, list):
            holder.append(holder[random.choice(slots)])
        else:
            at = random.choice(slots)
            wrapped = random.choice([[holder[at]], {"kind": holder[at]}, holder[at]])
            holder[at] = random.choice(VALUES) if change < 0.9 else wrapped
    return value


def keys_of(value: Any) -> set[str]:
    """All keys of a value of JSON."""
    return {key for holder in _containers(value) if isinstance(holder, dict) for key in holder}


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def spoil_folder(random: Random, root: Path) -> None:
    """Change one to four files of a data set: their content, their names, or that they are files at all."""
    for _ in range(random.randint(1, 4)):
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        if not files:
            return
        file = random.choice(files)
        random.choice(_SPOILERS)(random, file, [path.read_bytes() for path in random.sample(files, min(3, len(files)))])


def _spoil_bytes(random: Random, file: Path, others: list[bytes]) -> None:
    file.write_bytes(mutated_bytes(random, file.read_bytes(), others))


def _spoil_value(random: Random, file: Path, others: list[bytes]) -> None:
    """A value of a JSON file, a word of a text, or a byte of an image."""
    content = file.read_bytes()
    try:
        text = content.decode()
    except UnicodeDecodeError:
        _spoil_bytes(random, file, others)
        return
    try:
        value = json.loads(text)
    except ValueError:
        words = text.split(" ")
        words[random.randrange(len(words))] = str(random.choice(VALUES))
        file.write_text(" ".join(words), errors="surrogatepass")
        return
    file.write_text(json.dumps(mutated_value(random, value, sorted(keys_of(value)))))


def _rename(random: Random, file: Path, others: list[bytes]) -> None:
    name = random.choice(
        ["a.png", "b.PNG", "é.jpg", "x.txt", ".hidden.png", "train.txt", "data.yaml", "a b.png", "%41.png"]
    )
    file.replace(file.with_name(name))


def _remove(random: Random, file: Path, others: list[bytes]) -> None:
    file.unlink()


def _make_folder(random: Random, file: Path, others: list[bytes]) -> None:
    file.unlink()
    file.mkdir()


def _link(random: Random, file: Path, others: list[bytes]) -> None:
    """A link to itself, or to nothing."""
    file.unlink()
    file.symlink_to(random.choice([file.name, "nowhere"]))


def _swap(random: Random, file: Path, others: list[bytes]) -> None:
    file.write_bytes(random.choice(others))


_SPOILERS: tuple[Callable[[Random, Path, list[bytes]], None], ...] = (
    _spoil_bytes, _spoil_bytes, _spoil_value, _spoil_value, _spoil_value, _rename, _remove, _make_folder, _link, _swap,
)  # fmt: skip
