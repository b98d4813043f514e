"""The loop on the real platform, in a tiny world."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from bandstand.errors import BadInput, Conflict
from bandstand.replay.evaluate import write_report
from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.evaluate import summary
from bandstand.replay.simulate.experiments import Drift, Listeners
from bandstand.replay.simulate.tally import Tally
from tests.support.tiny_world import TINY, tiny_settings

TIMES = ("real_ms", "search_ms")


def columns(tally):
    return {name: getattr(tally, name) for name in Tally.__dataclass_fields__ if name not in TIMES}


def same(first, second):
    return all(
        np.array_equal(value, columns(second)[name], equal_nan=value.dtype.kind == "f")
        for name, value in columns(first).items()
    )


def test_every_search_is_counted_under_every_policy(played):
    simulated, _ = played
    for tally in simulated.tallies.values():
        assert len(tally) == 300
        assert (tally.ranks == 0).any()  # what was not found counts, as zero
    assert np.array_equal(simulated.tallies["bandit"].keys, simulated.tallies["lexical"].keys)


def test_learning_helps(played):
    simulated, _ = played
    bandit, lexical = simulated.tallies["bandit"], simulated.tallies["lexical"]
    last = slice(150, None)
    assert bandit.reciprocal_ranks[last].mean() > lexical.reciprocal_ranks[last].mean() + 0.05
    nicknames = (bandit.classes == "nickname") & (np.arange(300) >= 150)
    assert bandit.reciprocal_ranks[nicknames].mean() > 0.2
    assert lexical.reciprocal_ranks[nicknames].mean() < 0.2


def test_costs_are_modelled(played):
    simulated, _ = played
    assert set(simulated.tallies["lexical"].cost_ms) == {0.3}
    bandit = simulated.tallies["bandit"].cost_ms
    assert bandit.min() >= 0.35 - 1e-9
    assert bandit.max() <= 8.95 + 1e-9  # the query is encoded once for rephrase and dense


def test_nobody_does_better_than_the_oracle_by_its_own_account(played):
    simulated, _ = played
    audited = ~np.isnan(simulated.tallies["bandit"].regret)
    assert audited.sum() == 30
    assert (simulated.tallies["bandit"].regret[audited] >= 0).all()


def test_finished_policies_are_not_played_again(played, music):
    simulated, folder = played
    again = simulate(music, TINY, simulated.settings, folder, progress=lambda *_: pytest.fail("played again"))
    assert same(simulated.tallies["bandit"], again.tallies["bandit"])


def test_a_folder_of_another_experiment_is_refused(played, music, tiny):
    with pytest.raises(Conflict, match="another experiment"):
        simulate(music, tiny(searches=10), tiny_settings(), played[1])


def test_the_same_seed_gives_the_same_and_the_future_does_not_matter(played, music, tmp_path):
    """Half as long, from scratch: what comes after a search changes nothing about it."""
    simulated, _ = played
    half = simulate(music, TINY, tiny_settings(limit=170), tmp_path)
    assert same(simulated.tallies["bandit"].rows(slice(0, 170)), half.tallies["bandit"])


def test_drift_comes_when_it_is_due(music, tiny, tmp_path):
    drift = Drift(at=0.5, releases=30, release_share=0.3, broken="lexical")
    experiment = tiny(searches=160, shares={"known-item": 1.0}, drift=drift)
    tally = simulate(music, experiment, tiny_settings(policies=("lexical",), retrain_every=1_000), tmp_path).tallies[
        "lexical"
    ]
    before, after = tally.rows(slice(0, 80)), tally.rows(slice(80, None))
    assert set(before.classes) == {"known-item"}
    assert set(after.classes) == {"known-item", "new release"}
    assert before.reciprocal_ranks.mean() > 0.8
    assert after.reciprocal_ranks.mean() < 0.3


def test_released_tracks_are_found_from_then_on(music, tiny, tmp_path):
    drift = Drift(at=0.5, releases=30, release_share=0.5)
    experiment = tiny(searches=120, shares={"known-item": 1.0}, drift=drift)
    tally = simulate(music, experiment, tiny_settings(policies=("lexical",), retrain_every=1_000), tmp_path).tallies[
        "lexical"
    ]
    released = tally.rows(tally.classes == "new release")
    assert len(released) > 10
    assert released.reciprocal_ranks.mean() > 0.8


def test_batches_that_outlast_the_join_window_are_refused(music, tmp_path):
    with pytest.raises(BadInput, match="learn_every"):
        simulate(music, TINY, tiny_settings(learn_every=30), tmp_path)


def test_listeners_with_names_and_other_clicks(music, tiny, tmp_path):
    from bandstand.replay.simulate.experiments import DynamicBayesian

    listeners = Listeners(clicks=DynamicBayesian(), bait=0.5, users=5)
    experiment = tiny(searches=40, listeners=listeners, baits=20)
    tally = simulate(music, experiment, tiny_settings(), tmp_path).tallies["bandit"]
    assert len(tally) == 40


def test_the_json_has_what_every_evaluation_has(played, music, tmp_path):
    simulated, _ = played
    result = summary(music, simulated)
    found = orjson.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
    assert found["dataset"] == "tiny"
    assert found["n_searches"] == 300
    assert [point["searches"] for point in found["series"]] == [100, 200, 300]
    bandit, tally = found["policies"]["bandit"], simulated.tallies["bandit"]
    assert bandit["metrics"]["MRR@10"]["value"] == pytest.approx(tally.reciprocal_ranks.mean())
    low, high = bandit["metrics"]["MRR@10"]["ci95"]
    assert low < bandit["metrics"]["MRR@10"]["value"] < high
    assert bandit["cost_ms"] == pytest.approx(tally.cost_ms.mean())
    assert bandit["segments"]["class"]["playlist"]["n"] == (tally.classes == "playlist").sum()
    by_class = found["series"][0]["by_class"]
    assert sum(each["searches"] for each in by_class.values()) == 100
    assert bandit["segments"]["last 100 searches"]["last"]["n"] == 100
    write_report(result, tmp_path / "report.html")
    assert "nickname" in (tmp_path / "report.html").read_text()
