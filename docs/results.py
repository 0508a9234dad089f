"""Writes what a finished study found to docs/results/: the facts as JSON, the model card and the drawing of its winner.

    python docs/results.py sqlite:///bccd.db bccd

Paths of the machine are shortened to the names of their files and folders.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from pathlib import Path

import nas
from nas.facts.studies import shown
from nas.storage import open_store

RESULTS = Path(__file__).parent / "results"


def shortened(text: str) -> str:
    """The text with absolute paths replaced by their last parts."""
    return re.sub(r"(?<![\w:/.])(?:/[\w.+-]+)+/([\w.+-]+)", r"\1", text)


def page(card: str) -> str:
    """A card as a page of the documentation, whose blocks have a language, or a reason not to be run."""
    text = re.sub(r"^```\n(.*?)^```\n", r"```text\n\1```\n", shortened(card), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^~~~(?=\w)", "<!-- not run: it names the reader's files -->\n~~~", text, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("storage")
    parser.add_argument("study")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    with open_store(args.storage, create=False) as store:
        facts = shown(store, args.study)
    (RESULTS / f"{args.study}.json").write_text(shortened(json.dumps(facts.data, indent=1)) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "export"
        nas.export(args.study, out, storage=args.storage, formats=["config"])
        card = page((out / "README.md").read_text(encoding="utf-8")).replace("drawing.svg", f"{args.study}.svg")
        (RESULTS / f"{args.study}.md").write_text(card, encoding="utf-8")
        shutil.copy(out / "drawing.svg", RESULTS / f"{args.study}.svg")
    print(facts.text)


if __name__ == "__main__":
    main()
