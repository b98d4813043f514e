"""Predicted queries of entities, and a catalogue's worth of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.store import Change
from bandstand.catalog.text import normalize
from bandstand.memory_index.predicted import PredictedQueries, predict_catalogue, predicted_queries
from bandstand.types import KINDS, Attribute, Entity

HELLO = Entity(
    id="hello",
    kind="track",
    title="Hello (Remastered)",
    artists=("Adele",),
    album="25",
    aliases=("Hello from the Other Side",),
    attributes=(Attribute("mood", "Sad", 0.8), Attribute("genre", "Pop"), Attribute("language", "English", 0.5)),
    popularity=0.9,
    released="2015-10-23",
)


def test_names_are_predicted_as_they_are_spoken_too():
    phrases = dict(predicted_queries(Entity(id="b", kind="track", title="Brick, Part II", artists=("Guns & Roses",))))
    assert phrases["brick part ii"] == phrases["brick part 2"]
    assert phrases["guns roses brick part 2"] == phrases["guns and roses brick part ii"]


def test_a_track_is_predicted_under_what_people_type():
    phrases = dict(predicted_queries(HELLO))
    for phrase in (
        "hello",
        "hello remastered",
        "adele hello",
        "hello adele",
        "hello from the other side",
        "adele",
        "25",
        "adele 25",
        "sad songs",
        "pop",
        "sad pop songs",
        "2010s pop songs",
        "english pop",
    ):
        assert phrase in phrases
    assert phrases["adele hello"] > phrases["hello"] > phrases["adele"] > phrases["english songs"]


def test_romanised_names_and_decades():
    first_love = Entity(id="x", kind="track", title="桜", artists=("宇多田ヒカル",), released="1984")
    phrases = dict(predicted_queries(first_love))
    assert {"桜", "宇多田ヒカル", "80s songs"} <= set(phrases)
    assert any(phrase.isascii() and "80s" not in phrase for phrase in phrases)


def test_an_artists_name_means_the_artist_before_its_tracks():
    artist = dict(predicted_queries(Entity(id="a", kind="artist", title="Adele", popularity=0.1)))
    assert artist["adele"] > dict(predicted_queries(HELLO))["adele"]


TEXTS = st.text(max_size=30)


@given(
    st.builds(
        Entity,
        id=st.just("x"),
        kind=st.sampled_from(KINDS),
        title=TEXTS,
        artists=st.lists(TEXTS, max_size=3).map(tuple),
        album=st.none() | TEXTS,
        aliases=st.lists(TEXTS, max_size=2).map(tuple),
        popularity=st.floats(0, 1),
    )
)
def test_phrases_are_normalised_unique_and_scored_inside_zero_and_one(entity):
    found = predicted_queries(entity)
    assert len({phrase for phrase, _ in found}) == len(found)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    for phrase, score in found:
        assert phrase == " ".join(phrase.split()) != ""
        assert 0 < score < 1
    assert not entity.title.isalpha() or normalize(entity.title) in dict(found)


def entities(count, popularity=0.0):
    return [
        (i, Entity(id=str(i), kind="track", title=f"Song {i}", artists=("Same",), popularity=popularity + i / 1_000))
        for i in range(count)
    ]


def ask(memory, query):
    rows = memory.lookup(query, user=None, now=0.0)
    return dict(zip(rows.ordinals.tolist(), rows.scores.tolist(), strict=True))


def test_a_catalogue_is_predicted_bounded_and_idempotent(memory):
    with memory.batch() as batch:
        predict_catalogue(batch, entities(30), limit=10)
    assert set(ask(memory, "same")) == set(range(20, 30))
    assert list(ask(memory, "same song 4")) == [4]
    before, rows = memory.stats(), memory.query_rows("same")
    with memory.batch() as batch:
        predict_catalogue(batch, entities(30), limit=10)
    after = memory.stats()
    assert (after.queries, after.pairs, memory.query_rows("same")) == (before.queries, before.pairs, rows)


def test_changed_and_deleted_entities_lose_their_old_predictions(memory, now):
    with memory.batch() as batch:
        predict_catalogue(batch, entities(5))
        for user in ("ann", "bob"):
            batch.click("song 2", 3, user=user, now=now)
    with memory.batch() as batch:
        renamed = Entity(id="2", kind="track", title="Other", artists=("Same",))
        predict_catalogue(batch, [(2, renamed), (4, None)])
    assert list(ask(memory, "song 2")) == [3]
    assert list(ask(memory, "other")) == [2]
    assert ask(memory, "song 4") == {}
    assert set(ask(memory, "same")) == {0, 1, 2, 3}


def test_progress_is_told(memory):
    progress = []
    with memory.batch() as batch:
        assert predict_catalogue(batch, iter(entities(3)), progress=progress.append) > 3
        assert predict_catalogue(batch, []) == 0
    assert progress == [3]


def test_the_follower_remembers_how_far_it_is(memory, now):
    follower = PredictedQueries(memory)
    assert follower.seq == 0
    follower.follow([Change(seq=i + 1, ordinal=i, entity=entity, added=now) for i, entity in entities(3)])
    follower.follow([])
    assert follower.seq == 3
    assert list(ask(memory, "song 1")) == [1]
    with memory.batch() as batch:
        batch.trend(1, 1.0, now=now)
    follower.follow([Change(seq=4, ordinal=1, entity=None, added=now)])
    assert follower.seq == 4
    assert ask(memory, "song 1") == {}
    assert not len(memory.trending(now=now)[0])


@pytest.mark.parametrize("limit", [1, 3])
def test_chunks_do_not_change_the_outcome(open_memory, monkeypatch, limit):
    import bandstand.memory_index.predicted as module

    whole, pieces = open_memory("whole"), open_memory("pieces", max_pairs_per_query=limit)
    with whole.batch() as batch:
        predict_catalogue(batch, entities(9), limit=limit)
    monkeypatch.setattr(module, "_CHUNK", 2)
    with pieces.batch() as batch:
        predict_catalogue(batch, entities(9), limit=limit)
    assert ask(whole, "same") == ask(pieces, "same")
    assert np.isclose(list(ask(whole, "same").values()), list(ask(pieces, "same").values())).all()
