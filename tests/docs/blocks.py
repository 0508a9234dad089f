"""The code in the documentation: every fenced block of every page, with its language and whether it is to be run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
"""What stands before a block that no test runs, with the reason."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    """Why it is not run, if so."""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    tokens = MarkdownIt().parse(page.read_text())
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("fence", "code_block"):
            marker = NOT_RUN.match(before.content) if before is not None and before.type == "html_block" else None
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(page, line, token.info.strip(), token.content, marker[1] if marker else None))
    return found


def of_language(language: str, run: bool = True) -> list[Block]:
    return [b for page in PAGES for b in blocks(page) if b.language == language and (b.reason is None) == run]
