"""Completions over a small real home: their order, slips, whose they are, and what is never shown."""

from __future__ import annotations

import pytest

from bandstand.catalog.conditions import Scope
from bandstand.engine import suggest as module
from bandstand.errors import BadInput
from bandstand.types import Entity, Filters
from tests.support.small_home import SmallHome, track


def offered(small, typed, k=10, user=None):
    return [(item.text, item.source) for item in small.home.suggester.suggest(typed, k, user=user)]


def texts(small, typed, k=10, user=None):
    return [text for text, _ in offered(small, typed, k, user)]


def ask(small, query, entity, *users):
    for user in users:
        small.act(entity, on=small.search(query, user=user))
    small.learn()


class TestWithin:
    POP = Scope(filters=Filters(values=(("genre", ("pop",)),)))

    def within(self, small, typed, scope, user=None):
        return [(item.text, item.source) for item in small.home.suggester.suggest(typed, 20, user=user, within=scope)]

    def test_no_name_of_what_a_filter_forbids(self, small):
        assert {"Hallelujah", "Halo", "Hello"} <= set(texts(small, "h", 20))
        found = self.within(small, "h", self.POP)
        assert [text for text, _ in found] == ["Hello", "Halo"]
        assert self.within(small, "halle", self.POP) == []
        assert {text for text, _ in self.within(small, "h", Scope(kinds=("artist",)))} == set()

    def test_nor_what_the_user_chose_of_it(self, small):
        ask(small, "x", "hallelujah", "ann")
        ask(small, "x", "hello", "ann")
        assert ("Hallelujah", "chosen") in offered(small, "h", user="ann")
        assert self.within(small, "h", self.POP, user="ann") == [("Hello", "chosen"), ("Halo", "catalogue")]

    def test_nor_queries_that_led_to_it(self, small):
        ask(small, "hotel cohen", "hallelujah", "ann", "bob")
        ask(small, "hometown glory", "hello", "ann", "bob")
        ask(small, "hometown glory live", "hallelujah", "ann", "bob")
        ask(small, "hometown glory live", "hello", "ann", "bob")
        assert {"hotel cohen", "hometown glory", "hometown glory live"} <= set(texts(small, "ho", 20))
        assert self.within(small, "ho", self.POP) == [("hometown glory", "asked")]

    def test_an_artist_is_named_by_what_is_allowed_of_them(self, small):
        small.storage.store.upsert([track("ballad", "Ballad", "AC/DC", genre="pop", popularity=0.1)])
        small.home.refresh()
        found = small.home.suggester.suggest("ac/", 5, within=self.POP)
        assert [(item.text, item.entity_id) for item in found] == [("AC/DC", "ballad"), ("AC/DC Ballad", "ballad")]
        assert self.within(small, "ac/", Scope(filters=Filters(year_gte=2015))) == []

    def test_an_unknown_field_is_refused(self, small):
        with pytest.raises(BadInput, match="genre"):
            self.within(small, "h", Scope(filters=Filters(values=(("gnre", ("pop",)),))))


class TestOrder:
    def test_own_choices_then_queries_then_names(self, small):
        ask(small, "hurt songs", "hurt-nin", "bob", "cat")
        ask(small, "trent", "hurt-nin", "ann")
        small.storage.store.upsert([track("hurting", "Hurting", "Ida")])
        small.home.refresh()
        assert offered(small, "hurt", user="ann") == [
            ("Hurt", "chosen"),
            ("hurt songs", "asked"),
            ("Hurting", "catalogue"),
        ]
        assert offered(small, "hurt")[:2] == [("hurt songs", "asked"), ("Hurt", "catalogue")]

    def test_what_was_chosen_more_comes_first(self, small):
        ask(small, "a", "hello", "ann")
        for _ in range(3):
            small.play("hallelujah", on=small.search("b", user="ann"))
        small.learn()
        assert texts(small, "h", user="ann")[:2] == ["Hallelujah", "Hello"]

    def test_a_choice_is_found_by_its_artist_too(self, small):
        ask(small, "x", "hurt-cash", "ann")
        assert offered(small, "johnny", user="ann")[0] == ("Johnny Cash Hurt", "chosen")

    def test_anonymous_visitors_have_choices_of_their_session(self, small):
        small.act("hello", on=small.search("adele", session="s1"))
        small.learn()
        assert offered(small, "hel", user="session:s1")[0] == ("Hello", "chosen")

    def test_texts_are_distinct_and_k_is_kept(self, small):
        ask(small, "halo", "halo", "ann", "bob")
        found = [text.casefold() for text in texts(small, "ha", user="ann")]
        assert len(found) == len(set(found))
        assert [len(texts(small, "h", k)) for k in (0, 1, 3)] == [0, 1, 3]


class TestSlips:
    @pytest.mark.parametrize("typed", ["beyonse", "beyoncee", "byonce", "beoynce", "beyonse h"])
    def test_one_slip_from_four_letters_on(self, small, typed):
        assert texts(small, typed)[0].startswith("Beyoncé")

    def test_what_begins_as_typed_comes_first(self, small):
        small.storage.store.upsert([track("n", "Helli", "Ida", popularity=0.01)])
        small.home.refresh()
        found = texts(small, "helli")
        assert found[0] == "Helli"  # though Hello is far more popular
        assert "Hello" in found[1:]

    def test_queries_and_own_choices_may_slip(self, small):
        ask(small, "songs for walking", "rainy", "ann", "bob")
        ask(small, "x", "hoppipolla", "ann")
        assert texts(small, "sogns for") == ["songs for walking"]
        assert offered(small, "hopipol", user="ann")[0] == ("Hoppípolla", "chosen")

    def test_three_letters_do_not_slip(self, small):
        assert texts(small, "hxl") == []


class TestPrivacy:
    @pytest.mark.parametrize("agree", [2, 3])
    def test_a_query_is_suggested_once_enough_users_made_it(self, tmp_path, agree):
        small = SmallHome(tmp_path / "own", agree_users=agree)
        users = ("ann", "bob", "cat")[:agree]
        for user in users:
            assert texts(small, "my secret") == texts(small, "my sercet") == []
            ask(small, "my secret words", "halo", user, user)
        assert texts(small, "my secret") == ["my secret words"]
        small.close()

    def test_nobody_sees_what_others_chose(self, small):
        ask(small, "x", "blue-in-green", "ann")
        assert ("Blue in Green", "chosen") not in offered(small, "blue", user="bob")

    def test_a_forgotten_user_has_no_choices(self, small):
        ask(small, "x", "blue-in-green", "ann")
        small.storage.log.append_control("forget_user", {"user_id": "ann"})
        small.learn()
        assert offered(small, "blue", user="ann") == offered(small, "blue")

    def test_what_is_denied_is_never_suggested(self, tmp_path):
        path = tmp_path / "deny.txt"
        path.write_text("Beyoncé\nrainy walk\n")
        small = SmallHome(tmp_path / "own", deny_list=path)
        ask(small, "songs for a rainy walk", "rainy", "ann", "bob")
        ask(small, "x", "halo", "ann")
        assert texts(small, "beyonce", user="ann") == texts(small, "songs for") == []
        path.write_text("something else entirely\n")
        small.home.refresh()
        assert texts(small, "songs for") == ["songs for a rainy walk"]
        small.close()


class TestFollowing:
    def test_deleted_entities_are_not_suggested(self, small):
        ask(small, "x", "hallelujah", "ann")
        small.storage.store.delete(["hallelujah"])
        small.home.refresh()
        assert "Hallelujah" not in texts(small, "hal", user="ann")

    def test_new_entities_are(self, small):
        texts(small, "new")
        small.storage.store.upsert([Entity(id="n", kind="artist", title="New Order", popularity=0.5)])
        small.home.refresh()
        assert texts(small, "new") == ["New Order"]

    def test_a_large_memory_is_read_again_only_after_a_rest(self, small, monkeypatch):
        monkeypatch.setattr(module, "_SMALL", 0)
        now = [0.0]

        def tick():
            now[0] += 1.0
            return now[0]

        small.home.suggester._timer = tick
        ask(small, "halcyon words", "halo", "ann", "bob")
        assert texts(small, "halcyon") == ["halcyon words"]
        ask(small, "evening words", "halo", "ann", "bob")
        assert texts(small, "evening") == []
        now[0] += 30.0
        assert texts(small, "evening") == ["evening words"]


@pytest.mark.parametrize("typed", ["", " ", "\x00", "\u202e", "!!!", "a" * 10_000, "\ud800"])
def test_odd_beginnings_are_answered(small, typed):
    assert isinstance(small.home.suggester.suggest(typed, 5, user="ann"), list)
