"""One browser and one server for all tests of the pages; every test has a context of its own and a watched console."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.support.web_world import build_home, serving

expect.set_options(timeout=30_000)  # what takes milliseconds takes seconds on a loaded machine
FLAGS = ["--no-sandbox", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_home(made_once, tmp_path_factory):
    """Makes homes that hold the small catalogue and two rankers, each alike."""
    built = made_once("web", build_home)
    return lambda: shutil.copytree(built, tmp_path_factory.mktemp("web") / "home")


@pytest.fixture(scope="session")
def server(browser, new_home):
    """The address of a server; its memory is shared by all tests, so each that teaches has a query of its own."""
    with serving(new_home()) as address:
        yield address


@pytest.fixture
def open_page(browser, server):
    """Opens pages in contexts of their own. A console error, an uncaught one or a broken policy fails the test."""
    contexts, wrong = [], []

    def open_(path: str = "/", *, expected: str = "", **options: object):
        context = browser.new_context(base_url=server, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning")
                and not (expected and expected in message.text)
                and wrong.append(message.text)
            ),
        )
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # a request may be on its way through a route still
        context.close()
    assert wrong == []
