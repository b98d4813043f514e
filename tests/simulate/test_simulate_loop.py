"""The loop on the real platform, in a tiny world."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from bandstand.errors import BadInput, Conflict
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.experiments import Drift, Listeners
from bandstand.replay.simulate.learning_curves import summary
from tests.support.tiny_world import TINY, UNTAUGHT, tiny_settings

pytestmark = pytest.mark.slow


def columns(table):
    """Everything that was kept of every search, but how long it took."""
    extra = {name: table.column(name) for name in table.extra if name != "search_ms"}
    return (
        extra | table.labels | {name: getattr(table, name) for name in ("ids", "first", "cost_ms", "depths", "pooled")}
    )


def same(first, second):
    of_all = {"frequency", "last 100 searches"}  # a search's place among all of them
    ours, theirs = ({name: each[name] for name in each.keys() - of_all} for each in (columns(first), columns(second)))
    return ours.keys() == theirs.keys() and all(
        np.array_equal(value, theirs[name], equal_nan=value.dtype.kind == "f") for name, value in ours.items()
    )


def test_every_search_is_counted_under_every_policy(played):
    simulated, _ = played
    for table in simulated.tables.values():
        assert len(table) == 200
        assert (table.first == 0).any()  # what was not found counts, as zero
    assert np.array_equal(simulated.tables["bandit"].column("key"), simulated.tables["lexical"].column("key"))


def test_learning_helps(played):
    simulated, _ = played
    bandit, lexical = simulated.tables["bandit"], simulated.tables["lexical"]
    last = slice(100, None)
    assert bandit.reciprocal_ranks[last].mean() > lexical.reciprocal_ranks[last].mean() + 0.05
    nicknames = (bandit.classes == "nickname") & (np.arange(200) >= 100)
    assert bandit.reciprocal_ranks[nicknames].mean() > 0.2
    assert lexical.reciprocal_ranks[nicknames].mean() < 0.2


def test_costs_are_modelled(played):
    simulated, _ = played
    assert set(simulated.tables["lexical"].cost_ms) == {0.3}
    bandit = simulated.tables["bandit"].cost_ms
    assert bandit.min() >= 0.35 - 1e-9
    assert bandit.max() <= 8.95 + 1e-9  # the query is encoded once for rephrase and dense


def test_nobody_does_better_than_the_oracle_by_its_own_account(played):
    simulated, _ = played
    regret = simulated.tables["bandit"].column("regret")
    audited = ~np.isnan(regret)
    assert audited.sum() == 20
    assert (regret[audited] >= 0).all()


def test_finished_policies_are_not_played_again(played, music):
    simulated, folder = played
    again = simulate(music, TINY, simulated.settings, folder, progress=lambda *_: pytest.fail("played again"))
    assert same(simulated.tables["bandit"], again.tables["bandit"])


def test_a_folder_of_another_experiment_is_refused(played, music, tiny):
    with pytest.raises(Conflict, match="another experiment"):
        simulate(music, tiny(searches=10), tiny_settings(), played[1])


def test_the_same_seed_gives_the_same_and_the_future_does_not_matter(played, music, tmp_path):
    """Half as long, from scratch: what comes after a search changes nothing about it."""
    simulated, _ = played
    half = simulate(music, TINY, tiny_settings(limit=110), tmp_path)
    assert same(simulated.tables["bandit"].rows(slice(0, 110)), half.tables["bandit"])


def test_drift_comes_when_it_is_due(music, tiny, tmp_path):
    drift = Drift(at=0.5, releases=30, release_share=0.3, broken="lexical")
    experiment = tiny(searches=160, shares={"known-item": 1.0}, drift=drift)
    table = simulate(
        music, experiment, tiny_settings(policies=("lexical",), retrain_every=1_000, platform=UNTAUGHT), tmp_path
    ).tables["lexical"]
    before, after = table.rows(slice(0, 80)), table.rows(slice(80, None))
    assert set(before.classes) == {"known-item"}
    assert set(after.classes) == {"known-item", "new release"}
    assert before.reciprocal_ranks.mean() > 0.8
    assert after.reciprocal_ranks.mean() < 0.3


def test_released_tracks_are_found_from_then_on(music, tiny, tmp_path):
    drift = Drift(at=0.5, releases=30, release_share=0.5)
    experiment = tiny(searches=120, shares={"known-item": 1.0}, drift=drift)
    table = simulate(
        music, experiment, tiny_settings(policies=("lexical",), retrain_every=1_000, platform=UNTAUGHT), tmp_path
    ).tables["lexical"]
    released = table.rows(table.classes == "new release")
    assert len(released) > 10
    assert released.reciprocal_ranks.mean() > 0.8


def test_batches_that_outlast_the_join_window_are_refused(music, tmp_path):
    with pytest.raises(BadInput, match="learn_every"):
        simulate(music, TINY, tiny_settings(learn_every=30), tmp_path)


def test_listeners_with_names_and_other_clicks(music, tiny, tmp_path):
    from bandstand.replay.simulate.experiments import DynamicBayesian

    listeners = Listeners(clicks=DynamicBayesian(), bait=0.5, users=5)
    experiment = tiny(searches=40, listeners=listeners, baits=20)
    table = simulate(music, experiment, tiny_settings(platform=UNTAUGHT), tmp_path).tables["bandit"]
    assert len(table) == 40


def test_the_json_has_what_every_evaluation_has(played):
    simulated, _ = played
    result = summary(simulated)
    found = orjson.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
    assert found["dataset"] == "tiny"
    assert found["n_searches"] == 200
    assert [point["searches"] for point in found["series"]] == [100, 200]
    bandit, table = found["policies"]["bandit"], simulated.tables["bandit"]
    assert bandit["metrics"]["MRR@10"]["value"] == pytest.approx(table.reciprocal_ranks.mean())
    low, high = bandit["metrics"]["MRR@10"]["ci95"]
    assert low < bandit["metrics"]["MRR@10"]["value"] < high
    assert bandit["cost_ms"] == pytest.approx(table.cost_ms.mean())
    assert bandit["segments"]["class"]["playlist"]["n"] == (table.classes == "playlist").sum()
    by_class = found["series"][0]["by_class"]
    assert sum(each["searches"] for each in by_class.values()) == 100
    assert bandit["segments"]["last 100 searches"]["last"]["n"] == 100
