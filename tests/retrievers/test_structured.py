"""The structured retriever: its score by hand, soft constraints, intents, and one pass over all readings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bandstand.retrievers.structured import StructuredRetriever, StructuredSettings
from bandstand.types import Attribute, Entity
from bandstand.understanding.records import Interpretation, Reading, Sense
from bandstand.understanding.understanding import Understanding
from tests.support.retriever_factories import structured


def entity(id_, title, year=None, popularity=0.0, artist="Somebody", **attributes):
    return Entity(
        id=id_, kind="track", title=title, artists=(artist,), popularity=popularity,
        released=None if year is None else str(year),
        attributes=tuple(Attribute(name, value, share) for name, (value, share) in attributes.items()),
    )  # fmt: skip


JAZZ = (
    entity("sure-50s", "Uno", 1955, genre=("jazz", 1.0)),
    entity("sure-60s", "Dos", 1962, genre=("jazz", 1.0)),
    entity("unsure-50s", "Tres", 1957, genre=("jazz", 0.4)),
    entity("undated", "Cuatro", None, genre=("jazz", 1.0)),
    entity("far", "Cinco", 2019, genre=("jazz", 1.0)),
    entity("other-50s", "Seis", 1956, genre=("folk", 1.0)),
)


@pytest.fixture
def jazz(empty_world):
    empty_world.store.upsert(JAZZ)
    empty_world.catalog.refresh()
    with structured(empty_world) as retriever:
        yield lambda text, **fields: answers(empty_world, retriever, text, **fields)


def answers(world, retriever, text, **fields):
    found = retriever.retrieve(world.ask(text, **fields), 10)
    return dict(zip(world.catalog.columns.ids[found.ordinals].tolist(), found.scores.tolist(), strict=True))


def test_a_wrong_or_missing_attribute_lowers_and_excludes_nothing(jazz):
    found = jazz("jazz 50s")
    assert next(iter(found)) == "sure-50s"
    assert set(found) == {"sure-50s", "sure-60s", "unsure-50s", "undated", "far"}
    assert found["sure-50s"] > found["sure-60s"] > found["far"]
    assert found["sure-50s"] > found["unsure-50s"]
    assert found["undated"] > found["far"]


def test_confidence_counts(jazz):
    found = jazz("jazz")
    assert found["sure-50s"] / found["unsure-50s"] == pytest.approx(1 / 0.4)


def test_explicit_filters_stay_hard(jazz, empty_world):
    from bandstand.types import Filters

    assert set(jazz("jazz 50s", filters=Filters(values=(("genre", ("folk",)),)))) == set()
    assert set(jazz("jazz", filters=Filters(year_lte=1960))) == {"sure-50s", "unsure-50s"}


def test_a_period_alone_finds_its_time(jazz):
    found = jazz("50s")
    assert set(list(found)[:3]) == {"sure-50s", "unsure-50s", "other-50s"}


def sense(slot, value, start=0, **fields):
    known = {"prior": 0.1, "likelihood": 1.0, "posterior": 0.1, **fields}
    return Sense(start=start, end=start + 1, slot=slot, value=value, **known)


class TwoReadings(Understanding):
    """An understanding that always reads genre jazz with probability 0.7 and genre folk with 0.3."""

    def interpret(self, normalized):
        readings = (
            Reading(senses=(sense("genre", "jazz"),), probability=0.7, score=0.0),
            Reading(senses=(sense("genre", "folk"),), probability=0.3, score=-1.0),
        )
        return Interpretation(normalized=normalized, words=(normalized,), readings=readings)


def test_the_score_by_hand(empty_world):
    """Six entities; jazz is held with 4.4 in all, folk with 1: weights 0.7 log(1 + 6/5.4) and 0.3 log(1 + 6/2)."""
    empty_world.store.upsert([*JAZZ[:-1], entity("other-50s", "Seis", 1956, 0.5, genre=("folk", 1.0))])
    empty_world.catalog.refresh()
    retriever = StructuredRetriever(TwoReadings(empty_world.catalog), empty_world.catalog)
    found = answers(empty_world, retriever, "either")
    jazz_weight, folk_weight = 0.7 * math.log(1 + 6 / 5.4), 0.3 * math.log(1 + 6 / 2)
    total = jazz_weight + folk_weight
    assert found["sure-50s"] == pytest.approx(jazz_weight / total)
    assert found["unsure-50s"] == pytest.approx(0.4 * jazz_weight / total)
    assert found["other-50s"] == pytest.approx(1.05 * folk_weight / total)


def test_like_finds_what_resembles_and_not_the_thing_itself_first(empty_world):
    empty_world.store.upsert(
        [
            entity("creep", "Creep", artist="Radiohead", genre=("rock", 1.0), mood=("sad", 0.9)),
            entity("black", "Black", artist="Pearl Jam", genre=("rock", 1.0), mood=("sad", 0.8)),
            entity("party", "Party", artist="Dj", genre=("dance", 1.0), mood=("happy", 0.8)),
        ]
    )
    empty_world.catalog.refresh()
    with structured(empty_world) as retriever:
        found = answers(empty_world, retriever, "songs like creep")
    assert next(iter(found)) == "black"
    assert found.get("party", 0.0) < found["creep"]


def test_new_and_best_order_what_else_was_asked_for(empty_world):
    empty_world.store.upsert(
        [
            entity("old-hit", "Uno", 1990, 0.9, genre=("pop", 1.0)),
            entity("new", "Dos", 2023, 0.2, genre=("pop", 1.0)),
            entity("new-other", "Tres", 2023, 0.9, genre=("folk", 1.0)),
        ]
    )
    empty_world.catalog.refresh()
    with structured(empty_world) as retriever:
        assert list(answers(empty_world, retriever, "new pop")) == ["new", "old-hit"]
        assert list(answers(empty_world, retriever, "best pop")) == ["old-hit", "new"]


def test_the_head_bounds_what_is_returned(shared_world):
    understanding = Understanding(shared_world.catalog)
    small = StructuredRetriever(understanding, shared_world.catalog, StructuredSettings(head=3))
    whole = StructuredRetriever(understanding, shared_world.catalog)
    query = shared_world.ask("rock")
    assert len(whole.retrieve(query, 200)) > 3
    np.testing.assert_array_equal(small.retrieve(query, 3).ordinals, whole.retrieve(query, 3).ordinals)
