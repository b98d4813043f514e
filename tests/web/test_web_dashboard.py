"""The dashboard in a real browser: numbers against what was done, models against what the registry says."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.web_world import LOOKED_OVER, serving, violations

KEY = "correct horse battery staple"
WITH_KEY = {"x-bandstand-key": KEY}


def tile(page, name: str):
    """The number over this name."""
    return page.locator(".tile", has=page.get_by_text(name, exact=True)).locator("b")


def give_key(page, section: str, *keys: str) -> None:
    """Give keys, one after another, where a section asks for one."""
    for key in keys or (KEY,):
        page.locator(section).get_by_role("button", name="Give it").click()
        page.get_by_label("BANDSTAND_ADMIN_KEY").fill(key)
        page.get_by_role("button", name="Use it").click()


@pytest.fixture(scope="module")
def guarded(browser, new_home):
    """The address of a server with an admin key, a home of its own, and three searches with one click."""
    with serving(new_home(), admin_key=KEY) as address:
        for policy in ("lexical", "lexical", "all"):
            found = httpx.post(
                f"{address}/v1/search", json={"query": "hello", "policy": policy}, headers=WITH_KEY
            ).json()
        attributes = {"object": {"object_id": found["hits"][0]["entity_id"]}}
        click = {"action_name": "click", "query_id": found["query_id"], "event_attributes": attributes}
        httpx.post(f"{address}/v1/events", json=click, headers=WITH_KEY)
        yield address


class TestLive:
    def test_the_numbers_are_what_was_done(self, open_page, guarded):
        page = open_page(f"{guarded}/dashboard")
        expect(page.locator("#state")).to_have_text("This needs a key.")
        give_key(page, "#live-charts")
        expect(tile(page, "searches")).to_have_text("3")
        expect(tile(page, "clicks a search")).to_have_text("0.33")
        expect(tile(page, "searches without a hit")).to_have_text("0 %")
        lexical, trigram = (page.locator("#arms tbody tr", has_text=arm) for arm in ("lexical", "trigram"))
        expect(lexical.locator("td").first).to_have_text("100 %")
        expect(trigram.locator("td").first).to_have_text("33 %")
        expect(trigram.locator(".mix")).to_have_attribute("aria-label", "0: 67 %, 10: 0 %, 50: 0 %, 200: 33 %")

    def test_the_last_minute_counts_from_the_first_look(self, open_page, server):
        page = open_page("/dashboard")
        page.get_by_label("last minute").check()
        expect(tile(page, "searches")).to_have_text("0")
        httpx.post(f"{server}/v1/search", json={"query": "hello"})
        expect(tile(page, "searches")).to_have_text("1")

    def test_quantiles_and_restarts_of_counters(self, open_page):
        page = open_page("/dashboard")
        found = page.evaluate(
            """async () => {
                const { Counted, parse } = await import("/assets/js/metrics.js");
                const bucket = (le, count) => `t_bucket{le="${le}"} ${count}`;
                const text = (counts) => ["0.1", "0.2", "+Inf"].map((le, i) => bucket(le, counts[i])).join("\\n");
                const all = new Counted(parse(text([2, 4, 4])));
                const grown = new Counted(parse(text([2, 4, 10])), parse(text([2, 3, 3])));
                const again = new Counted(parse('n{a="x\\\\"y"} 2'), parse('n{a="x\\\\"y"} 5'));
                return [all.quantile("t", 0.5), all.quantile("t", 0.75), grown.quantile("t", 0.99),
                        String(all.quantile("none", 0.5)), again.of("n")];
            }"""
        )
        # Half of four is the second, at the top of [0, 0.1]; the third is in the middle of (0.1, 0.2]; beyond the last
        # bound nothing better is known than that bound; a counter that fell began anew.
        assert found == [pytest.approx(0.1), pytest.approx(0.15), pytest.approx(0.2), "NaN", 2]


class TestModels:
    def test_changing_needs_the_key(self, open_page, guarded):
        page = open_page(f"{guarded}/dashboard#models", expected="Failed to load resource")
        give_key(page, "#models", "wrong", KEY)
        ranker = page.get_by_role("region", name="ranker", exact=True)
        serving_now = ranker.locator("tr.serves th").inner_text()
        other = ranker.get_by_role("button", name="Promote").first
        wanted = other.get_attribute("aria-label").removeprefix("Promote ")
        other.click()
        expect(ranker.locator("tr.serves th")).to_have_text(wanted)
        assert wanted != serving_now
        expect(page.locator("#changed")).to_have_text(f"ranker: {wanted} serves")
        current = httpx.get(f"{guarded}/v1/models", headers=WITH_KEY).json()["ranker"]["current"]
        assert current == wanted


class TestLooks:
    def test_axe_finds_nothing_and_nothing_is_too_wide(self, open_page, guarded):
        page = open_page(f"{guarded}/dashboard", **LOOKED_OVER)
        expect(page.locator("#live-charts").get_by_role("button", name="Give it")).to_be_visible()
        assert violations(page) == ""
        give_key(page, "#live-charts")
        expect(page.locator(".tile").first).to_be_visible()
        assert violations(page) == ""
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    def test_a_server_that_is_gone_is_said_to_be(self, open_page):
        page = open_page("/dashboard", expected="Failed to load resource")
        expect(page.locator("#state")).to_contain_text("As of")
        page.route("**/metrics", lambda route: route.abort())
        expect(page.locator("#state")).to_contain_text("The server does not answer.")
