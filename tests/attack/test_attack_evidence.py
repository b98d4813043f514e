"""What nobody vouches for counts as far as the log bears it out, and no voice moves more than its share."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bandstand.access.callers import Caller, network_of
from bandstand.access.keys import Grant, Key
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.rewards import DEFAULT_WEIGHTS, SearchOutcome
from bandstand.learner.apply_settings import ApplySettings
from bandstand.learner.claimants import claims
from bandstand.learner.orders import FORGET_STRETCH
from bandstand.memory_index.evidence import Claim
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.types.times import DAY_S
from tests.support.small_home import MINUTE, NOW, SmallHome, ids

VAGUE = "sad tune"
ALICE, BOB, MALLORY = "a" * 16, "b" * 16, "e" * 16


class Visitor:
    """Somebody for whom nobody vouches. An anonymous one has a new session each time, as that costs nothing."""

    _numbers = itertools.count()

    def __init__(self, small, claimant=MALLORY, *, user=None):
        self._small, self._claimant, self._user = small, claimant, user

    def search(self, text=VAGUE):
        session = None if self._user else f"s{next(self._numbers)}"
        return self._small.search(text, user=self._user, session=session, claimant=self._claimant)

    def act(self, entity, *, on, **fields):
        self._small.clock.pass_(2 * MINUTE)
        seen = {"play_seconds": 90.0, "claimant": self._claimant}
        return self._small.act(entity, on=on, action="play", **{**seen, **fields})

    def choose(self, entity, text=VAGUE, times=1):
        for _ in range(times):
            self.act(entity, on=self.search(text))


def people(small, *users):
    return [Visitor(small, ALICE, user=user) for user in users]


def shared(small, text=VAGUE):
    """By entity, how often everybody's memory has seen it chosen under a query."""
    small.learn()
    return {row.ordinal: row.clicks + row.plays for row in small.storage.memory.query_rows(text) if row.shared}


def trends(small):
    small.learn()
    ordinals, amounts = small.storage.memory.trending(now=small.clock())
    return dict(zip(ordinals.tolist(), amounts.tolist(), strict=True))


class TestBorneOut:
    def test_what_people_did_on_what_they_were_answered_counts(self, small):
        for visitor in people(small, "ann", "bob"):
            visitor.choose("hurt-cash")
        assert set(shared(small)) == {small.ordinal("hurt-cash")}

    @pytest.mark.parametrize(
        ("entity", "claimed"),
        [
            pytest.param("hurt-cash", {"query_id": "made-up", "user_query": VAGUE}, id="on no search"),
            pytest.param("halo-again", {}, id="on what was not on the page"),
            pytest.param("hurt-cash", {"user_id": "zoe"}, id="by somebody else"),
            pytest.param("hurt-cash", {"time": NOW + DAY_S}, id="a day after"),
            pytest.param("hurt-cash", {"time": NOW - DAY_S}, id="a day before"),
            pytest.param("hurt-cash", {"play_seconds": 3600.0}, id="for longer than there was time"),
        ],
    )
    def test_what_cannot_be_so_teaches_nothing(self, small, entity, claimed):
        for visitor in people(small, "ann", "bob"):
            visitor.act(entity, on=visitor.search(), **claimed)
        assert shared(small) == trends(small) == {}
        assert not any(small.storage.memory.knows(user) for user in ("ann", "bob", "zoe"))

    def test_whoever_imports_is_believed(self, small):
        for user in ("ann", "bob"):
            small.play("hurt-cash", query_id="made-up", user_query=VAGUE, user_id=user)
        assert set(shared(small)) == {small.ordinal("hurt-cash")}

    def test_training_reads_it_alike(self, small):
        page = Visitor(small, user="ann").search()
        outcome = SearchOutcome(page.impression)
        assert not outcome.add(small.play("halo-again", on=page, claimant=MALLORY))
        assert not outcome.add(small.play("hurt-cash", on=page, claimant=MALLORY, user_id="zoe"))
        assert outcome.add(small.play("halo-again", on=page))  # vouched for: another edition, say


class TestVoices:
    def test_a_network_is_half_a_voice_however_many_visitors_it_has(self, small):
        Visitor(small).choose("hurt-cash", times=20)
        Visitor(small, BOB).choose("hurt-cash", times=20)
        people(small, "ann")[0].choose("hurt-nin")
        assert shared(small) == {}
        people(small, "bob")[0].choose("hurt-cash")  # two halves and one
        assert set(shared(small)) == {small.ordinal("hurt-cash")}

    def test_a_visitor_finds_again_what_nobody_else_is_told(self, small):
        page = small.search(VAGUE, session="mine", claimant=MALLORY)
        small.clock.pass_(2 * MINUTE)
        small.play("hoppipolla", on=page, claimant=MALLORY)
        small.learn()
        again = small.search(VAGUE, session="mine", claimant=MALLORY, policy="memory")
        assert ids(again) == ["hoppipolla"]
        assert ids(small.search(VAGUE, session="another", claimant=MALLORY, policy="memory")) == []

    @pytest.mark.parametrize("user", [None, "mallory"])
    def test_one_voice_adds_no_more_than_its_share_to_what_people_share(self, small, user):
        for visitor in people(small, "ann", "bob"):
            visitor.choose("hurt-cash")
        before = shared(small)[small.ordinal("hurt-cash")]
        Visitor(small, user=user).choose("hurt-cash", times=40)
        after = shared(small)[small.ordinal("hurt-cash")]
        assert before + 3 < after <= before + ApplySettings().share.burst + 0.01

    def test_nor_to_what_is_popular(self, small):
        queries = [f"a song of {number}" for number in range(20)]
        for text in queries:
            Visitor(small).choose("hurt-cash", text)
        share = ApplySettings().share.burst
        assert (
            0
            < trends(small)[small.ordinal("hurt-cash")]
            <= share * DEFAULT_WEIGHTS.worth["play"] / DEFAULT_WEIGHTS.click
        )

    def test_searches_without_a_choice_take_little_from_what_people_chose(self, small):
        for visitor in people(small, "ann", "bob"):
            visitor.choose("hurt-cash")
        small.learn()
        for _ in range(30):
            Visitor(small).search()
        small.clock.pass_(3600.0)
        small.search("something else")
        small.learn()
        (row,) = (row for row in small.storage.memory.query_rows(VAGUE) if row.shared)
        assert row.impressions <= 2 + ApplySettings().share.burst

    def test_a_share_is_full_again_after_a_month(self, small):
        visitor = Visitor(small, user="mallory")
        for other in people(small, "ann", "bob"):
            other.choose("hurt-cash")
        visitor.choose("hurt-cash", times=10)
        small.clock.pass_(30 * DAY_S)
        before = shared(small)[small.ordinal("hurt-cash")]
        visitor.choose("hurt-cash")
        assert shared(small)[small.ordinal("hurt-cash")] == pytest.approx(before / 2 + 1, abs=0.01)  # a half-life later

    def test_invented_queries_evict_nothing_that_people_share(self, tmp_path):
        memory, now = Memory(tmp_path, settings=MemorySettings(max_queries=20)), NOW
        with memory.batch() as batch:
            for user in ("ann", "bob"):
                batch.click(VAGUE, 1, user=user, now=now)
            for number in range(100):
                for _ in range(5):
                    batch.play(f"invented {number}", 2, user="mallory", now=now + 1)
            assert batch.evict() > 0
        assert [row.ordinal for row in memory.query_rows(VAGUE) if row.shared] == [1]
        memory.close()


class TestSeen:
    """An operator sees who pushes, and takes back what they taught."""

    def claims(self, small):
        return {each.claimant: each for each in claims(small.storage.log, Attribution(), since=NOW)}

    def test_who_pushes_is_flagged(self, small):
        for visitor in people(small, "ann", "bob"):
            visitor.choose("hurt-cash")
        for _ in range(40):
            page = Visitor(small).search()
            small.act("hurt-cash", on=page, claimant=MALLORY)
        small.act("halo-again", on=page, claimant=MALLORY)
        small.act("halo", query_id="made-up", claimant=MALLORY)
        small.storage.log.flush()
        found = self.claims(small)
        pushed = found[MALLORY]
        assert (pushed.searches, pushed.events, pushed.refused, pushed.busiest_minute) == (40, 42, 2, 42)
        assert pushed.flags == ("one entity", "one query", "bursts")
        assert found[ALICE].users == {"ann", "bob"}
        assert found[ALICE].flags == ()
        assert list(found) == [MALLORY, ALICE]

    def test_what_they_taught_is_taken_back(self, small):
        for claimant in (MALLORY, BOB):
            for visitor in [Visitor(small, claimant, user=f"{claimant} {number}") for number in range(2)]:
                visitor.choose("hurt-cash" if claimant == MALLORY else "hurt-nin")
        assert set(shared(small)) == {small.ordinal("hurt-cash"), small.ordinal("hurt-nin")}
        small.storage.log.append_control(FORGET_STRETCH, {"since": NOW, "claimant": MALLORY})
        assert set(shared(small)) == {small.ordinal("hurt-nin")}
        assert list(self.claims(small)) == [BOB]


class TestTitles:
    """A song that is called as it was asked for stands first until very many people want something else."""

    TITLE, WANTED = "thunderstruck", "one-u2"

    def chosen_by(self, small, *numbers):
        with small.storage.memory.batch() as batch:
            for number in numbers:
                batch.play(self.TITLE, small.ordinal(self.WANTED), user=f"user {number}", now=small.clock())

    def first(self, small, **fields):
        return ids(small.search(self.TITLE, policy="all", **fields))[0]

    def test_it_loses_its_first_place_to_fifty_people(self, small):
        self.chosen_by(small, *range(49))
        assert self.first(small) == self.TITLE
        assert ids(small.search(self.TITLE, policy="all"))[1] == self.WANTED
        self.chosen_by(small, 49)
        assert self.first(small) == self.WANTED

    def test_the_same_few_do_not_become_more_by_saying_it_again(self, small):
        for _ in range(60):
            self.chosen_by(small, 1, 2, 3)
        assert small.storage.memory.people(self.TITLE, np.array([small.ordinal(self.WANTED)])).tolist() == [3]
        assert self.first(small) == self.TITLE

    def test_who_chose_something_else_themselves_finds_it_first(self, small):
        self.chosen_by(small, 1, 2)
        assert self.first(small, user="user 1") == self.WANTED
        assert self.first(small, user="user 3") == self.TITLE

    def test_who_is_forgotten_is_not_counted(self, small):
        self.chosen_by(small, *range(50))
        with small.storage.memory.batch() as batch:
            batch.forget_user("user 7")
        assert self.first(small) == self.TITLE

    def test_networks_are_no_people(self, small):
        with small.storage.memory.batch() as batch:
            for number in range(60):
                claim = Claim(f"network {number}", 1.0)
                batch.play(self.TITLE, small.ordinal(self.WANTED), user=f"s{number}", now=small.clock(), claim=claim)
        assert self.first(small) == self.TITLE

    def test_an_operator_may_ask_for_another_number(self, tmp_path):
        small = SmallHome(tmp_path / "home", title_users=2)
        assert self.first(small) == self.TITLE
        self.chosen_by(small, 1, 2)
        assert self.first(small) == self.WANTED
        small.close()


class TestClaimant:
    def key(self, *scopes):
        return Key(name="shop", digest="ab" * 32, grant=Grant(scopes=scopes), created=1.0)

    def test_visitors_of_a_network_are_one(self):
        one, same, other = (
            Caller(self.key("search"), address=address).claimant
            for address in ("192.0.2.1", "192.0.2.77", "198.51.100.1")
        )
        assert one == same != other
        assert "192.0.2" not in one

    def test_keys_differ(self):
        mine, theirs = self.key("search"), replace(self.key("search"), digest="cd" * 32)
        assert Caller(mine, address="192.0.2.1").claimant != Caller(theirs, address="192.0.2.1").claimant

    def test_who_may_import_claims_nothing(self):
        assert Caller(self.key("events", "import"), address="192.0.2.1").claimant is None

    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("192.0.2.200", "192.0.2.0/24"),
            ("::ffff:192.0.2.200", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("testclient", "testclient"),
        ],
    )
    def test_networks(self, address, network):
        assert network_of(address) == network
