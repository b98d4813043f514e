"""A catalogue that nobody has searched, prepared three ways, in a tiny world."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.replay.simulate.world import HABITS, habitual
from bandstand.types import Attribute, Entity
from bench.held_out import PREPARED, held_out, success_at
from tests.support.tiny_world import PLATFORM, tiny_settings

pytestmark = pytest.mark.slow

SONG = Entity(
    id="s", kind="track", title="Dancing in the Dark (Live)", artists=("Bruce Springsteen",),
    attributes=(Attribute("genre", "rock"),),
)  # fmt: skip


@pytest.fixture(scope="module")
def found(music, tmp_path_factory):
    settings = tiny_settings(platform=PLATFORM, limit=40, audit_every=1_000)
    return held_out(music, tmp_path_factory.mktemp("held-out"), settings)


def test_habits_are_what_they_say():
    assert sum(HABITS.values()) == pytest.approx(1)
    typed = {habitual(SONG, np.random.default_rng(seed)) for seed in range(200)}
    assert typed == {
        "Dancing in the Dark", "Dancing in the Dark Bruce Springsteen", "Dancing in Springsteen",
        "Springsteen Dancing", "Dancing Dark Springsteen", "Bruce Springsteen rock",
    }  # fmt: skip


def test_every_preparation_meets_the_same_searches(found):
    assert set(found.tables) == set(PREPARED)
    keys = [table.column("key").tolist() for table in found.tables.values()]
    assert keys[0] == keys[1] == keys[2]
    assert all(len(table) == 40 for table in found.tables.values())


def test_the_generator_was_taught_by_the_other_half(found):
    assert found.taught.pairs > 20
    assert found.taught.unexplained < 0.5
    assert sum(found.taught.generator.forms[""].values()) == pytest.approx(
        found.taught.pairs * (1 - found.taught.unexplained)
    )


def test_success_counts_what_is_within_reach(found):
    table = found.tables["templates"]
    assert success_at(table, 1).sum() == (table.first == 1).sum()
    assert success_at(table, 10).sum() == (table.first > 0).sum() > 0
