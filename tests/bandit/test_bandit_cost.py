"""Measured costs and yields of arms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.cost import ArmStats
from bandstand.errors import BadInput, StorageError
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import RetrieverSpec


def test_every_arm_has_a_modelled_cost() -> None:
    assert BUILT_IN.modelled_cost("dense", 200) == 6.3
    assert BUILT_IN.modelled_cost("dense", 0) == 0.0


def test_measured_at_the_depth_beats_measured_at_all_beats_modelled() -> None:
    stats = ArmStats(BUILT_IN)
    assert stats.cost("trigram", 50) == 1.0
    stats.record_cost("trigram", 10, 2.0)
    assert stats.cost("trigram", 50) == 2.0
    stats.record_cost("trigram", 50, 4.0)
    assert stats.cost("trigram", 50) == 4.0
    assert stats.cost("trigram") == 3.0
    assert stats.cost("trigram", 0) == 0.0


def test_a_mean_forgets_after_its_window() -> None:
    stats = ArmStats(BUILT_IN, window=2)
    for took in (2.0, 4.0, 7.0):  # 2, then 3, then 3 + (7 - 3) / 2
        stats.record_cost("dense", 10, took)
    assert stats.cost("dense", 10) == 5.0


def test_the_yield_is_a_share() -> None:
    stats = ArmStats(BUILT_IN)
    assert stats.past_yield("dense") == 0.5
    for useful in (True, False, False, False):
        stats.record_hit("dense", useful=useful)
    assert stats.past_yield("dense") == 0.25


@given(
    st.lists(
        st.tuples(st.sampled_from(BUILT_IN.names), st.sampled_from((10, 50, 200)), st.floats(0, 1e4), st.booleans())
    )
)
def test_json_round_trip(records: list[tuple[str, int, float, bool]]) -> None:
    stats = ArmStats(BUILT_IN, window=3)
    for arm, depth, took, useful in records:
        stats.record_cost(arm, depth, took)
        stats.record_hit(arm, useful=useful)
    copy = ArmStats.from_json(stats.to_json(), BUILT_IN)
    assert copy.to_json() == stats.to_json()
    copy.record_cost("dense", 10, 9.0)
    stats.record_cost("dense", 10, 9.0)
    assert copy.cost("dense", 10) == stats.cost("dense", 10)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"window": 0, "means": {}}', '{"window": 5, "means": {"a": 1}}']
)
def test_damaged_statistics_are_refused(text: str) -> None:
    with pytest.raises(StorageError, match="damaged"):
        ArmStats.from_json(text, BUILT_IN)


def test_threads_lose_no_measurement() -> None:
    stats = ArmStats(BUILT_IN, window=10_000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: stats.record_cost("dense", 10, float(i % 2)), range(4_000)))
    assert stats.cost("dense") == pytest.approx(0.5, abs=1e-9)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInput, match="unknown retriever"):
        ArmStats(BUILT_IN).cost("sparse")
    with pytest.raises(BadInput, match="window"):
        ArmStats(BUILT_IN, window=0)


def test_what_was_measured_of_a_retriever_that_is_gone_is_there_when_it_comes_back() -> None:
    grown = BUILT_IN.and_also([RetrieverSpec("lyrics", cost_ms=2.0)])
    stats = ArmStats(grown)
    assert stats.cost("lyrics", 10) == 2.0
    stats.record_cost("lyrics", 10, 5.0)
    without = ArmStats.from_json(stats.to_json(), BUILT_IN)
    assert ArmStats.from_json(without.to_json(), grown).cost("lyrics", 10) == 5.0
