"""How long a key takes to show its results: `python -m bench.keystrokes HOME`, an indexed home.

From the input event to the frame after the new rows are in the page; and, in fresh browser contexts, from the request
of a link to its first results. The server and the browser share the machine.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser

import bandstand.web
from bench.served import chromium, serving

TITLES = ("shape of you", "someone like you", "blinding lights", "bohemian rhapsody", "lose yourself", "bad guy")
LINKS = 10
BETWEEN_KEYS_MS = 200

PARTS = ("leaves", "connects", "server", "body", "script", "frame")

WATCH = """() => {
    const field = document.querySelector("#query"), lists = document.querySelector("#lists");
    window.took = [];
    let since = 0;
    performance.setResourceTimingBufferSize(10_000);
    field.addEventListener("input", () => { since = performance.now(); }, true);
    new MutationObserver(() => {
        if (!since) return;
        const began = since, changed = performance.now();
        const sent = performance.getEntriesByName(location.origin + "/v1/search").at(-1);
        since = 0;
        requestAnimationFrame(() => {
            const shown = performance.now();
            window.took.push({
                all: shown - began,
                leaves: sent.startTime - began,
                connects: sent.requestStart - sent.startTime,
                server: sent.responseStart - sent.requestStart,
                body: sent.responseEnd - sent.responseStart,
                script: changed - sent.responseEnd,
                frame: shown - changed,
            });
        });
    }).observe(lists, { childList: true });
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.keystrokes", description=__doc__)
    parser.add_argument("home", type=Path)
    given = parser.parse_args()
    scripts = (Path(bandstand.web.__file__).parent / "js").glob("*.js")
    print(f"JavaScript of all pages, gzipped: {sum(len(gzip.compress(path.read_bytes())) for path in scripts):,} bytes")
    with serving(given.home) as address, chromium() as browser:
        _show("link to first results", _links(browser, address))
        keys = _keys(browser, address)
        _show("key to results", [key["all"] for key in keys])
        print(
            "of which, medians in ms: " + ", ".join(f"{part} {median(key[part] for key in keys):.1f}" for part in PARTS)
        )


def _links(browser: Browser, address: str) -> list[float]:
    took = []
    for _ in range(LINKS):
        page = browser.new_page()
        page.goto(f"{address}/?q=hello")
        page.locator(".hit").first.wait_for()
        took.append(float(page.evaluate("performance.now()")))
        page.close()
    return took


def _keys(browser: Browser, address: str) -> list[dict[str, float]]:
    page = browser.new_page()
    page.goto(f"{address}/?q=hello")
    page.locator(".hit").first.wait_for()
    page.evaluate(WATCH)
    for title in TITLES:
        page.locator("#query").fill("")
        page.locator("#query").press_sequentially(title, delay=BETWEEN_KEYS_MS)
        page.wait_for_timeout(2 * BETWEEN_KEYS_MS)
    keys: list[dict[str, float]] = page.evaluate("window.took")
    return keys


def _show(what: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p50, p95 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95))
    print(f"{what}: n {len(ordered)}, p50 {p50:.0f} ms, p95 {p95:.0f} ms, slowest {ordered[-1]:.0f} ms")


if __name__ == "__main__":
    main()
