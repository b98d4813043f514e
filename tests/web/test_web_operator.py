"""The operator's sections in a real browser: charts with data, queries pinned and unpinned, traffic that is split."""

from __future__ import annotations

import random

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.web_world import EVIL, LOOKED_OVER, serving, violations, wait_until

KEY = "correct horse battery staple"

DRAWN = {
    "#live": "figure",
    "#learning": "figure",
    "#queries": ".rows table",
    "#query=hello": "#query table",
    "#models": "figure",
    "/how": "article",
}
"""What is there once a section is."""


@pytest.fixture(scope="module")
def watched(browser, new_home):
    """The address of a server with an hour's worth of searches that have settled, two rankers, and an experiment."""
    with (
        serving(new_home(), finalize_seconds=0.05, join_minutes=0.002) as address,
        httpx.Client(base_url=address) as client,
    ):
        client.post("/v1/dashboard/experiments", json={"a": "bandit", "b": "all", "ripens_seconds": 0})
        rng = random.Random(1)
        for number in range(60):
            query, user = rng.choice(("hello", "halo", "anthem")), f"user-{number % 20}"
            found = client.post("/v1/search", json={"query": query, "user_id": user}).json()
            chosen = {"object": {"object_id": found["hits"][0]["entity_id"]}}
            event = {"action_name": "save", "query_id": found["query_id"], "user_id": user, "event_attributes": chosen}
            client.post("/v1/events", json=event)
        wait_until(lambda: client.get("/v1/dashboard/queries").json()["total"] == 3)
        yield address


def chart(page, name: str):
    """The figure of this name."""
    return page.locator(f"figure[data-name={name}]")


class TestCharts:
    @pytest.mark.parametrize(
        ("section", "names"),
        [
            ("live", ("searches", "latency", "played", "cost")),
            ("learning", ("outcomes", "chosen")),
            ("models", ("importance",)),
        ],
    )
    def test_they_are_drawn_with_data(self, open_page, watched, section, names):
        page = open_page(f"{watched}/dashboard#{section}")
        for name in names:
            picture = chart(page, name).locator("img")
            expect(picture).to_be_visible()
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
            assert "nothing yet" not in picture.get_attribute("alt")
            chart(page, name).get_by_text("Numbers").click()
            expect(chart(page, name).locator("tbody tr").last.locator("td").first).not_to_have_text("–")

    def test_a_span_can_be_chosen_and_what_is_open_stays_open(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#live")
        chart(page, "searches").get_by_text("Numbers").click()
        page.get_by_role("button", name="last week").click()
        expect(page.get_by_role("button", name="last week")).to_have_attribute("aria-pressed", "true")
        expect(chart(page, "searches").locator("details")).to_have_attribute("open", "")

    def test_every_number_says_how_it_is_computed(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#learning")
        chart(page, "reward").get_by_role("link").click()
        expect(page.locator("#reward p")).to_contain_text("the best grade that anything on the page earned")

    def test_what_is_too_little_is_grey_and_says_so(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#learning")
        expect(chart(page, "chosen").locator(".grey")).to_contain_text("not enough data")


class TestQueries:
    def test_a_query_is_found_pinned_and_unpinned(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#queries")
        page.get_by_role("searchbox", name="Words of the query").fill("hal")
        expect(page.locator(".rows tbody tr")).to_have_count(1)
        page.get_by_role("link", name="halo", exact=True).click()
        expect(page.locator("#query-title")).to_have_text("halo")
        page.get_by_role("searchbox", name="Find what to pin").fill("hoppipolla")
        page.locator("#query li", has_text="Hoppípolla").get_by_role("button", name="Pin").click()
        expect(page.locator("#told")).to_have_text("Pinned: it stands first.")
        first = {"query": "halo", "policy": "all"}
        assert httpx.post(f"{watched}/v1/search", json=first).json()["hits"][0]["entity_id"] == "hoppipolla"
        record = page.locator("#changes tbody tr", has_text="hoppipolla")
        expect(record.locator("td").nth(1)).to_have_text("pin")
        record.get_by_role("button", name="Undo").click()
        expect(page.locator("#told")).to_have_text("Undone.")
        expect(page.locator("#changes tr.undone")).to_have_count(1)
        assert httpx.post(f"{watched}/v1/search", json=first).json()["hits"][0]["entity_id"] != "hoppipolla"

    def test_what_is_blocked_is_not_shown(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#query=hello")
        row = page.locator("[aria-label=Beliefs] tbody tr").first
        title = row.locator("th").inner_text()
        row.get_by_role("button", name="Block").click()
        expect(page.locator("#told")).to_contain_text("Blocked")
        held = page.get_by_role("list", name="Changes that hold").locator("li")
        blocked = held.locator("bdi").inner_text()
        shown = httpx.post(f"{watched}/v1/search", json={"query": "hello", "policy": "all"}).json()["hits"]
        assert blocked not in [hit["entity_id"] for hit in shown]
        held.get_by_role("button", name="Undo").click()
        expect(held).to_have_count(0)
        assert title

    def test_titles_are_text_whatever_they_hold(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#queries")
        row = page.locator(".rows tbody tr", has_text="anthem")
        expect(row).to_contain_text(EVIL)
        row.get_by_role("link").click()
        expect(page.locator("[aria-label=Beliefs]")).to_contain_text(EVIL)
        page.get_by_role("searchbox", name="Find what to pin").fill("anthem")
        expect(page.get_by_role("list", name="Found")).to_contain_text(EVIL)
        assert page.evaluate("window.hacked") is None


class TestSynonyms:
    def test_one_is_added_and_taken_out(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#queries")
        page.get_by_label("A new synonym").fill("sadcore -> genre:soul 0.8")
        page.get_by_role("button", name="Add").click()
        own = page.get_by_role("list", name="Synonyms of your own")
        expect(own.locator("code")).to_contain_text("sadcore")
        assert len(httpx.get(f"{watched}/v1/synonyms").json()["synonyms"]) == 1
        own.get_by_role("button", name="Remove").click()
        expect(own).to_have_count(0)
        page.get_by_text("What was changed").click()
        page.get_by_role("list", name="Changes of synonyms").get_by_role("button", name="Undo").first.click()
        expect(own.locator("code")).to_contain_text("sadcore")
        own.get_by_role("button", name="Remove").click()
        expect(own).to_have_count(0)

    def test_what_cannot_be_one_is_explained(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#queries", expected="Failed to load resource")
        page.get_by_label("A new synonym").fill("nonsense without an arrow")
        page.get_by_role("button", name="Add").click()
        expect(page.locator("#told")).not_to_be_empty()


class TestExperiment:
    def test_it_is_watched_stopped_and_started(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#models")
        running = page.get_by_role("article", name="bandit against all")
        expect(running.locator(".verdict")).to_contain_text("Not decided")
        expect(running.locator("tbody tr")).to_have_count(2)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("No experiment runs")).to_be_visible()
        page.locator("select[name=b]").select_option("lexical")
        page.get_by_label("Share of B").fill("20")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_role("article", name="bandit against lexical")).to_be_visible()
        running = httpx.get(f"{watched}/v1/dashboard/experiments").json()["running"]
        assert (running["b"]["policy"], running["share"]) == ("lexical", 0.2)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("No experiment runs")).to_be_visible()

    def test_another_ranker_is_compared_in_the_shadow(self, open_page, watched):
        page = open_page(f"{watched}/dashboard#models")
        page.get_by_role("button", name="Compare").first.click()
        expect(page.locator("#models .words").first).to_contain_text("mean reciprocal rank")


class TestKey:
    def test_what_people_asked_needs_the_key(self, guarded_address, open_page):
        page = open_page(f"{guarded_address}/dashboard#queries")
        page.locator("#queries").get_by_role("button", name="Give it").click()
        page.get_by_label("BANDSTAND_ADMIN_KEY").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#queries")).to_contain_text("Nothing yet")
        expect(page.locator("#changes")).to_contain_text("Nobody changed anything")


class TestSearchPage:
    def test_it_asks_for_a_key_and_searches_with_it(self, guarded_address, open_page):
        page = open_page(f"{guarded_address}/?q=hello", expected="Failed to load resource")
        page.get_by_role("button", name="Give a key").click()
        page.get_by_label("BANDSTAND_ADMIN_KEY").fill(KEY)
        page.get_by_role("button", name="Use it").click()
        page.locator("#lists .hit").first.wait_for()

    def test_with_a_key_for_anybody_it_needs_none_and_knows_nobody_by_name(self, guarded_address, open_page):
        key = {"name": "anonymous", "scopes": ["search", "suggest", "events"]}
        httpx.post(f"{guarded_address}/v1/keys", json=key, headers={"x-bandstand-key": KEY}).raise_for_status()
        page = open_page(f"{guarded_address}/?q=hello", expected="Failed to load resource")
        page.locator("#lists .hit").first.wait_for()
        page.get_by_role("button", name="Anonymous").click()
        page.get_by_label("Name").fill("ana")
        page.get_by_role("button", name="Use this name").click()
        expect(page.locator("#told")).to_contain_text("you search anonymously")
        expect(page.locator("#who")).to_have_text("Anonymous")
        page.locator("#lists .hit").first.wait_for()


@pytest.fixture
def guarded_address(browser, new_home):
    """The address of a server with an admin key; asked for before `open_page`, so that no page outlives it."""
    with serving(new_home(), admin_key=KEY) as address:
        yield address


class TestLooks:
    @pytest.mark.parametrize("section", list(DRAWN))
    def test_axe_finds_nothing_and_nothing_is_too_wide(self, open_page, watched, section):
        page = open_page(f"{watched}/dashboard{section}", **LOOKED_OVER)
        page.locator(f"{DRAWN[section]}:visible").first.wait_for()
        assert violations(page) == ""
        page.set_viewport_size({"width": 360, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
