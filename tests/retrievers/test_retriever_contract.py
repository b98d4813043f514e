"""The one contract that every retriever keeps, run over all of `RETRIEVER_FACTORIES`."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.types import KINDS, Candidates, Filters
from tests.support.retriever_factories import RETRIEVER_FACTORIES

DEPTHS = (1, 2, 3, 10, 200)
SYNTAX = "+-&|!(){}[]^\"~*?:\\/'<>=@#$%,;._`"
TEXTS = (
    "halo",
    "hallo",
    "hurt",
    "one",
    "1999",
    "it",
    "!!!",
    "the the",
    "beyonce halo",
    "宇多田ヒカル",
    "кино",
    "فيروز",
    "a",
    "愛",
)


def in_order(found: Candidates) -> bool:
    """Whether scores descend, and ordinals ascend among equals."""
    before, after = found.scores[:-1], found.scores[1:]
    return bool(np.all((before > after) | ((before == after) & (found.ordinals[:-1] < found.ordinals[1:]))))


def same(left: Candidates, right: Candidates) -> bool:
    return np.array_equal(left.ordinals, right.ordinals) and np.array_equal(left.scores, right.scores)


@pytest.fixture(scope="module", params=RETRIEVER_FACTORIES.values(), ids=RETRIEVER_FACTORIES.keys())
def case(request):
    if request.param.clustered:
        request.getfixturevalue("opensearch_url")
    return request.param


@pytest.fixture(scope="module")
def retriever(case, shared_world):
    with case.build(shared_world) as built:
        yield built


@pytest.fixture(scope="module")
def ask(shared_world):
    return shared_world.ask


def test_its_known_query_has_answers(case, retriever, ask):
    assert len(retriever.retrieve(ask(case.known), 10)) >= 2


@pytest.mark.parametrize("text", TEXTS)
def test_candidates_are_well_formed(retriever, shared_world, ask, text):
    found = retriever.retrieve(ask(text), 10)
    assert found.retriever == retriever.name
    assert found.ordinals.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert found.ordinals.shape == found.scores.shape
    assert len(found) <= 10
    assert len(set(found.ordinals.tolist())) == len(found)
    assert np.isfinite(found.scores).all()
    assert in_order(found)
    assert shared_world.catalog.columns.live[found.ordinals].all()


@pytest.mark.parametrize("text", TEXTS)
def test_columns_are_those_of_the_arm(retriever, ask, text):
    found = retriever.retrieve(ask(text), 10)
    assert set(found.columns) <= set(retriever.spec.columns)
    for values in found.columns.values():
        assert values.dtype == np.float32
        assert values.shape == found.ordinals.shape


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_query_has_the_same_answer(retriever, ask, text):
    assert same(retriever.retrieve(ask(text), 10), retriever.retrieve(ask(text), 10))


@pytest.mark.parametrize("text", TEXTS)
def test_a_smaller_depth_is_a_prefix_of_a_larger_one(retriever, ask, text):
    whole = retriever.retrieve(ask(text), max(DEPTHS))
    for depth in DEPTHS:
        found = retriever.retrieve(ask(text), depth)
        np.testing.assert_array_equal(found.ordinals, whole.ordinals[:depth])
        np.testing.assert_array_equal(found.scores, whole.scores[:depth])


def test_depth_0_is_empty(case, retriever, ask):
    assert len(retriever.retrieve(ask(case.known), 0)) == 0


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u202e"])
def test_a_blank_query_is_answered(case, retriever, ask, text):
    found = retriever.retrieve(ask(text), 10)
    assert in_order(found)
    assert not (case.literal and len(found))


def test_unknown_words_find_nothing_or_what_is_nearest(case, retriever, ask):
    found = retriever.retrieve(ask("xqxq xxqx"), 10)
    assert in_order(found)
    assert not (case.literal and len(found))


@pytest.mark.parametrize(
    "text", ["halo " * 2_000, "x" * 10_000, "".join(f"w{i} " for i in range(1_700)), "愛" * 10_000]
)
def test_a_very_long_query_is_answered(retriever, ask, text):
    found = retriever.retrieve(ask(text), 10)
    assert len(found) <= 10
    assert in_order(found)


@pytest.mark.parametrize("character", SYNTAX)
def test_no_character_is_query_syntax(retriever, ask, character):
    for text in (character, f"halo {character}", f"{character}halo", f"title{character}halo"):
        assert in_order(retriever.retrieve(ask(text), 10))


def test_a_deleted_entity_is_never_returned(case, world):
    """Neither before the retriever's own index knows of the deletion, nor after."""
    with case.build(world) as retriever:
        gone = retriever.retrieve(world.ask(case.known), 200).ordinals[::2]
        world.store.delete([world.catalog.columns.ids[ordinal] for ordinal in gone])
        world.catalog.refresh()
        assert not np.isin(retriever.retrieve(world.ask(case.known), 200).ordinals, gone).any()
    with case.build(world) as retriever:
        assert not np.isin(retriever.retrieve(world.ask(case.known), 200).ordinals, gone).any()


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_kinds_asked_for(case, retriever, shared_world, ask, kind):
    for text in (case.known, *TEXTS):
        found = retriever.retrieve(ask(text, kinds=(kind,)), 200)
        assert (shared_world.catalog.columns.kind[found.ordinals] == KINDS.index(kind)).all()


@pytest.mark.parametrize(
    "filters",
    [
        Filters(values=(("genre", ("pop",)),)),
        Filters(values=(("genre", ("rock", "soul")),), year_lte=1990),
        Filters(year_gte=2005),
        Filters(values=(("genre", ("no such genre",)),)),
    ],
    ids=["genre", "genre and year", "year", "nothing passes"],
)
def test_filters_are_kept(case, retriever, shared_world, ask, filters):
    mask = shared_world.catalog.columns.mask((), filters)
    for text in (case.known, *TEXTS):
        assert mask[retriever.retrieve(ask(text, filters=filters), 200).ordinals].all()


def test_what_a_filter_lets_pass_is_still_found(case, retriever, shared_world, ask):
    """A filter takes away what it forbids, and nothing else."""
    if not case.literal:
        pytest.skip("what a filter leaves room for may be found instead")
    filters = Filters(values=(("genre", ("pop",)),))
    mask = shared_world.catalog.columns.mask((), filters)
    free = set(retriever.retrieve(ask(case.known), 200).ordinals.tolist())
    filtered = set(retriever.retrieve(ask(case.known, filters=filters), 200).ordinals.tolist())
    assert filtered == {ordinal for ordinal in free if mask[ordinal]} != set()


def test_opened_again_it_answers_the_same(case, world):
    with case.build(world) as retriever:
        before = [retriever.retrieve(world.ask(text), 200) for text in TEXTS]
    with case.build(world) as retriever:
        after = [retriever.retrieve(world.ask(text), 200) for text in TEXTS]
    assert all(map(same, before, after))


@pytest.mark.parametrize("text", ["", "halo", "!!!", "宇多田ヒカル"])
def test_an_empty_catalogue_has_no_answers(case, empty_world, text):
    with case.build(empty_world) as retriever:
        assert len(retriever.retrieve(empty_world.ask(text), 10)) == 0
