"""The search page under conditions: keyboard only, dark, narrow, slow, failing; accessibility and figures."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

import bandstand.web
from tests.support.web_world import LOOKED_OVER, counts, finalized, violations

WEB = Path(bandstand.web.__file__).parent
FAILED_LOAD = "Failed to load resource"

SHIFTS = """() => new Promise((done) => {
    new PerformanceObserver((list) => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
        .observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(0), 200);  // there was none
})"""

ARRIVING = """async () => {
    const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const parts = [...document.body.querySelectorAll(":scope *:not(option, noscript, dialog)")];
    let moved = 0;
    const add = (entries) => entries.forEach(({ value }) => (moved += value));
    const watch = new PerformanceObserver((list) => add(list.getEntries()));
    const worst = { by: 0, before: "" };
    for (const [at, part] of parts.entries()) {
        const late = parts.slice(at).filter((element) => !element.hidden);
        late.forEach((element) => (element.hidden = true));
        await painted();
        watch.observe({ type: "layout-shift" });
        moved = 0;
        late.forEach((element) => (element.hidden = false));
        await painted();
        add(watch.takeRecords());
        watch.disconnect();
        if (moved > worst.by) Object.assign(worst, { by: moved, before: part.outerHTML.slice(0, 80) });
    }
    return worst;
}"""


class TestKeyboard:
    def test_everything_works_without_a_mouse(self, open_page):
        page = open_page("/")
        page.keyboard.press("/")
        with finalized(page):
            page.keyboard.type("hello")
            page.keyboard.press("Enter")
        expect(page.locator(".hit").first).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        second = page.locator(".hit").nth(1)
        expect(second.locator(".title")).to_be_focused()
        for key, action in (("s", "save"), ("x", "skip")):
            with page.expect_request("**/v1/events") as sent:
                page.keyboard.press(key)
            assert sent.value.post_data_json[0]["action_name"] == action
        page.keyboard.press("w")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        with page.expect_request("**/v1/events") as sent:
            page.keyboard.press("Enter")
        assert sent.value.post_data_json[0]["action_name"] == "click"
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#query")).to_be_focused()

    def test_suggestions_and_tabs_are_reached_by_arrows(self, open_page):
        page = open_page("/")
        page.locator("#query").press_sequentially("he")
        expect(page.locator("#suggestions button").first).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#suggestions button").first).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#query")).to_be_focused()
        page.get_by_role("tab", name="All").focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Songs")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tab", name="Songs")).to_be_focused()

    def test_escape_clears_the_field(self, open_page):
        page = open_page("/?q=hello")
        page.locator("#query").press("Escape")
        expect(page.locator("#query")).to_have_value("")
        expect(page.locator(".welcome h2")).to_be_visible()


class TestLooks:
    def test_dark_as_the_system_says_and_as_chosen(self, open_page):
        page = open_page("/", color_scheme="dark")
        colour = "() => getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(colour)
        assert dark == "rgb(18, 18, 24)"
        page.get_by_role("button", name="Colours").click()
        assert page.evaluate(colour) == "rgb(250, 249, 247)"
        page.reload()
        assert page.evaluate(colour) == "rgb(250, 249, 247)"

    @pytest.mark.parametrize("path", ["/", "/?q=hello", "/?q=hello&policy=all&against=lexical"])
    def test_nothing_is_wider_than_the_screen(self, open_page, path):
        page = open_page(path)
        expect(page.locator("#decision li").first).to_be_visible()
        for width in (360, 768, 1920):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_who_wants_less_motion_gets_none(self, open_page):
        page = open_page("/?q=hello", reduced_motion="reduce")
        page.locator(".hit .act-skip").first.click()
        assert page.locator("#told").evaluate("element => getComputedStyle(element).animationName") == "none"

    @pytest.mark.parametrize("path", ["/", "/?q=hello&policy=all&filter=genre:pop", "/?q=hello&against=lexical&mix=1"])
    def test_axe_finds_nothing(self, open_page, path):
        page = open_page(path, **LOOKED_OVER)
        expect(page.locator("#decision li").first).to_be_visible()
        assert violations(page) == ""

    def test_axe_finds_nothing_in_the_sheet(self, open_page):
        page = open_page("/?q=hello&policy=all", **LOOKED_OVER)
        page.locator(".hit .act-why").first.click()
        expect(page.locator(".related li").first).to_be_visible()
        assert violations(page) == ""


class TestTrouble:
    def test_a_slow_server_is_said_to_be_slow(self, open_page):
        page = open_page("/")
        page.clock.install()
        page.goto("/")
        held = []

        def hold(route) -> None:
            held.append(route)

        page.route("**/v1/search", hold)
        page.locator("#query").fill("hello")
        page.clock.run_for(600)
        page.clock.run_for(3_000)
        expect(page.locator("#status")).to_have_text("This takes longer than usual …")
        held[-1].continue_()
        expect(page.locator(".hit .title").first).to_have_text("Hello")
        expect(page.locator("#results")).to_have_attribute("aria-busy", "false")

    def test_a_server_that_fails_is_tried_again(self, open_page):
        page = open_page("/", expected=FAILED_LOAD)
        body = '{"title": "Unavailable", "status": 503, "detail": "still loading the catalogue"}'
        page.route(
            "**/v1/search",
            lambda route: route.fulfill(status=503, headers={"retry-after": "1"}, body=body),
        )
        page.locator("#query").fill("hello")
        expect(page.get_by_role("alert")).to_contain_text("still loading the catalogue")
        page.unroute("**/v1/search")
        expect(page.locator(".hit .title").first).to_have_text("Hello")

    def test_no_server_at_all_says_so_and_offers_to_try_again(self, open_page):
        page = open_page("/", expected=FAILED_LOAD)
        page.route("**/v1/**", lambda route: route.abort())
        page.locator("#query").fill("hello")
        with page.expect_event("requestfailed", counts):  # after that nothing is asked that nobody asked for
            page.locator("#query").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
        page.unroute("**/v1/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".hit .title").first).to_have_text("Hello")

    def test_what_cannot_be_searched_is_explained(self, open_page):
        page = open_page("/?q=hello&policy=clever", expected=FAILED_LOAD)
        expect(page.get_by_role("alert")).to_contain_text("unknown policy 'clever'")


def without_dense(route):
    """Dense finds something for any letters; whether it plays is drawn for every search."""
    answer = route.fetch()
    found = answer.json()
    for hit in found["hits"]:
        hit["sources"].pop("dense", None)
    route.fulfill(response=answer, json=found)


class TestFigures:
    def test_the_scripts_are_small(self):
        scripts = [path.read_bytes() for path in (WEB / "js").glob("*.js")]
        assert 0 < sum(len(gzip.compress(script)) for script in scripts) <= 60_000

    def test_nothing_moves_while_somebody_types(self, open_page):
        page = open_page("/")
        page.locator("#query").press_sequentially("hello", delay=30)
        expect(page.locator(".hit").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate(SHIFTS) < 0.01

    @pytest.mark.parametrize("path", ["/", "/dashboard"])
    @pytest.mark.parametrize("width", [1280, 768, 360])
    def test_nothing_moves_while_the_page_itself_arrives(self, open_page, path, width):
        """A browser paints what it has read; here, up to any of the page's elements, and then the rest."""
        page = open_page(expected=FAILED_LOAD, viewport={"width": width, "height": 720})
        page.route("**/*.js", lambda route: route.abort())
        page.goto(path)
        worst = page.evaluate(ARRIVING)
        assert worst["by"] < 0.01, f"{worst['by']:.4f} while this was still to come: {worst['before']}"

    @pytest.mark.parametrize("width", [1280, 360])
    def test_what_is_said_about_the_hits_moves_none_of_them(self, open_page, width):
        page = open_page("/", viewport={"width": width, "height": 720})
        page.route("**/v1/search", without_dense)
        places = set()
        for text, remark in (
            ("adele", ""),
            ("hallo godbye", "Showing results for hello goodbye"),
            ("zzqxv", "Nothing"),
        ):
            page.locator("#query").fill(text)
            expect(page.locator("#remark")).to_have_text(re.compile(f"^{remark}" if remark else "^$"))
            expect(page.locator(".hit").first).to_be_visible()
            places.add(page.locator(".hit").first.bounding_box()["y"])
        assert len(places) == 1

    def test_nothing_moves_while_a_link_loads(self, open_page):
        page = open_page("/?q=hello")
        page.wait_for_load_state("networkidle")
        assert page.evaluate(SHIFTS) < 0.01
