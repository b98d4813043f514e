"""In which order a stage logs what was held back: no search may fall due before its own clicks are there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.replay.environment import _blocks
from bandstand.types import Decision, Event, Impression, Query

WINDOW = 1_800.0


def search(id_, time):
    none = np.empty(0, np.float32)
    return Impression(
        query=Query(id=id_, text="x", normalized="x", time=time),
        decision=Decision(policy="all", version="1"),
        outcomes=(),
        entity_ids=(),
        ordinals=none.astype(np.int32),
        scores=none,
        features=np.empty((0, 0), np.float32),
        feature_names=(),
        shown=0,
    )


def click(query_id, time):
    return Event(id=f"{query_id}@{time}", action="click", time=time, query_id=query_id)


def blocks(asked, clicked):
    """Blocks of (ids of searches, ids of searches clicked), given times of searches by id and (id, time) of clicks."""
    searches = [search(id_, time) for id_, time in sorted(asked.items(), key=lambda item: item[1])]
    events = [click(id_, time) for id_, time in sorted(clicked, key=lambda item: item[1])]
    closes = {id_: time + WINDOW for id_, time in asked.items()}
    return [
        ([each.query.id for each in some], [each.query_id for each in done])
        for some, done in _blocks(searches, events, closes, window=WINDOW)
    ]


def test_a_search_after_the_end_of_anothers_window_waits_for_its_last_click():
    """Search a ends at 1,800, is clicked at 1,790, and c is asked at 1,800: in one block c would come first."""
    assert blocks({"a": 0.0, "b": 1_500.0, "c": 1_800.0}, [("a", 1_790.0)]) == [
        (["a"], []),
        (["b"], ["a"]),
        (["c"], []),
    ]


def test_near_moments_are_one_block():
    asked = {f"q{number}": 10.0 * number for number in range(50)}
    clicked = [(id_, time + 5) for id_, time in asked.items()]
    assert len(blocks(asked, clicked)) == 1


@settings(deadline=None)
@given(
    asked=st.lists(st.integers(0, 9_000), min_size=1, max_size=12, unique=True),
    delays=st.lists(st.integers(1, 1_799), min_size=1, max_size=12),
)
def test_no_search_falls_due_before_its_own_clicks(asked, delays):
    times = {f"q{number}": float(time) for number, time in enumerate(asked)}
    clicked = [(f"q{n % len(times)}", times[f"q{n % len(times)}"] + delay) for n, delay in enumerate(delays)]
    latest = float("-inf")
    given_out: list[str] = []
    for some, done in blocks(times, clicked):
        latest = max([latest, *(times[id_] for id_ in some)])
        for id_ in done:
            assert latest < times[id_] + WINDOW
        given_out += some
        assert all(id_ in given_out for id_ in done)
    assert sorted(given_out) == sorted(times)


@pytest.mark.parametrize(("asked", "clicked"), [({}, []), ({"a": 0.0}, [])])
def test_nothing_or_little_to_log(asked, clicked):
    assert sum(len(some) + len(done) for some, done in blocks(asked, clicked)) == len(asked)
