"""The one contract that every retriever keeps: derive a test class from `RetrieverContract`, say how yours is made.

from bandstand.testing.retrievers import RetrieverContract

class TestLyrics(RetrieverContract):
    known = "halo"

    def make(self):
        return Lyrics()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from bandstand.retrievers.base import Retriever
from bandstand.testing.world import World
from bandstand.types import KINDS, Candidates, Clause, Filters, Kind

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


@dataclass(frozen=True, kw_only=True)
class RetrieverCase:
    """One retriever under the contract.

    ``build`` opens it over the world, up to date with the world's store, and closes it at the end; it is entered again
    to see that what was on disk is enough. ``known`` is a query with two answers or more in the world. ``literal``
    retrievers find nothing for a text that shares nothing with the catalogue; the others (nearest neighbours,
    histories, trends) may answer anything.
    """

    build: Callable[[World], AbstractContextManager[Retriever]]
    known: str = "halo"
    literal: bool = False


def in_order(found: Candidates) -> bool:
    """Whether scores descend, and ordinals ascend among equals."""
    before, after = found.scores[:-1], found.scores[1:]
    return bool(np.all((before > after) | ((before == after) & (found.ordinals[:-1] < found.ordinals[1:]))))


def same(left: Candidates, right: Candidates) -> bool:
    """Whether two answers hold the same candidates with the same scores."""
    return np.array_equal(left.ordinals, right.ordinals) and np.array_equal(left.scores, right.scores)


class RetrieverContract:
    """Tests that every retriever passes; see `RetrieverCase` for ``known`` and ``literal``."""

    known = "halo"
    literal = False

    def make(self) -> Retriever:
        """A retriever that was not attached yet."""
        raise NotImplementedError("say how your retriever is made: def make(self): return Lyrics()")

    @contextmanager
    def build(self, world: World) -> Iterator[Retriever]:
        """The retriever, opened over a world; closed at the end."""
        retriever = self.make()
        retriever.attach(world.catalog)
        yield retriever
        retriever.close()

    def test_its_known_query_has_answers(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World
    ) -> None:
        """Two answers or more for `known`."""
        assert len(contract_retriever.retrieve(contract_world.ask(retriever_case.known), 10)) >= 2

    @pytest.mark.parametrize("text", TEXTS)
    def test_candidates_are_well_formed(self, contract_retriever: Retriever, contract_world: World, text: str) -> None:
        """Types, shapes, order, no repeats, only live entities, at most the depth."""
        found = contract_retriever.retrieve(contract_world.ask(text), 10)
        assert found.retriever == contract_retriever.name
        assert found.ordinals.dtype == np.int32
        assert found.scores.dtype == np.float32
        assert found.ordinals.shape == found.scores.shape
        assert len(found) <= 10
        assert len(set(found.ordinals.tolist())) == len(found)
        assert np.isfinite(found.scores).all()
        assert in_order(found)
        assert contract_world.catalog.columns.live[found.ordinals].all()

    @pytest.mark.parametrize("text", TEXTS)
    def test_columns_are_those_of_the_spec(
        self, contract_retriever: Retriever, contract_world: World, text: str
    ) -> None:
        """Every column is named in the spec."""
        found = contract_retriever.retrieve(contract_world.ask(text), 10)
        assert set(found.columns) <= set(contract_retriever.spec.columns)
        for values in found.columns.values():
            assert values.dtype == np.float32
            assert values.shape == found.ordinals.shape

    @pytest.mark.parametrize("text", TEXTS)
    def test_the_same_query_has_the_same_answer(
        self, contract_retriever: Retriever, contract_world: World, text: str
    ) -> None:
        """Nothing is drawn by chance."""
        assert same(
            contract_retriever.retrieve(contract_world.ask(text), 10),
            contract_retriever.retrieve(contract_world.ask(text), 10),
        )

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_smaller_depth_is_a_prefix_of_a_larger_one(
        self, contract_retriever: Retriever, contract_world: World, text: str
    ) -> None:
        """So that a logged rank says what each smaller depth would have brought."""
        whole = contract_retriever.retrieve(contract_world.ask(text), max(DEPTHS))
        for depth in DEPTHS:
            found = contract_retriever.retrieve(contract_world.ask(text), depth)
            np.testing.assert_array_equal(found.ordinals, whole.ordinals[:depth])
            np.testing.assert_array_equal(found.scores, whole.scores[:depth])

    def test_depth_0_is_empty(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World
    ) -> None:
        """A depth of 0 asks for nothing."""
        assert len(contract_retriever.retrieve(contract_world.ask(retriever_case.known), 0)) == 0

    @pytest.mark.parametrize("text", ["", " ", "\u200b", "\u202e"])
    def test_a_blank_query_is_answered(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World, text: str
    ) -> None:
        """Well formed, and empty for a literal retriever."""
        found = contract_retriever.retrieve(contract_world.ask(text), 10)
        assert in_order(found)
        assert not (retriever_case.literal and len(found))

    def test_unknown_words_find_nothing_or_what_is_nearest(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World
    ) -> None:
        """Well formed, and empty for a literal retriever."""
        found = contract_retriever.retrieve(contract_world.ask("xqxq xxqx"), 10)
        assert in_order(found)
        assert not (retriever_case.literal and len(found))

    @pytest.mark.parametrize(
        "text", ["halo " * 2_000, "x" * 10_000, "".join(f"w{i} " for i in range(1_700)), "愛" * 10_000]
    )
    def test_a_very_long_query_is_answered(
        self, contract_retriever: Retriever, contract_world: World, text: str
    ) -> None:
        """However long what was typed is."""
        found = contract_retriever.retrieve(contract_world.ask(text), 10)
        assert len(found) <= 10
        assert in_order(found)

    @pytest.mark.parametrize("character", SYNTAX)
    def test_no_character_is_query_syntax(
        self, contract_retriever: Retriever, contract_world: World, character: str
    ) -> None:
        """Whatever sign was typed, it is text."""
        for text in (character, f"halo {character}", f"{character}halo", f"title{character}halo"):
            assert in_order(contract_retriever.retrieve(contract_world.ask(text), 10))

    def test_a_deleted_entity_is_never_returned(self, retriever_case: RetrieverCase, own_world: World) -> None:
        """Neither before the opened's own index knows of the deletion, nor after."""
        with retriever_case.build(own_world) as opened:
            gone = opened.retrieve(own_world.ask(retriever_case.known), 200).ordinals[::2]
            own_world.store.delete([own_world.catalog.columns.ids[ordinal] for ordinal in gone])
            own_world.catalog.refresh()
            assert not np.isin(opened.retrieve(own_world.ask(retriever_case.known), 200).ordinals, gone).any()
        with retriever_case.build(own_world) as opened:
            assert not np.isin(opened.retrieve(own_world.ask(retriever_case.known), 200).ordinals, gone).any()

    @pytest.mark.parametrize("kind", KINDS)
    def test_only_the_kinds_asked_for(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World, kind: Kind
    ) -> None:
        """A query for one kind finds no other."""
        for text in (retriever_case.known, *TEXTS):
            found = contract_retriever.retrieve(contract_world.ask(text, kinds=(kind,)), 200)
            assert (contract_world.catalog.columns.kind[found.ordinals] == KINDS.index(kind)).all()

    @pytest.mark.parametrize(
        "filters",
        [
            Filters(values=(("genre", ("pop",)),)),
            Filters(values=(("genre", ("rock", "soul")),), year_lte=1990),
            Filters(year_gte=2005),
            Filters(values=(("genre", ("no such genre",)),)),
            Filters(clauses=(Clause(field="genre", values=("pop",), negated=True),)),
            Filters(clauses=(Clause(field="bpm", gte=80, lt=82.5),)),
            Filters(clauses=(Clause(field="label", exists=True), Clause(field="live", exists=True, negated=True))),
        ],
        ids=["genre", "genre and year", "year", "nothing passes", "not a genre", "a range", "there is a value"],
    )
    def test_filters_are_kept(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World, filters: Filters
    ) -> None:
        """What the filters forbid is not found."""
        mask = contract_world.catalog.columns.mask((), filters)
        for text in (retriever_case.known, *TEXTS):
            assert mask[contract_retriever.retrieve(contract_world.ask(text, filters=filters), 200).ordinals].all()

    def test_what_a_filter_lets_pass_is_still_found(
        self, retriever_case: RetrieverCase, contract_retriever: Retriever, contract_world: World
    ) -> None:
        """A filter takes away what it forbids, and nothing else."""
        if not retriever_case.literal:
            pytest.skip("what a filter leaves room for may be found instead")
        filters = Filters(values=(("genre", ("pop",)),))
        mask = contract_world.catalog.columns.mask((), filters)
        free = set(contract_retriever.retrieve(contract_world.ask(retriever_case.known), 200).ordinals.tolist())
        filtered = set(
            contract_retriever.retrieve(
                contract_world.ask(retriever_case.known, filters=filters), 200
            ).ordinals.tolist()
        )
        assert filtered == {ordinal for ordinal in free if mask[ordinal]} != set()

    def test_opened_again_it_answers_the_same(self, retriever_case: RetrieverCase, own_world: World) -> None:
        """What is on disk is enough."""
        with retriever_case.build(own_world) as opened:
            before = [opened.retrieve(own_world.ask(text), 200) for text in TEXTS]
        with retriever_case.build(own_world) as opened:
            after = [opened.retrieve(own_world.ask(text), 200) for text in TEXTS]
        assert all(map(same, before, after))

    @pytest.mark.parametrize("text", ["", "halo", "!!!", "宇多田ヒカル"])
    def test_an_empty_catalogue_has_no_answers(
        self, retriever_case: RetrieverCase, empty_own_world: World, text: str
    ) -> None:
        """Where there is nothing, nothing is found."""
        with retriever_case.build(empty_own_world) as opened:
            assert len(opened.retrieve(empty_own_world.ask(text), 10)) == 0
