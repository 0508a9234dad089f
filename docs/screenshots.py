"""Take the screenshots of the docs from a running service with a finished study, and of its report.

nas serve &
python docs/screenshots.py http://127.0.0.1:8080/ quickstart --report report.html
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
WAIT = 120_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where the service is; NAS_TOKEN has its token, if it asks for one")
    parser.add_argument("study", help="name of the study")
    parser.add_argument("--report", type=Path, help="what `nas report STUDY -o FILE` wrote")
    args = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("needs chromium: apt-get install chromium")
    url, token = args.url.rstrip("/"), os.environ.get("NAS_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 960}, extra_http_headers=headers)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.goto(f"{url}/studies")
        save(page, "service-studies.png", height=420)
        page.goto(f"{url}/studies/{args.study}")
        loaded(page)
        save(page, "service-study.png", height=1250)
        page.get_by_role("link", name="The best trial").click()
        page.locator(".pair").first.wait_for()
        loaded(page)
        save(page, "service-trial.png", height=1250)
        page.goto(f"{url}/launch")
        text = page.get_by_label("The study file")
        text.fill(text.input_value().replace("tune: frozen", "tune: frosen").replace("width:", "widht:"))
        page.locator("#lines .bad").first.wait_for()
        page.locator("#data img").last.wait_for()
        save(page, "service-launch.png", height=1150)
        optuna(page, url, args.study)
        if args.report is not None:
            page.goto(args.report.absolute().as_uri())
            page.locator(".plot .main-svg").first.wait_for()
            save(page, "report.png", height=1500)
        browser.close()


def optuna(page: Page, url: str, study: str) -> None:
    """Optuna's dashboard, in the service: the study, and its best trial's note."""
    numbers = {s["study_name"]: s["study_id"] for s in page.request.get(f"{url}/api/studies").json()["study_summaries"]}
    if study not in numbers:
        sys.exit(f"there is no study {study!r}; there are {', '.join(numbers)}")
    number = numbers[study]
    best = page.request.get(f"{url}/api/studies/{number}").json()["best_trials"][0]["number"]
    page.goto(f"{url}/dashboard/studies/{number}")
    expect(page.locator(".scatterlayer .point").first).to_be_visible()
    save(page, f"{study}-study.png", height=1000)
    page.goto(f"{url}/dashboard/studies/{number}/trials?numbers={best}")
    expect(page.get_by_text("digest").first).to_be_visible()
    save(page, f"{study}-best.png", height=1000)


def loaded(page: Page) -> None:
    """Wait until every part of a page is there."""
    expect(page.locator(".loading")).to_have_count(0, timeout=WAIT)
    page.wait_for_timeout(1000)  # figures are drawn after their part has come


def save(page: Page, name: str, height: int) -> None:
    """The top of the page, so many pixels high."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.wait_for_timeout(800)
    page.screenshot(path=IMAGES / name)
    with Image.open(IMAGES / name) as image:  # a quarter of the bytes
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)
    print(IMAGES / name)


if __name__ == "__main__":
    main()
