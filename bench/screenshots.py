"""Takes the pictures in docs/images from the real product: `python -m bench.screenshots [--home FOLDER]`."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

import bandstand as bs
from bench.served import chromium, serving

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLOURS = 256
LISTENERS = 24
FINALIZE_S, FINALIZED_S = 0.5, 8.0
OPERATED = (
    ("dashboard", "#live", "figure img"),
    ("learning", "#learning", "figure img"),
    ("queries", "#query=kind%20of%20blue", "#query table"),
    ("models", "#models", ".experiment"),
)
Json = dict[str, Any]
QUERIES = ("hello", "sigur ros", "jazz for the night", "beyonse", "kind of blue")


def main() -> None:
    """Serve the bundled catalogue, or another home, and take every picture."""
    parser = argparse.ArgumentParser(prog="bench.screenshots", description=__doc__)
    parser.add_argument("--home", type=Path, help="an indexed home; without it, one is made of the bundled catalogue")
    given = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(
            given.home or _built(Path(folder)), finalize_seconds=FINALIZE_S, join_minutes=FINALIZE_S / 30
        ) as address,
        chromium() as browser,
    ):
        _take(browser, address)


def _take(browser: Browser, address: str) -> None:
    _open(browser, f"{address}/?q=warm+up", width=1280, height=800).close()
    search = _open(browser, f"{address}/?q=miles+davis", width=1280, height=800)
    search.locator("#query").focus()
    _save(search, "search")
    why = _open(browser, f"{address}/?q=beyonse+halo", width=1280, height=800, dark=True)
    why.locator(".act-why").first.click()
    why.locator(".moved").wait_for()
    _save(why, "why")
    _save(_open(browser, f"{address}/?q=sad+songs", width=360, height=740), "mobile")
    _operate(browser, address)


def _operate(browser: Browser, address: str) -> None:
    """Two dozen listeners ask and choose, an experiment runs, somebody pins; then the operator's pages."""
    experiment = {"a": "bandit", "b": "all", "ripens_seconds": 0}
    _call(f"{address}/v1/dashboard/experiments", experiment)
    for turn in range(LISTENERS * len(QUERIES)):
        query, user = QUERIES[turn % len(QUERIES)], f"listener-{turn % LISTENERS}"
        found = _call(f"{address}/v1/search", {"query": query, "user_id": user})
        if turn % 4 and found["hits"]:
            chosen = {"object": {"object_id": found["hits"][turn % 4 == 3]["entity_id"]}}
            event = {"action_name": "save", "query_id": found["query_id"], "user_id": user, "event_attributes": chosen}
            _call(f"{address}/v1/events?wait=true", event)
    pinned = _call(f"{address}/v1/search", {"query": "kind of blue"})["hits"][1]["entity_id"]
    edit = {"action": "pin", "query": "kind of blue", "entity_id": pinned, "by": "editors", "note": "anniversary"}
    _call(f"{address}/v1/dashboard/edits", edit)
    time.sleep(FINALIZED_S)
    for name, section, drawn in OPERATED:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.goto(f"{address}/dashboard{section}")
        page.locator(drawn).first.wait_for()
        page.wait_for_timeout(500)  # the pictures of the charts are decoded
        _save(page, name, finalized=False)


def _call(url: str, body: object) -> Json:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        found: Json = json.load(answer)
        return found


def _open(browser: Browser, url: str, *, width: int, height: int, dark: bool = False) -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page.goto(url)
    page.locator(".hit").first.wait_for()
    page.locator("#decision li").first.wait_for()
    return page


def _save(page: Page, name: str, *, finalized: bool = True) -> None:
    if finalized:  # the dashboard never is: it looks again and again
        page.wait_for_load_state("networkidle")
    file = IMAGES / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
    page.close()


def _built(home: Path) -> Path:
    """A home with the bundled catalogue, indexed, with the ranker and the bandit that self-play gives."""
    bs.demo(home, background=False).close()
    return home


if __name__ == "__main__":
    main()
