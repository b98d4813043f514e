"""Learning pauses and goes on where it was, and what is forgotten has left no trace: as if it had never been logged."""

from __future__ import annotations

import shutil
from dataclasses import asdict

import numpy as np
import pytest

from bandstand.app.health import learned, standstill
from bandstand.errors import BadInput
from bandstand.learner.orders import FORGET_STRETCH, PAUSE, RESUME, Stretch, is_paused
from bandstand.memory_index.environment import DATABASES
from tests.support.small_home import MINUTE, NOW, SmallHome

WHO = "mallory"
NUMBERED = {"meta", "changes", "vectors", "wanted"}
"""They hold numbers of changes, which go on from where they stood, for those who follow them."""


def known(small, query="a nickname"):
    return small.storage.memory.query_rows(query, now=NOW)


def chosen(small, query, entity, user, *, seconds=0.0):
    small.clock.pass_(seconds)
    small.play(entity, on=small.search(query, user=user, session=f"of-{user}"))


def status(small):
    storage = small.storage
    return learned(storage.log, storage.memory, storage.models, small.clock())


def test_what_is_logged_during_a_pause_waits_and_is_learned_afterwards(small):
    for user in ("ann", "bea"):
        chosen(small, "a nickname", "halo", user)
    small.storage.log.append_control(PAUSE, {})
    small.learn()
    before = known(small)
    assert before
    for user in ("bob", "cleo"):
        chosen(small, "a nickname", "hurt-cash", user, seconds=MINUTE)
    small.learn()
    small.clock.pass_(10 * MINUTE)
    assert known(small) == before
    found = status(small)
    assert (found.paused, found.waiting, found.oldest_s) == (True, 4, 11 * MINUTE)
    assert standstill(found, found.oldest_s, MINUTE) == ""  # as somebody wanted it
    small.restart()
    assert small.learning_side.learner.step() == 0
    small.storage.log.append_control(RESUME, {})
    small.learn()
    assert not is_paused(small.storage.memory.state)
    assert len(known(small)) > len(before)
    assert (status(small).waiting, status(small).oldest_s) == (0, 0.0)


def stored(small):
    """Everything that the memory and the learner know, by database; orders to forget have numbers of their own."""
    found = {}
    with small.storage.memory._env.reading() as txn:
        for name in set(DATABASES) - NUMBERED:
            pairs = [(bytes(key), bytes(value)) for key, value in txn.cursor(db=small.storage.memory._env.dbs[name])]
            found[name] = [pair for pair in pairs if not pair[0].startswith((b"learner/forgotten", b"learner/cleaned"))]
    return found


def logged(small):
    """A log of which a part is to be forgotten, nothing of it learned yet; when that part begins."""
    for number in range(6):
        chosen(
            small, ("a nickname", "sad tune", "halo")[number % 3], ("halo", "hurt-cash")[number % 2], f"u{number % 3}"
        )
        small.clock.pass_(90)
    small.search("nothing chosen", user="ann")
    since = small.clock()
    for number in range(5):
        chosen(small, ("a nickname", "bait")[number % 2], "one-u2", (WHO, "ann")[number == 4], seconds=30)
        small.clock.pass_(30)
        chosen(small, "sad tune", "hoppipolla", f"u{number % 3}")
    small.storage.log.flush()
    return since


@pytest.mark.parametrize(
    "stretch", [{}, {"user": WHO}, {"query": "A Nickname!"}, {"until": 120.0}], ids=["all", "user", "query", "until"]
)
def test_what_is_forgotten_is_as_if_it_had_never_been_logged(small, tmp_path, stretch):
    small.learning_side.train(small.home)
    since = logged(small)
    wanted = Stretch(since=since, **{**stretch, **({"until": since + 120} if "until" in stretch else {})})
    small.close()
    shutil.copytree(small.settings.home, tmp_path / "never")
    never = SmallHome(tmp_path / "never")
    never.clock.now = small.clock.now + 60 * MINUTE
    gone = list(wanted.entries(never.storage.log))
    assert never.storage.log.delete(gone) == len(gone) > 0
    never.learn()

    small.reopen()
    small.clock.pass_(60 * MINUTE)
    small.learn()
    assert stored(small) != stored(never)
    small.storage.log.append_control(FORGET_STRETCH, asdict(wanted))
    small.learn()
    small.learning_side.index()
    small.home.refresh()

    ours, theirs = stored(small), stored(never)
    assert {name: ours[name] == theirs[name] for name in ours} == dict.fromkeys(ours, True)
    assert list(wanted.entries(small.storage.log)) == []
    versions = small.storage.models.list("bandit")[-1], never.learning_side.learner.publish()
    assert versions[0].read("model.vw") == never.storage.models.get("bandit", versions[1]).read("model.vw")
    searches = [home.search("a nickname", user="ann").impression for home in (small, never)]
    assert searches[0].entity_ids == searches[1].entity_ids
    np.testing.assert_array_equal(searches[0].features, searches[1].features)
    never.close()


def test_an_order_that_was_carried_out_is_not_carried_out_again(small):
    since = logged(small)
    small.storage.log.append_control(FORGET_STRETCH, asdict(Stretch(since=since, user=WHO)))
    small.learn()
    version = small.storage.memory.version()
    small.restart()
    small.learn()
    assert small.storage.memory.version() == version


def test_a_stretch_must_hold_something():
    with pytest.raises(BadInput, match="nothing lies between"):
        Stretch(since=2.0, until=2.0)
