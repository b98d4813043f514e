"""The real product behind its port, and a real browser before it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-background-networking")
START_S = 300


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def serving(home: Path, **settings: object) -> Iterator[str]:
    """`bandstand serve` over a home, in a process of its own as everywhere else; its address, once it can search."""
    environment = {f"BANDSTAND_{name.upper()}": str(value) for name, value in settings.items()}
    command = [str(Path(sys.executable).with_name("bandstand")), "serve", "--port", "0", "--home", str(home)]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ready_address(process.stdout.readline())
        finally:
            process.terminate()


def ready_address(line: str) -> str:
    """The address in the first line that a server printed, once it can search."""
    found = re.search(r"http://\S+", line)
    if found is None:
        raise SystemExit(f"the server did not start: {line}")
    deadline = time.monotonic() + START_S
    while not _ready(found[0]):
        if time.monotonic() > deadline:
            raise SystemExit("the server did not become ready")
        time.sleep(0.2)
    return found[0]


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:  # not listening yet, loading (503), or too busy to say
        return False
