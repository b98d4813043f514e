"""Clicks: the posterior by hand, which meanings explain a click, and readings that learn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bandstand.catalog.text import normalize
from bandstand.errors import StorageError
from bandstand.memory_index.memory import Memory
from bandstand.types import Slot
from bandstand.understanding.credit import LOOSE, credited
from bandstand.understanding.senses import STRENGTH, posterior
from tests.support.small_catalog import ENTITIES, Small, open_small

NOW = 1_700_000_000.0
BY_ID = {entity.id: entity for entity in ENTITIES}


@pytest.fixture
def memory(tmp_path) -> Iterator[Memory]:
    opened = Memory(tmp_path / "memory", map_size=1 << 24)
    yield opened
    opened.close()


@pytest.fixture
def taught(tmp_path, memory) -> Iterator[Small]:
    """A catalogue whose readings hear of the memory's clicks."""
    with open_small(tmp_path, ENTITIES, evidence=memory.senses) as small:
        yield small


def click(small: Small, memory: Memory, text: str, entity: str, *users: str) -> None:
    with memory.batch() as batch:
        for user in users:
            for phrase, shares in credited(small.read(text).slots(), BY_ID[entity]).items():
                batch.sense(phrase, shares, user=user, now=NOW)
    small.understanding.refresh()


def chances(small: Small, text: str) -> dict[str, float]:
    return {slot.name: slot.confidence for slot in small.read(text).slots(0.0)}


def test_without_clicks_nothing_changes():
    assert posterior([0.03, 0.01], [0, 0]) == [0.03, 0.01]


def test_the_posterior_by_hand():
    """M = 0.04, shares 3/4 and 1/4; five clicks on the second at strength 5: (3.75, 1.25 + 5) / 10."""
    assert STRENGTH == 5.0
    assert posterior([0.03, 0.01], [0, 5]) == pytest.approx([0.04 * 0.375, 0.04 * 0.625])


def test_a_click_is_shared_among_the_meanings_that_explain_it():
    slots = (Slot("genre", "rock", 0.5, "rock"), Slot("text", "rock", 0.3, "rock"), Slot("track", "rock", 0.2, "rock"))
    confidence = 0.5
    found = credited(slots, BY_ID["undated"])  # "Old Rock Song", genre rock 0.5
    assert found == {
        "rock": pytest.approx(
            {("genre", "rock"): confidence / (confidence + LOOSE), ("text", "rock"): LOOSE / (confidence + LOOSE)}
        )
    }


@pytest.mark.parametrize(
    ("slot", "entity", "explains"),
    [
        (Slot("artist", "radiohead", 1.0, "x"), "creep", True),
        (Slot("artist", "taylor swift", 1.0, "x"), "taylor", True),
        (Slot("artist", "adele", 1.0, "x"), "creep", False),
        (Slot("track", "creep", 1.0, "x"), "creep", True),
        (Slot("album", "creep", 1.0, "x"), "creep", False),
        (Slot("kind", "track", 1.0, "x"), "creep", True),
        (Slot("kind", "artist", 1.0, "x"), "creep", False),
        (Slot("year", "1990-1999", 1.0, "x"), "creep", True),
        (Slot("year", "1994", 1.0, "x"), "creep", False),
        (Slot("year", "1994", 1.0, "x"), "undated", False),
        (Slot("version", "live", 1.0, "x"), "creep-live", True),
        (Slot("version", "live", 1.0, "x"), "creep", False),
        (Slot("mood", "melancholic", 1.0, "x"), "creep", True),
        (Slot("mood", "happy", 1.0, "x"), "creep", False),
        (Slot("intent", "best", 1.0, "x"), "creep", False),
        (Slot("text", "creep", 1.0, "x"), "creep", True),
        (Slot("genre", "rock", 1.0), "creep", False),
    ],
)
def test_what_explains_a_click(slot, entity, explains):
    """The last one was logged before slots named their words."""
    assert (slot.phrase in credited((slot,), BY_ID[entity])) == explains


def test_a_reading_that_led_to_clicks_gains_weight(taught, memory):
    """ "1999" is Prince's song at first; listeners who choose what came out that year make it a year."""
    before = chances(taught, "1999")
    assert before["track"] > before["year"]
    for _ in range(10):
        click(taught, memory, "1999", "first-love", "ann", "bob")
    after = chances(taught, "1999")
    assert after["year"] > after["track"]
    (best,) = taught.senses("1999")
    assert best.slot == "year"
    assert best.posterior > best.prior * best.likelihood


def test_one_listener_alone_changes_nothing(taught, memory):
    before = taught.read("1999")
    for _ in range(20):
        click(taught, memory, "1999", "first-love", "ann")
    assert taught.read("1999") == before
    click(taught, memory, "1999", "first-love", "bob")
    assert taught.read("1999") != before


def test_clicks_on_one_phrase_leave_others_alone(taught, memory):
    before = taught.read("rock 90s")
    click(taught, memory, "1999", "1999", "ann", "bob")
    assert taught.read("rock 90s") == before


def test_a_phrase_learns_from_longer_queries(taught, memory):
    before = chances(taught, "1999")
    for _ in range(10):
        click(taught, memory, "j pop 1999", "first-love", "ann", "bob")
    assert chances(taught, "1999")["year"] > before["year"]


def test_an_unreadable_memory_leaves_the_readings_without_clicks(tmp_path):
    class Unreadable:
        version = 0

        def counts(self, _asked):
            raise StorageError("gone")

    with open_small(tmp_path, ENTITIES, evidence=Unreadable()) as small:
        assert small.understanding.interpret(normalize("hello adele")).readings
