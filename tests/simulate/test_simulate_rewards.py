"""Variants of one policy, listeners who stray, and what the figures say of satisfaction and relabels."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.experiments import Listeners, variant
from bandstand.replay.simulate.learning_curves import satisfaction
from bandstand.replay.simulate.listener import Script
from bandstand.replay.simulate.world import World
from bandstand.settings import Settings
from tests.support.tiny_world import UNTAUGHT, tiny_settings


def test_a_variant_is_a_policy_on_other_settings(tmp_path):
    found = variant("lexical+memory@reward_model=clicks@relabel=false")
    platform = found.platform(Settings(home=tmp_path, seed=7), home=tmp_path / "own")
    assert found.contestant.retrievers == ("memory", "lexical")
    assert (platform.reward_model, platform.relabel, platform.seed) == ("clicks", False, 7)
    assert platform.home == tmp_path / "own"


@pytest.mark.parametrize("name", ["bandit@", "bandit@relabel", "bandit@no_such=1", "bandit@home=/", "nobody@relabel=1"])
def test_what_changes_nothing_known_is_refused(name):
    with pytest.raises(BadInput):
        variant(name)


def test_a_setting_must_have_a_value_of_its_own(tmp_path):
    with pytest.raises(BadInput, match="BANDSTAND_RELABEL"):
        variant("bandit@relabel=perhaps").platform(Settings(home=tmp_path))


def test_who_strays_wants_something_else(music, tiny):
    world = World(music, tiny(searches=300, listeners=Listeners(persistent=0.0, strays=1.0)), seed=1)
    again = [script.again for number in range(300) if (script := Script.of(world, number, seed=1)).again is not None]
    assert len(again) > 250
    assert all(need.key != 0 and need.wanted for need in again)
    none = World(music, tiny(listeners=Listeners(persistent=0.0)), seed=1)
    assert all(Script.of(none, number, seed=1).again is None for number in range(50))


@pytest.mark.slow
def test_relabels_are_judged_by_what_was_wanted(music, tiny, tmp_path):
    experiment = tiny(listeners=Listeners(persistent=0.5, strays=0.5), platform=(("agree_users", 1),))
    settings = tiny_settings(
        policies=("bandit", "bandit@relabel=false"),
        platform=UNTAUGHT,
        limit=100,
        retrain_every=1_000,
        audit_every=1_000,
    )
    played = simulate(music, experiment, settings, tmp_path)
    on, off = (played.tables[name] for name in settings.policies)
    assert (off.column("relabelled") == 0).all()
    assert (on.column("relabelled") > 0).sum() > 0
    assert not on.column("satisfied")[on.first == 0].any()
    figures = satisfaction(on, window=100)
    weights = on.column("relabelled")[on.column("relabelled") != 0]
    assert figures["relabelled"] == len(weights)
    assert figures["relabel_precision"] == pytest.approx(np.mean(weights > 0))
    assert satisfaction(off, window=100)["relabel_precision"] is None
