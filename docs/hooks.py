"""What mkdocs runs while it builds: the pages under reference/ are made from the code, and never go stale."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # mkdocs loads this file by its path

from docs.reference import PAGES  # noqa: E402

LOADS = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\s(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)")

LATER = ("data.md", "backbones.md")
"""Pages that the navigation names and that may not be written yet."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    missing = {page for page in LATER if not (HERE / page).is_file()}
    config.nav = _without(config.nav, missing)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    return files


def on_post_page(output: str, page: Any, config: MkDocsConfig) -> str:
    """Refuse a page that loads anything from another host (see decisions: site-loads-nothing)."""
    if found := outside(output):
        raise PluginError(f"{page.file.src_uri}: loads {', '.join(found)} from another host")
    return output


def outside(html: str) -> list[str]:
    """Addresses of other hosts that a page loads something from; links to follow are none."""
    return sorted({found[1] for found in LOADS.finditer(html)})


def _without(nav: Any, missing: set[str]) -> Any:
    if isinstance(nav, list):
        kept = [_without(item, missing) for item in nav]
        return [item for item in kept if item]
    if isinstance(nav, dict):
        return {title: kept for title, item in nav.items() if (kept := _without(item, missing))}
    return None if nav in missing else nav
