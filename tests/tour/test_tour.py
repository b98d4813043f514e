"""The tour on a small home: clicks teach it, and what it shows is measured over all its searches."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.backend import Paths
from bandstand.catalog.bundled import load_bundled
from bandstand.cli.demo import UNSEEN, Tried, summary_table, wants_table
from bandstand.cli.tour import WANTS, Measured, Tour, Want, full_name, tour_settings
from bandstand.replay.environment import copy_home
from bandstand.settings import Settings

pytestmark = pytest.mark.slow

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> Paths:
    """A home with 60 bundled tracks, indexed and trained."""
    settings = Settings(
        home=tmp_path_factory.mktemp("tour") / "home", encoder="hashing", selfplay_queries=60, deadline_ms=10_000.0
    )
    wanted = {want.entity_id for want in WANTS[:2]}
    tracks = [entity for entity in load_bundled() if entity.kind == "track"]
    with Platform(settings, Options(clock=lambda: NOW)) as platform:
        platform.storage.store.upsert([*(e for e in tracks if e.id in wanted), *tracks[:60]])
        platform.learning.index()
        platform.learning.train(platform.searching)
        return platform.storage.paths


@pytest.fixture
def tour(paths, tmp_path):
    copy_home(paths.home, tmp_path / "copy")
    settings = Settings(home=paths.home, encoder="hashing", selfplay_queries=0, deadline_ms=10_000.0)
    tour = Tour(tour_settings(settings, tmp_path / "copy"), now=NOW, seed=1)
    yield tour
    tour.close()


def test_every_wanted_entity_is_in_the_bundled_catalogue():
    ids = {entity.id for entity in load_bundled()}
    assert [want.entity_id for want in WANTS if want.entity_id not in ids] == []


def test_an_evening_teaches_words_that_no_field_holds(tour):
    lyric = [Want(query="is this the real life", entity_id=WANTS[0].entity_id)]
    assert tour.measure(lyric, policy="memory").mrr == 0.0
    progress = []
    searches = tour.evening(lyric, progress=lambda *told: progress.append(told))
    assert tour.measure(lyric, policy="memory").mrr == 1.0
    assert tour.measure(lyric, policy="all").mrr > 0.0  # how high the ranker puts it is what it happened to learn
    assert 12 <= searches <= 24
    assert progress[-1] == ("listening", 12, 12)


def test_measuring_teaches_nothing(tour):
    first, second = (tour.measure(WANTS[:1], policy="all").reciprocal for _ in range(2))
    assert first == second
    assert tour._music.platform.storage.log.count() == 0


def test_unseen_titles_are_named_by_what_they_are(tour):
    wants = tour.titles(10)
    assert len({want.entity_id for want in wants}) == 10
    exact = [full_name(tour._home.store.get(want.entity_id)) == want.query for want in wants]
    assert exact == [number % 2 == 1 for number in range(10)]


def test_the_copy_leaves_the_home_alone(paths, tmp_path):
    copy_home(paths.home, tmp_path / "other")
    assert {item.name for item in (tmp_path / "other").iterdir()} >= {"catalog.sqlite", "memory", "models", "text"}
    assert not (tmp_path / "other" / "learner.lock").exists()


def test_measured_is_over_all_searches():
    measured = Measured(reciprocal=(1.0, 0.0, 0.5), retrieval_ms=(1.0, 3.0, 9.0), arms=(2, 3, 4))
    assert (measured.mrr, measured.ms, measured.played) == (0.5, 3.0, 3.0)


def test_its_tables_fit_a_terminal_of_80_columns_uncut():
    queries = [want.query for want in WANTS]
    measured = Measured(reciprocal=(1.0,) * len(WANTS), retrieval_ms=(123.4,) * len(WANTS), arms=(9,) * len(WANTS))
    sets = [Tried(f"{UNSEEN} titles never searched, half misspelt", measured, measured, measured)]
    console = Console(width=80, record=True, file=StringIO())
    for table in (wants_table(queries, sets[0]), summary_table(sets)):
        console.print(table)
    shown = console.export_text()
    assert all(line in shown for line in queries)
    for heading in ("place", "arms", "ms", "before", "after", "MRR@10", "retrievers", "a search", "median ms"):
        assert heading in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
