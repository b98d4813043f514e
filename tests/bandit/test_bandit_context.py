"""The features of a decision: one layout for all, bounded, and right by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.bandit.context import PARTS, SCRIPTS, ContextBuilder, script_of
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates, ContextFeature, Filters, Query, RetrieverSpec, Slot, best_value


def features(query: Query, found: dict[str, Candidates] | None = None, **facts: float) -> dict[str, float]:
    builder = ContextBuilder(query, BUILT_IN, has_history=bool(facts.pop("has_history", 0.0)))
    for arm, answer in (found or {}).items():
        builder.add(arm, answer)
    return dict(builder.build(**{"cost_ms": 1.0, "past_yield": 0.5, **facts}).features)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "latin"),
        ("beyoncé", "latin"),
        ("кино", "cyrillic"),
        ("宇多田ヒカル", "cjk"),
        ("방탄소년단", "cjk"),
        ("فيروز", "arabic"),
        ("ελλάδα", "other"),
        ("1999", "other"),
        ("!!!", "other"),
        ("", "other"),
        ("кино кино rock", "cyrillic"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    assert script_of(text) == script


def in_parts(value: float) -> float:
    """As it is seen and logged."""
    return round(value * PARTS) / PARTS


def test_the_query_by_hand(make_query: Callable[..., Query]) -> None:
    noon_on_monday = 4 * 86_400 + 43_200.0  # 1970-01-05
    seen = features(
        make_query("abba 1974", time=noon_on_monday, slots=(Slot("genre", "pop", 0.7), Slot("label", "polar", 0.4))),
        has_history=1.0,
    )
    assert seen["words"] == 0.5
    assert seen["one_word"] == 0.0
    assert seen["digits"] == in_parts(4 / 9)
    assert [seen[f"script_{name}"] for name in SCRIPTS] == [1, 0, 0, 0, 0]
    assert (seen["slot_genre"], seen["slot_mood"], seen["slot_other"]) == (in_parts(0.7), 0.0, in_parts(0.4))
    assert (seen["hour_sin"], seen["hour_cos"]) == pytest.approx((0.0, -1.0), abs=1e-9)
    assert seen["weekday_sin"] == in_parts(math.sin(2 * math.pi * 0.5 / 7))
    assert seen["history"] == 1.0
    assert seen["filtered"] == 0.0


@pytest.mark.parametrize("restriction", [{"kinds": ("track",)}, {"filters": Filters(year_gte=1990)}])
def test_a_restricted_search_says_so(make_query: Callable[..., Query], restriction: dict[str, object]) -> None:
    assert features(make_query("abba", **restriction))["filtered"] == 1.0


def test_what_was_found_by_hand(make_query: Callable[..., Query], make_candidates: Callable[..., Candidates]) -> None:
    found = {
        "memory": make_candidates("memory", [5, 9], [0.8, 0.1], clicks=[math.e - 1, 0], distance=[1, 1]),
        "lexical": make_candidates("lexical", [1, 2, 5, 9], [10, 8, 6, 4]),
        "trigram": make_candidates("trigram", [7], [3], similarity=[0.9]),
    }
    seen = features(make_query("abba"), found, lexical_exact=0.96, cost_ms=math.e - 1, past_yield=0.25)
    assert seen["lexical_top"] == 0.5
    assert seen["lexical_gap2"] == in_parts(0.2)
    assert seen["lexical_gap10"] == in_parts(0.6)
    assert seen["lexical_exact"] == in_parts(0.96)
    assert (seen["memory_known"], seen["memory_distance"]) == (1.0, 1.0)
    assert seen["memory_top"] == in_parts(0.8)
    assert seen["memory_clicks"] == pytest.approx(1.0)
    assert seen["agreement"] == 0.5
    assert seen["count_lexical"] == in_parts(math.log(5) / 2)
    assert seen["count_dense"] == 0.0
    assert seen["candidates"] == in_parts(math.log(8) / 2)
    assert seen["trigram_similarity"] == in_parts(0.9)
    assert (seen["arm_cost"], seen["arm_yield"]) == pytest.approx((1.0, 0.25))


def test_a_single_lexical_hit_stands_alone(
    make_query: Callable[..., Query], make_candidates: Callable[..., Candidates]
) -> None:
    seen = features(make_query("abba"), {"lexical": make_candidates("lexical", [1], [4.0])})
    assert (seen["lexical_gap2"], seen["lexical_gap10"]) == (1.0, 1.0)


READ = ("memory", "lexical", "structured", "alike", "trigram", "rephrase")
"""The arms of whose answers a later decision reads more than the number."""

FACTS = ("clicks", "distance", "similarity", "likeness")

EMPTIES = {
    "nothing played": {},
    "played, nothing found": {arm: Candidates.empty(arm) for arm in READ},
}


@pytest.mark.parametrize("found", EMPTIES.values(), ids=EMPTIES)
def test_nothing_found_is_zero_everywhere(make_query: Callable[..., Query], found: dict[str, Candidates]) -> None:
    seen = features(make_query(""), found, cost_ms=0.0, past_yield=0.0)
    ours = {"bias", "script_other", "hour_cos", "weekday_sin", "weekday_cos"}
    assert {name for name, value in seen.items() if value} == ours


def test_unknown_columns_count_as_zero(
    make_query: Callable[..., Query], make_candidates: Callable[..., Candidates]
) -> None:
    memory = make_candidates("memory", [1], [0.5], clicks=[math.nan])
    seen = features(make_query("abba"), {"memory": memory})
    assert (seen["memory_clicks"], seen["memory_distance"]) == (0.0, 0.0)


numbers = st.floats(width=32)


@given(
    text=st.text(max_size=200),
    time=st.floats(0, 4e9),
    scores=st.lists(numbers, max_size=12),
    column=numbers,
    facts=st.tuples(numbers, st.floats(0, 1e9), numbers),
)
def test_every_feature_is_bounded_and_the_layout_never_changes(
    text: str, time: float, scores: list[float], column: float, facts: tuple[float, float, float]
) -> None:
    import numpy as np

    found = {
        arm: Candidates(
            retriever=arm,
            ordinals=np.arange(len(scores), dtype=np.int32),
            scores=np.array(scores, np.float32),
            columns={
                name: np.full(len(scores), column, np.float32)
                for name in ("clicks", "distance", "similarity", "likeness")
            },
        )
        for arm in READ
    }
    query = Query(id="q", text=text, normalized=text, time=time, slots=(Slot("x:y|z", "v", column),))
    exact, cost, past = facts
    seen = features(query, found, lexical_exact=exact, cost_ms=cost, past_yield=past)
    assert all(math.isfinite(value) and -1 <= value <= 5 for value in seen.values())
    assert list(seen) == list(features(Query(id="q", text="", normalized="")))
    assert all(not set(name) & set(" :|\n") for name in seen)


def test_a_further_retriever_brings_its_own_features(
    make_query: Callable[..., Query], make_candidates: Callable[..., Candidates]
) -> None:
    lyrics = RetrieverSpec("lyrics", context=(ContextFeature("lines", best_value("lines")),))
    builder = ContextBuilder(make_query("abba"), BUILT_IN.and_also([lyrics]), has_history=False)
    assert dict(builder.build(cost_ms=1.0, past_yield=0.5).features)["lyrics_lines"] == 0.0
    builder.add("lyrics", make_candidates("lyrics", [1, 2], [2, 1], lines=[0.5, 0.25]))
    seen = dict(builder.build(cost_ms=1.0, past_yield=0.5).features)
    assert (seen["lyrics_lines"], seen["count_lyrics"]) == (0.5, in_parts(math.log(3) / 2))
