"""What the log need not hold any more goes: learned, older than wished, and never what is parked or not learned yet."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
import structlog

from bandstand.errors import BadInput
from bandstand.learner.retention import Retention
from bandstand.settings import load_settings
from bandstand.types.times import DAY_S
from tests.support.small_home import SmallHome, ids

WEEK = 7


def retained(small, **settings):
    """Prunes once, as `serve` does every hour; the ids of the searches that are left."""
    platform, storage = small.platform, small.storage
    pruned = Retention(storage.log, storage.memory, clock=platform.options.clock, **settings).prune()
    return pruned, [entry.record.query.id for entry in storage.log.read(0, 10_000, kind="impression")]


def day(small, text="sad tune", *, user="ann", **fields):
    """A search and a click on it, then a day passes."""
    on = small.search(text, user=user)
    small.act("hurt-cash", on=on, **fields)
    small.learn()
    small.clock.pass_(DAY_S)
    return on.impression.query.id


class TestDays:
    def test_without_a_wish_everything_stays(self, small):
        searches = [day(small) for _ in range(3)]
        assert retained(small) == (0, searches)

    def test_what_is_older_goes_with_its_events_and_what_was_learned_stays(self, small):
        searches = [day(small, user=user) for user in ("ann", "bob", "cyd", "dan")]
        pruned, left = retained(small, days=2)
        assert (pruned, left) == (4, searches[2:])
        small.home.refresh()
        assert ids(small.search("sad tune", policy="memory")) == ["hurt-cash"]
        assert retained(small, days=2)[0] == 0

    def test_what_is_not_learned_yet_stays(self, small):
        old = small.search("sad tune").impression.query.id
        small.storage.log.flush()
        small.clock.pass_(30 * DAY_S)
        assert retained(small, days=WEEK) == (0, [old])
        small.learn()
        assert retained(small, days=WEEK) == (1, [])

    def test_what_is_parked_stays_with_its_search(self, small):
        with structlog.testing.capture_logs():
            parked = day(small, payload='{"event_attributes": ["related_to"]}')
            small.storage.log.append_control("undo_edit", {})
            day(small)
        small.clock.pass_(30 * DAY_S)
        pruned, left = retained(small, days=WEEK)
        assert (pruned, left) == (2, [parked])
        assert [entry.kind for entry in small.storage.log.read(0, 10)] == ["impression", "event", "control"]

    def test_searches_that_may_still_be_acted_on_stay(self, small):
        young = small.search("sad tune").impression.query.id
        small.learn()
        assert retained(small, days=1, gigabytes=1e-9)[1] == [young]

    def test_less_than_a_day_is_refused(self):
        with pytest.raises(BadInput, match="BANDSTAND_KEEP_LOG_DAYS"):
            load_settings(keep_log_days=0.5)


def days(small, count):
    """So many searches, and as many days pass after them."""
    like = small.search("sad tune").impression
    for number in range(count):
        query = replace(like.query, id=f"q{number:03}-{like.query.id}", time=small.clock())
        small.storage.log.append_impression(replace(like, query=query))
    small.learn()
    small.clock.pass_(count * DAY_S)


class TestSize:
    def test_the_oldest_go_until_the_rest_fits(self, small):
        days(small, 400)
        log = small.storage.log
        most, all_of_them = log.size() * 0.6, retained(small)[1]
        pruned, left = retained(small, gigabytes=most / 1e9)
        assert 0 < pruned < len(all_of_them)
        assert left == all_of_them[-len(left) :]
        assert log.size() < most * 1.3
        assert retained(small, gigabytes=1.0)[0] == 0

    def test_what_comes_later_takes_the_room_of_what_went(self, small):
        days(small, 150)
        log = small.storage.log
        used, pages = log.size(), page_count(log)
        assert retained(small, days=1)[0] == 151
        assert log.size() < used * 0.7
        days(small, 140)
        log.flush()
        assert log.count("impression") == 141
        assert page_count(log) == pages


def page_count(log):
    """Of the log's file, with those that are free."""
    with closing(log.open_database()) as database:
        return database.rows("PRAGMA page_count")[0][0]


def test_the_ranker_is_trained_by_what_is_new_whatever_was_pruned(small):
    """Events that go are not subtracted from those that came."""
    for number in range(3):
        day(small, f"sad tune {number}")
    log = small.storage.log
    seq = log.head()
    for number in range(2):
        day(small, f"new tune {number}")
    small.clock.pass_(30 * DAY_S)
    assert retained(small, days=WEEK)[0] == 10
    small.act("halo", on=small.search("halo"))
    assert log.count("event", after=seq) == 1
    assert log.count("event", after=log.head()) == 0


def test_serve_prunes_by_the_settings(tmp_path):
    with closing(SmallHome(tmp_path / "home", keep_log_days=2.0)) as small:
        retention = small.learning_side.retention()
        assert retention is not None
        day(small)
        small.clock.pass_(WEEK * DAY_S)
        assert retention.prune() == 2
    assert load_settings().keep_log_days is load_settings().keep_log_gb is None
