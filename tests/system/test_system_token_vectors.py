"""A home whose queries are read by token vectors: made at `index`, followed by searches, and never needed."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest
from bandstand.retrievers.encoder import OnnxEncoder
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.token_table import TokenTable
from bandstand.settings import Settings
from bandstand.supervision import Stopped
from tests.support.small_home import ENTITIES, track
from tests.support.tiny_models import bert


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two small models."""
    folder = tmp_path_factory.mktemp("models")
    return [str(bert(folder / f"model{seed}", seed=seed)) for seed in (1, 2)]


@pytest.fixture
def opened(tmp_path, models):
    """Opens the home with a model, by its number, indexed; closes it after the test."""
    platforms = []

    def open_(model=0, **settings):
        given = {"encoder": models[model], "query_encoder": "static", "deadline_ms": 10_000.0, **settings}
        for other in platforms:
            other.close()
        platforms.append(Platform(Settings(home=tmp_path / "home", **given), Options()))
        platforms[-1].storage.store.upsert(ENTITIES)
        platforms[-1].learning.index()
        return platforms[-1]

    yield open_
    for platform in platforms:
        platform.close()


def dense(platform):
    return platform.searching.retrievers.retrievers["dense"]


def found(platform, text):
    return dense(platform).retrieve(platform.searching.engine.query(SearchRequest(query=text)), 5).ordinals.tolist()


def reader(platform):
    """What reads queries for the vectors that this process searches."""
    return platform.storage.encoders.for_queries(dense(platform)._inner._index.view.fingerprint)


def table_of(platform):
    return TokenTable.read(platform.learning.paths.token_table)


def test_a_home_without_a_table_is_searched_by_the_encoder(opened):
    platform = opened()
    assert isinstance(reader(platform), OnnxEncoder)
    assert len(found(platform, "halo")) == 5
    assert not dense(platform).spec.inline


def test_searches_take_the_table_up_with_what_was_indexed(opened):
    platform = opened()
    platform.searching.refresh()
    assert platform.learning.distil()
    platform.searching.refresh()
    assert isinstance(reader(platform), StaticEncoder)
    assert found(platform, "halo again") == found(platform, "again halo")
    platform.stop_searching()
    assert dense(platform).spec.inline


def test_without_changes_nothing_is_distilled(opened):
    platform = opened()
    assert platform.learning.distil()
    before = table_of(platform).facts
    assert not platform.learning.distil()
    platform.storage.store.upsert([track("one-new", "New", "Somebody")])  # one of 19 is less than a tenth
    platform.learning.index()
    assert not platform.learning.distil()
    assert table_of(platform).facts == before
    platform.storage.store.upsert([track(f"new-{at}", f"New {at}", "Somebody") for at in range(2)])
    platform.learning.index()
    assert platform.learning.distil()
    assert table_of(platform).facts.entities == len(ENTITIES) + 3


def test_vectors_made_anew_have_a_table_made_anew(opened):
    platform = opened()
    platform.learning.distil()
    platform.learning.reset()
    platform.learning.index()
    assert platform.learning.distil()


def test_another_encoder_has_another_table(opened):
    opened().learning.distil()
    platform = opened(1)
    assert isinstance(reader(platform), OnnxEncoder)  # the table that is there was distilled from the other one
    assert len(found(platform, "halo")) == 5
    assert platform.learning.distil()
    platform.searching.refresh()
    assert isinstance(reader(platform), StaticEncoder)
    assert reader(platform).fingerprint == platform.storage.backend.encoder()


def test_a_damaged_table_is_told_of_once_and_made_again(opened):
    platform = opened()
    platform.learning.distil()
    path = platform.learning.paths.token_table
    path.write_bytes(path.read_bytes()[:-1])
    with capture_logs() as logged:
        platform.searching.refresh()
        platform.searching.refresh()
    assert [line["event"] for line in logged].count("token_vectors_refused") == 1
    assert isinstance(reader(platform), OnnxEncoder)
    assert len(found(platform, "halo")) == 5
    assert platform.learning.distil()
    platform.searching.refresh()
    assert isinstance(reader(platform), StaticEncoder)


def test_what_is_stopped_halfway_leaves_the_table_as_it_was(opened):
    def stops(_job, _done, _of):
        raise Stopped

    platform = opened()
    with pytest.raises(Stopped):
        platform.learning.distil(progress=stops)
    assert table_of(platform) is None
    assert platform.learning.distil()


def test_the_encoder_reads_queries_where_the_settings_say_so(opened):
    opened().learning.distil()
    platform = opened(query_encoder="encoder")
    assert not platform.learning.distil()
    assert isinstance(reader(platform), OnnxEncoder)
    assert not dense(platform).spec.inline


def test_hashed_n_grams_have_no_table(tmp_path):
    with Platform(Settings(home=tmp_path, encoder="hashing", query_encoder="static"), Options()) as platform:
        platform.storage.store.upsert(ENTITIES)
        assert not platform.learning.distil()  # there are no vectors at all
        platform.learning.index()
        assert not platform.learning.distil()
        assert len(found(platform, "halo")) == 5
