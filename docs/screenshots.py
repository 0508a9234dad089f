"""Take the screenshots of a finished study from a running dashboard.

nas dashboard &
python docs/screenshots.py http://127.0.0.1:8080/ quickstart
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where the dashboard is")
    parser.add_argument("study", help="name of the study")
    args = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("needs chromium: apt-get install chromium")
    url = args.url.rstrip("/")
    number, best = found(url, args.study)
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{url}/dashboard/studies/{number}")
        expect(page.locator(".scatterlayer .point").first).to_be_visible()
        save(page, f"{args.study}-study.png")
        page.goto(f"{url}/dashboard/studies/{number}/trials?numbers={best}")
        expect(page.get_by_text("digest").first).to_be_visible()
        save(page, f"{args.study}-best.png")
        browser.close()


def found(url: str, name: str) -> tuple[int, int]:
    """The dashboard's number of the study, and its best trial's."""
    numbers = {s["study_name"]: s["study_id"] for s in get(f"{url}/api/studies")["study_summaries"]}
    if name not in numbers:
        sys.exit(f"there is no study {name!r}; there are {', '.join(numbers)}")
    return numbers[name], get(f"{url}/api/studies/{numbers[name]}")["best_trials"][0]["number"]


def get(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def save(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / name)
    print(IMAGES / name)


if __name__ == "__main__":
    main()
