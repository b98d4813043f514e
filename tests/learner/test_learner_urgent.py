"""Orders of operators go before whatever waits to be learned, and change nothing by that."""

from __future__ import annotations

import pytest

from bandstand.learner.edits import EDIT_MEMORY, UNDO_EDIT, edit_order
from bandstand.learner.orders import PAUSE, RESUME, is_paused
from bandstand.types import Event
from tests.support.small_home import SmallHome, ids

FLOOD = 1_200
"""More than is learned in two steps."""


@pytest.fixture
def flooded(small):
    """A home whose learner has begun on a flood of events, and what it read so far is a fraction of it."""
    small.play("hurt-cash", on=small.search("sad tune", user="ann", session="of-ann"))
    flood(small)
    assert small.learning_side.learner.step() == 500
    return small


def flood(small):
    events = (
        Event(id=f"flood {number}", action="click", time=small.clock(), object_id="halo", user_id=f"u{number % 50}")
        for number in range(FLOOD)
    )
    small.storage.log.append_events(list(events))


def edit(small, action="block", entity="hurt-cash", query="sad tune", score=None):
    asked = {"action": action, "query": query, "entity_id": entity, "score": score, "by": "", "note": ""}
    payload = edit_order(asked, small.storage.store.ordinals, now=small.clock())
    return payload["id"], small.storage.log.append_control(EDIT_MEMORY, payload)


def step(small):
    read = small.learning_side.learner.step()
    small.home.refresh()
    return read


def blocked(small):
    return "hurt-cash" not in ids(small.search("sad tune", k=20))


def test_what_is_blocked_is_gone_at_the_next_step(flooded):
    _, seq = edit(flooded)
    assert step(flooded) == 500
    assert flooded.storage.memory.position() < seq
    assert blocked(flooded)


def test_what_was_undone_before_its_place_stays_undone(flooded):
    id_, _ = edit(flooded)
    flooded.storage.log.append_control(UNDO_EDIT, {"id": id_, "query": "sad tune"})
    flood_on = edit(flooded, "pin", "so-what")
    step(flooded)
    seen = [blocked(flooded)]
    while step(flooded):
        seen.append(blocked(flooded))
    assert not any(seen)
    assert ids(flooded.search("sad tune"))[0] == "so-what"
    assert flooded.storage.memory.position() >= flood_on[1]


def test_a_pause_holds_at_once_and_ends(flooded):
    flooded.storage.log.append_control(RESUME, {})  # of an older pause, and before the new one
    flooded.storage.log.append_control(PAUSE, {})
    assert step(flooded) == 0
    assert is_paused(flooded.storage.memory.state)
    flooded.storage.log.append_control(RESUME, {})
    flooded.learn()
    assert not is_paused(flooded.storage.memory.state)
    assert flooded.storage.memory.position() == flooded.storage.log.head()


def test_the_same_is_learned_as_without_the_hurry(flooded, tmp_path):
    def ordered(small):
        edit(small)
        small.play("so-what", on=small.search("sad tune", user="bob"))
        edit(small, "pin", "hurt-nin")
        small.learn()
        return ids(small.search("sad tune")), small.storage.memory.stats().pairs, small.storage.memory.knows("bob")

    calm = SmallHome(tmp_path / "calm")
    calm.play("hurt-cash", on=calm.search("sad tune", user="ann", session="of-ann"))
    flood(calm)
    calm.learn()
    assert ordered(flooded) == ordered(calm)
    calm.close()


def test_an_order_that_cannot_be_obeyed_waits_for_its_place(flooded):
    flooded.storage.log.append_control(UNDO_EDIT, {})
    _, seq = edit(flooded)
    step(flooded)
    assert flooded.storage.memory.position() < seq
    flooded.learn()
    assert blocked(flooded)
    assert flooded.storage.memory.position() >= seq
