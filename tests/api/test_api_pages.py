"""How the pages are sent: policy, types, caching; and which pages a browser may be sent here by."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from bandstand.api.page_routes import assets
from bandstand.settings import Settings
from bandstand.types import KIND_SPECS, KINDS
from tests.support.api_world import click, problem, search

SCRIPTS = sorted(path for path in assets() if path.endswith(".js"))


def modules(entry: str) -> set[str]:
    """A module and all that it imports, directly or not."""
    found, open_ = set(), [entry]
    while open_:
        name = open_.pop()
        found.add(name)
        imported = re.findall(r'from "\./(\w+\.js)"', assets()[f"js/{name}"].body.decode())
        open_.extend(set(imported) - found)
    return found


class TestSending:
    @pytest.mark.parametrize(("path", "entry"), [("/", "search.js"), ("/dashboard", "dashboard.js")])
    def test_a_page_and_everything_that_it_names(self, reader, path, entry):
        page = reader.get(path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        named = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text))
        scripts = {name.rpartition("/")[2] for name in named if name.endswith(".js")}
        assert scripts == {"theme.js"} | modules(entry)  # all are preloaded, so that none waits for another
        for name in named:
            assert reader.get(name).status_code == 200

    def test_kinds_are_called_as_their_specs_say(self, reader):
        tabs = re.findall(r'<button[^>]* data-kind="(\w+)" data-title="([^"]+)">([^<]+)</button>', reader.get("/").text)
        assert tabs == [(kind, spec.title, spec.plural) for kind, spec in KIND_SPECS.items()]

    @pytest.mark.parametrize("path", ["/", "/dashboard"])
    def test_nothing_is_inline_and_nothing_comes_from_elsewhere(self, reader, path):
        page = reader.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.findall(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|https?://", page.text)

    @pytest.mark.parametrize("path", SCRIPTS)
    def test_no_script_makes_html_of_text(self, path):
        source = assets()[path].body.decode()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source)

    def test_what_a_browser_has_is_not_sent_again(self, reader):
        first = reader.get("/assets/js/search.js", headers={"accept-encoding": "gzip"})
        assert first.headers["content-encoding"] == "gzip"
        again = reader.get("/assets/js/search.js", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        plain = reader.get("/assets/js/search.js", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.text == first.text

    @pytest.mark.parametrize("path", ["__init__.py", "../api/app.py", "js", "nothing.js"])
    def test_only_files_of_the_pages_are_sent(self, reader, path):
        problem(reader.get(f"/assets/{path}"), 404)

    def test_the_page_knows_every_policy(self):
        page = assets()["search.html"].body.decode()
        known = set(get_args(Settings.model_fields["default_policy"].annotation))
        for field in ("policy", "against"):
            options = re.search(rf'<select id="{field}">(.*?)</select>', page, re.DOTALL).group(1)
            assert set(re.findall(r'value="(\w+)"', options)) == known

    def test_the_page_knows_every_kind(self):
        tabs = re.findall(r'data-kind="(\w+)"', assets()["search.html"].body.decode())
        assert set(tabs) == set(KINDS)


class TestOrigin:
    FOREIGN = (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://testserver"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://testserver:8080"},
    )
    OWN = ({}, {"origin": "http://testserver"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"})

    @pytest.mark.parametrize("headers", FOREIGN)
    def test_other_sites_pages_change_nothing(self, reader, headers):
        for method, path in (("POST", "/v1/events"), ("POST", "/v1/search"), ("DELETE", "/v1/users/ana")):
            assert "another site" in problem(reader.request(method, path, headers=headers), 403)["detail"]

    @pytest.mark.parametrize("headers", FOREIGN)
    def test_reading_is_nobodys_harm(self, reader, headers):
        assert reader.get("/v1/suggest?q=h", headers=headers).status_code == 200

    @pytest.mark.parametrize("headers", OWN)
    def test_own_pages_and_programs_may(self, reader, headers):
        query_id = search(reader, "hello")["query_id"]
        assert reader.post("/v1/events", json=click(query_id, "hello"), headers=headers).status_code == 202


class TestPreview:
    def test_is_answered_and_not_logged(self, reader):
        preview = search(reader, "hello", preview=True)
        assert preview["hits"]
        problem(reader.get(f"/v1/queries/{preview['query_id']}"), 404)

    def test_is_not_counted_as_a_search(self, reader):
        before = reader.get("/metrics").text
        search(reader, "hello", policy="lexical", preview=True)
        count = re.compile(r'bandstand_search_seconds_count\{policy="lexical"\} \S+')
        assert count.findall(reader.get("/metrics").text) == count.findall(before)


class TestArms:
    def test_lists_what_a_search_may_choose_from(self, reader):
        answer = reader.get("/v1/arms").json()
        decided = [arm["arm"] for arm in search(reader, "hello")["decision"]["arms"]]
        assert [arm["arm"] for arm in answer["arms"]] == decided
        assert all(arm["cost_ms"] > 0 for arm in answer["arms"])
        assert answer["default_policy"] in answer["policies"]
