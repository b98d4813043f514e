"""A small real catalogue, a query maker, and a small trained model."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.text import normalize
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.train import TrainSettings, train_lambdamart
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Attribute, Candidates, Entity, Query
from tests.support.ranker_worlds import synthetic

Y2000 = 946_684_800.0  # 2000-01-01T00:00:00Z
ENTITIES = (
    Entity(id="halo", kind="track", title="Halo", artists=("Beyoncé",), popularity=0.9, released="1990"),
    Entity(id="halo-album", kind="track", title="Halo (Remastered)", artists=("Beyoncé",), popularity=0.4),
    Entity(id="beyonce", kind="artist", title="Beyoncé", popularity=1.0),
    Entity(
        id="blue", kind="track", title="So What", artists=("Miles Davis", "John Coltrane"), released="1959-08-17",
        attributes=(Attribute("genre", "Jazz", 0.8),),
    ),
    Entity(id="first-love", kind="album", title="First Love", artists=("宇多田ヒカル",), released="1999-03"),
)  # fmt: skip


@pytest.fixture(scope="session")
def feature_set():
    return FeatureSet(BUILT_IN)


@pytest.fixture(scope="session")
def columns(tmp_path_factory):
    store = SqliteStore(tmp_path_factory.mktemp("catalog") / "catalog.db", clock=lambda: Y2000)
    store.upsert(ENTITIES)
    snapshot = Catalog(store).columns
    store.close()
    return snapshot


@pytest.fixture
def ask():
    def make(text, **parts):
        return Query(id="q", text=text, normalized=normalize(text), time=Y2000, **parts)

    return make


@pytest.fixture
def answer():
    def make(arm, ordinals, scores=None, **facts):
        ordinals = np.array(ordinals, np.int32)
        scores = np.arange(len(ordinals), 0, -1) if scores is None else scores
        return Candidates(
            retriever=arm,
            ordinals=ordinals,
            scores=np.array(scores, np.float32),
            columns={name: np.array(values, np.float32) for name, values in facts.items()},
        )

    return make


@pytest.fixture(scope="session")
def trained(feature_set):
    return train_lambdamart(synthetic(400, 7, feature_set.layout), settings=TrainSettings(trees=20), seed=1)
