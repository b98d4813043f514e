"""Truth, thresholds and the curve, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.errors import BadInput, NotFound
from bandstand.replay.rows import Row, read_rows, write_rows
from bandstand.replay.selective.audit import Audits, by_threshold, costs, fixed, missed_alone, reciprocal_ranks, truth
from bandstand.replay.selective.curve import Target, accuracy, find, parse_target, sweep, wasted
from bandstand.replay.table import table_of
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import ClusterBootstrap

HALF = 0.5 / len(BUILT_IN.expensive)
"""The share of decisions that one arm in one of two searches makes."""
PLACE = {arm: at for at, arm in enumerate(BUILT_IN.expensive)}


def found_by(*arms):
    """Rank 1 where one of the arms plays, else not on the page."""
    return lambda choice: int(bool(choice & set(arms)))


def always_first(choice):
    return 1


def test_what_each_arm_did_is_judged_after_the_cheaper_ones(make):
    audits = make(found_by("dense"), found_by("trigram", "dense"), always_first)
    useful = truth(audits)
    assert useful[:, PLACE["dense"]].tolist() == [True, False, False]
    assert useful[:, PLACE["trigram"]].tolist() == [False, True, False]
    assert not useful[:, PLACE["rephrase"]].any()


def test_beside_all_others_two_that_find_the_same_both_look_idle(make):
    alone = missed_alone(make(found_by("dense"), found_by("trigram", "dense")))
    assert alone.sum(axis=1).tolist() == [1, 0]


def test_quality_and_cost_of_a_choice(make):
    audits = make(found_by("dense"), always_first)
    free = sum(BUILT_IN[arm].cost_ms for arm in BUILT_IN.free)
    assert reciprocal_ranks(audits, fixed(audits, play=False)).tolist() == [0.0, 1.0]
    assert reciprocal_ranks(audits, fixed(audits, play=True)).tolist() == [1.0, 1.0]
    assert costs(fixed(audits, play=False)) == pytest.approx([free, free])
    assert costs(fixed(audits, play=True)) == pytest.approx(
        [free + sum(BUILT_IN[arm].cost_ms for arm in BUILT_IN.expensive) - 6.3] * 2
    )  # encoded once


def test_an_arm_plays_where_the_estimate_reaches_its_threshold(make):
    p_useful = [[0.1] * len(BUILT_IN.expensive), [0.4] * len(BUILT_IN.expensive)]
    plays = by_threshold(make(always_first, always_first, p_useful=p_useful), dict.fromkeys(BUILT_IN.expensive, 0.4))
    assert plays.all(axis=1).tolist() == [False, True]


def curve(make):
    """Two searches need dense and say so, two do not."""
    p_useful = [[likely * (arm == "dense") for arm in BUILT_IN.expensive] for likely in (0.9, 0.9, 0.1, 0.1)]
    audits = make(found_by("dense"), found_by("dense"), always_first, always_first, p_useful=p_useful)
    return audits, sweep(audits, dict.fromkeys(BUILT_IN.expensive, 0.5), prices=(0.0, 0.03, 1.0))


def test_the_curve_falls_from_everything_to_nothing(make):
    _, points = curve(make)
    assert [point.quality for point in points] == [1.0, 1.0, 0.5]
    assert points[0].cost_share == 1.0
    assert points[0].cost_ms > points[1].cost_ms > points[2].cost_ms
    assert points[1].thresholds["dense"] == pytest.approx(0.03 * 6.3 / 0.5)


def test_a_target_is_the_cheapest_or_the_best(make):
    _, points = curve(make)
    assert find(points, 1.0, Target("quality", 1.0)) == points[1]
    assert find(points, 1.0, Target("quality", 0.5)) == points[2]
    assert find(points, 1.0, Target("cost", points[1].cost_share)) == points[1]
    with pytest.raises(NotFound, match="another target"):
        find(points, 1.0, Target("quality", 1.01))


def test_targets_are_read():
    assert parse_target("quality=0.99") == Target("quality", 0.99)
    assert parse_target("cost=0.1") == Target("cost", 0.1)
    for wrong in ("quality", "speed=1", "cost=0", "cost=x"):
        with pytest.raises(BadInput, match="no target"):
            parse_target(wrong)


def test_right_decisions_are_counted_by_arm_and_class(make):
    audits = make(found_by("dense"), always_first, classes=["nickname", "known-item"])
    bootstrap = ClusterBootstrap(audits.users.tolist(), resamples=50, seed=1)
    never = accuracy(audits, fixed(audits, play=False), bootstrap)
    assert never["all"]["value"] == pytest.approx(1 - HALF)
    assert never["by_arm"]["dense"]["value"] == 0.5
    assert never["by_arm"]["dense"]["helped_played"] == 0.0
    assert never["by_class"]["known-item"]["value"] == 1.0
    assert wasted(audits, bootstrap)["all"]["value"] == pytest.approx(1 - HALF)


def test_audits_are_kept_in_the_rows(make, tmp_path):
    audits = make(found_by("dense"), always_first)
    rows = [
        Row(
            id=str(at), time=0.0, user=user, query="x", labels={"class": part}, found=[(1, 1)], grades=[1], cost_ms=1.0,
            real_ms=1.0,
            extra={"ranks": ranks, "p_useful": [float("nan"), *p_useful[1:]], "played": [0.0] * len(p_useful),
                   "spent_ms": 2.0},
        )
        for at, (user, part, ranks, p_useful) in enumerate(
            zip(audits.users.tolist(), audits.classes.tolist(), audits.ranks.tolist(), audits.p_useful.tolist(),
                strict=True)
        )
    ]  # fmt: skip
    write_rows(tmp_path / "rows.ndjson", rows)
    again = Audits.of(table_of("selective", read_rows(tmp_path / "rows.ndjson")))
    assert np.array_equal(again.ranks, audits.ranks)
    assert again.classes.tolist() == audits.classes.tolist()
    assert np.isnan(again.p_useful[:, 0]).all()
    assert (again.shown.tolist(), again.cost_ms.tolist(), again.played.any()) == ([1, 1], [2.0, 2.0], False)
