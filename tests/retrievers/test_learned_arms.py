"""The arms that answer from what people did: memory, alike, personal, fresh, rephrase; over a real memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.retrievers.alike import AlikeRetriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.encoder_registry import reopen
from bandstand.retrievers.fresh import FreshRetriever, FreshSettings
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever, RephraseSettings
from bandstand.retrievers.sentence import entity_sentence
from bandstand.retrievers.vector_index import DenseIndex
from bandstand.retrievers.vector_store import VectorStore
from bandstand.testing.world import NOW
from bandstand.types import Attribute, Entity, Slot
from bandstand.understanding.understanding import Understanding

DAY = 86_400.0


@pytest.fixture
def memory(tmp_path):
    opened = Memory(tmp_path / "memory", map_size=1 << 24)
    yield opened
    opened.close()


@pytest.fixture
def ordinal(world):
    """The ordinal of an entity's id."""
    return lambda id_: int(world.store.ordinals([id_])[0])


def click(memory, text, ordinal, *, users=("ann", "bob"), times=1, now=NOW):
    with memory.batch() as batch:
        for user in users:
            for _ in range(times):
                batch.click(text, ordinal, user=user, now=now)


def encoder_of(fingerprint):
    """Every hashing encoder is there, and no other."""
    return reopen(fingerprint, Path("no home"))


def learn_vectors(memory, encoder):
    with memory.batch() as batch:
        batch.adopt_encoder(encoder.fingerprint, encoder.dim)
    with memory.batch() as batch:
        for text in memory.vectors_wanted(100):
            batch.set_vector(text, encoder.encode_query(text))


class Foreign(HashingEncoder):
    """An encoder that some other process had."""

    def __init__(self, dim):
        super().__init__(dim)
        self.fingerprint = "foreign"


class TestMemory:
    def test_it_gives_what_the_query_led_to(self, world, memory, ordinal):
        click(memory, "crying song", ordinal("t:hurt-cash"), times=3)
        click(memory, "crying song", ordinal("t:hurt-nin"))
        found = MemoryRetriever(memory, world.catalog).retrieve(world.ask("Crying Song"), 10)
        assert found.ordinals.tolist() == [ordinal("t:hurt-cash"), ordinal("t:hurt-nin")]
        assert set(found.columns) == set(MemoryRetriever.spec.columns)
        assert found.columns["clicks"].tolist() == [6.0, 2.0]
        assert found.columns["share"].tolist() == pytest.approx([1.0, 1 / 3])
        assert found.corrected is None

    def test_a_near_spelling_is_named(self, world, memory, ordinal):
        click(memory, "crying song", ordinal("t:hurt-cash"))
        found = MemoryRetriever(memory, world.catalog).retrieve(world.ask("cryng song"), 10)
        assert found.corrected == "crying song"
        assert found.ordinals.tolist() == [ordinal("t:hurt-cash")]

    def test_another_user_sees_only_what_is_shared(self, world, memory, ordinal):
        click(memory, "crying song", ordinal("t:hurt-cash"), users=("ann",))
        retriever = MemoryRetriever(memory, world.catalog)
        assert len(retriever.retrieve(world.ask("crying song", user_id="ann"), 10)) == 1
        assert len(retriever.retrieve(world.ask("crying song", user_id="bob"), 10)) == 0
        assert len(retriever.retrieve(world.ask("crying song", user_id=None), 10)) == 0


class TestPersonal:
    def test_it_gives_what_the_user_chose(self, world, memory, ordinal):
        with memory.batch() as batch:
            batch.choose("ann", ordinal("t:hello"), normalized="hello", strength=1.0, now=NOW - DAY)
        retriever = PersonalRetriever(memory, world.catalog)
        found = retriever.retrieve(world.ask("hello", user_id="ann"), 10)
        assert found.ordinals[0] == ordinal("t:hello")
        assert set(found.columns) == set(PersonalRetriever.spec.columns)
        assert found.columns["days"][0] == pytest.approx(1.0, abs=1e-3)

    @pytest.mark.parametrize("user", [None, "", "nobody"])
    def test_who_has_no_history_gets_nothing(self, world, memory, ordinal, user):
        with memory.batch() as batch:
            batch.choose("ann", ordinal("t:hello"), normalized="hello", strength=1.0, now=NOW)
        found = PersonalRetriever(memory, world.catalog).retrieve(world.ask("hello", user_id=user), 10)
        assert len(found) == 0


class TestFresh:
    def test_the_score_is_the_documented_formula(self, world, memory, ordinal):
        """Halo is of 2008, popularity 0.9, added now; trend 3, the largest; the time is of 2023.87."""
        with memory.batch() as batch:
            batch.trend(ordinal("t:halo"), 3.0, now=NOW)
        found = FreshRetriever(memory, world.catalog).retrieve(world.ask(""), 1)
        years = 1970 + NOW / (365.2425 * DAY) - 2008
        assert found.ordinals.tolist() == [ordinal("t:halo")]
        assert found.scores[0] == pytest.approx(1.0 + 0.5 + 0.3 * 2 ** (-years / 2) + 0.2 * 0.9, rel=1e-4)
        assert found.columns["trend"][0] == pytest.approx(3.0, rel=1e-3)
        assert found.columns["age_days"].tolist() == [0.0]

    def test_newness_halves_in_two_weeks(self, world, memory):
        settings = FreshSettings(trend=0, released=0, popularity=0)
        retriever = FreshRetriever(memory, world.catalog, settings=settings)
        found = [retriever.retrieve(world.ask("", time=NOW + days * DAY), 3) for days in (0, 14, 28)]
        assert [float(candidates.scores[0]) for candidates in found] == pytest.approx([0.5, 0.25, 0.125], rel=1e-3)
        assert found[1].columns["age_days"].tolist() == [14.0] * 3

    def test_a_new_choice_is_seen_at_once(self, world, memory, ordinal):
        retriever = FreshRetriever(memory, world.catalog)
        before = retriever.retrieve(world.ask(""), 200)
        with memory.batch() as batch:
            batch.trend(ordinal("t:it"), 1.0, now=NOW)
        after = retriever.retrieve(world.ask(""), 200)
        assert before.ordinals[0] != ordinal("t:it")
        assert after.ordinals[0] == ordinal("t:it")

    def test_a_new_entity_is_seen_at_once(self, world, memory):
        retriever = FreshRetriever(memory, world.catalog)
        assert len(retriever.retrieve(world.ask(""), 200)) == world.store.count()
        world.store.upsert([Entity(id="new", kind="track", title="New")])
        world.catalog.refresh()
        assert len(retriever.retrieve(world.ask(""), 200)) == world.store.count()

    def test_a_search_from_before_the_entity_was_added_is_answered(self, world, memory):
        found = FreshRetriever(memory, world.catalog).retrieve(world.ask("", time=NOW - 300 * DAY), 5)
        assert (found.columns["age_days"] == 0).all()

    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("jazz", ["t:so-what-davis"]),
            ("calm playlist", ["p:rainy"]),
            ("pop songs 2015", ["t:hello", "t:hallo"]),
            ("pop of the nineties", []),
            ("rock stations", ["s:rock"]),
        ],
    )
    def test_what_the_query_names_is_had_by_all(self, world, memory, text, ids):
        slots = Understanding(world.catalog).interpret(text).slots()
        assert slots
        found = FreshRetriever(memory, world.catalog).retrieve(world.ask(text, slots=slots), 10)
        assert world.catalog.columns.ids[found.ordinals].tolist() == ids

    def test_the_better_fit_counts_more(self, world, memory):
        world.store.upsert(
            Entity(id=id_, kind="track", title=id_, attributes=(Attribute("mood", "odd", confidence),))
            for id_, confidence in (("a", 0.4), ("b", 0.8))
        )
        world.catalog.refresh()
        query = world.ask("odd", slots=(Slot("mood", "odd", 0.5),))
        found = FreshRetriever(memory, world.catalog).retrieve(query, 10)
        assert world.catalog.columns.ids[found.ordinals].tolist() == ["b", "a"]
        assert found.scores[0] == pytest.approx(2 * found.scores[1])

    def test_readings_of_one_word_are_alternatives(self, world, memory):
        slots = (Slot("mood", "rock", 0.2), Slot("genre", "rock", 0.8))
        found = FreshRetriever(memory, world.catalog).retrieve(world.ask("rock", slots=slots), 20)
        assert len(found) == len(world.catalog.columns.having("genre", "rock")[0])

    @pytest.mark.parametrize("slot", [Slot("year", "not a year"), Slot("kind", "no kind"), Slot("x", "y")])
    def test_a_slot_that_nothing_has_finds_nothing(self, world, memory, slot):
        assert len(FreshRetriever(memory, world.catalog).retrieve(world.ask("x", slots=(slot,)), 10)) == 0

    def test_trends_of_unknown_ordinals_are_passed_over(self, world, memory):
        """The memory may know of entities that this snapshot of the catalogue does not."""
        with memory.batch() as batch:
            batch.trend(1_000, 9.0, now=NOW)
        assert len(FreshRetriever(memory, world.catalog).retrieve(world.ask(""), 200)) == world.store.count()


class TestAlike:
    @pytest.fixture
    def retriever(self, world, memory, ordinal):
        """Not a word in common, but both led to Cash: what one led to besides is worth a try for the other."""
        click(memory, "empire of dirt", ordinal("t:hurt-cash"))
        click(memory, "johnny at the end", ordinal("t:hurt-cash"))
        click(memory, "johnny at the end", ordinal("t:it"))
        return AlikeRetriever(memory, world.catalog)

    def test_queries_with_like_answers_speak(self, world, memory, ordinal, retriever):
        found = retriever.retrieve(world.ask("empire of dirt"), 10)
        likeness = np.sqrt(0.5)  # of two answers one is in common, and both choices of it count alike
        score = memory.lookup("johnny at the end", user=None, now=NOW).scores[0]
        assert sorted(found.ordinals.tolist()) == sorted([ordinal("t:hurt-cash"), ordinal("t:it")])
        np.testing.assert_allclose(found.scores, [np.sqrt(likeness) * score] * 2, rtol=1e-5)
        np.testing.assert_allclose(found.columns["likeness"], [likeness] * 2, rtol=1e-5)
        assert found.columns["clicks"].tolist() == [2.0, 2.0]

    @pytest.mark.parametrize("text", ["dirt of empires", "", "klezmer"])
    def test_a_query_that_led_to_nothing_has_none_like_it(self, world, retriever, text):
        assert len(retriever.retrieve(world.ask(text), 10)) == 0


class TestRephrase:
    @pytest.fixture
    def retriever(self, world, memory, ordinal):
        """Learned: "sad country song" led to Cash twice as often as to NIN, "sad country songs" to Cash."""
        click(memory, "sad country song", ordinal("t:hurt-cash"), times=2)
        click(memory, "sad country song", ordinal("t:hurt-nin"))
        click(memory, "sad country songs", ordinal("t:hurt-cash"))
        click(memory, "loud metal", ordinal("t:one-metallica"))
        learn_vectors(memory, HashingEncoder())
        return RephraseRetriever(memory, encoder_of, world.catalog)

    def test_scores_are_summed_over_like_queries(self, world, memory, ordinal, retriever):
        encoder, text = HashingEncoder(), "very sad country song"
        found = retriever.retrieve(world.ask(text), 10)
        cosine = [
            float(encoder.encode_query(text) @ encoder.encode_query(t))
            for t in ("sad country song", "sad country songs")
        ]
        first, second = (memory.lookup(t, user=None, now=NOW) for t in ("sad country song", "sad country songs"))
        assert found.ordinals.tolist() == [ordinal("t:hurt-cash"), ordinal("t:hurt-nin")]
        expected = [cosine[0] * first.scores[0] + cosine[1] * second.scores[0], cosine[0] * first.scores[1]]
        np.testing.assert_allclose(found.scores, expected, rtol=2e-3)  # vectors are stored as float16
        np.testing.assert_allclose(found.columns["similarity"], [max(cosine), cosine[0]], rtol=2e-3)
        assert found.columns["clicks"].tolist() == [6.0, 2.0]

    def test_the_query_itself_is_left_to_the_memory_arm(self, world, ordinal, retriever):
        found = retriever.retrieve(world.ask("loud metal"), 10)
        assert ordinal("t:one-metallica") not in found.ordinals

    def test_unlike_queries_do_not_speak(self, world, retriever):
        assert len(retriever.retrieve(world.ask("klezmer"), 10)) == 0

    @pytest.mark.usefixtures("retriever")
    def test_only_so_many_neighbours_speak(self, world, memory, ordinal):
        one = RephraseSettings(neighbours=1)
        found = RephraseRetriever(memory, encoder_of, world.catalog, settings=one).retrieve(
            world.ask("sad country songss"), 10
        )
        assert found.ordinals.tolist() == [ordinal("t:hurt-cash")]

    def test_what_is_learned_later_speaks_after_a_refresh(self, world, memory, ordinal, retriever):
        click(memory, "klezmer music", ordinal("t:it"))
        learn_vectors(memory, HashingEncoder())
        query = world.ask("klezmer musics")
        assert len(retriever.retrieve(query, 10)) == 0
        retriever.refresh()
        assert retriever.retrieve(query, 10).ordinals.tolist() == [ordinal("t:it")]
        retriever.refresh()

    @pytest.mark.usefixtures("retriever")
    def test_a_withdrawn_query_gives_its_place_to_the_next_nearest(self, world, memory, ordinal):
        one = RephraseRetriever(memory, encoder_of, world.catalog, settings=RephraseSettings(neighbours=1))
        query = world.ask("sad country songss")
        assert one.retrieve(query, 10).ordinals.tolist() == [ordinal("t:hurt-cash")]
        with memory.batch() as batch:
            batch.forget_entity(ordinal("t:hurt-cash"))  # "sad country songs" led nowhere else
        one.refresh()
        assert one.retrieve(query, 10).ordinals.tolist() == [ordinal("t:hurt-nin")]
        one.refresh()

    def test_queries_come_and_go_without_leaving_anything_behind(self, world, memory, ordinal, retriever):
        for number in range(20):
            click(memory, f"klezmer number {number}", ordinal("t:it"))
            learn_vectors(memory, HashingEncoder())
            retriever.refresh()
            assert retriever.retrieve(world.ask(f"klezmer number {number} x"), 10).ordinals.tolist() == [
                ordinal("t:it")
            ]
            with memory.batch() as batch:
                batch.forget_entity(ordinal("t:it"))
            retriever.refresh()
            assert len(retriever.retrieve(world.ask(f"klezmer number {number} x"), 10)) == 0
        assert len(retriever._learned.texts) <= 3 + 2

    @pytest.mark.usefixtures("retriever")
    def test_vectors_of_an_encoder_that_is_not_there_are_left_out(self, world, memory):
        learn_vectors(memory, Foreign(64))
        other = RephraseRetriever(memory, encoder_of, world.catalog)
        assert len(other.retrieve(world.ask("loud metals"), 5)) == 0
        learn_vectors(memory, HashingEncoder())
        other.refresh()
        assert len(other.retrieve(world.ask("loud metals"), 5)) == 1

    def test_another_encoder_takes_over_with_its_own_vectors(self, world, memory, ordinal, retriever):
        """Of another length, query by query as they come: never compared with those of the one before."""
        learn_vectors(memory, HashingEncoder(32))
        retriever.refresh()
        found = retriever.retrieve(world.ask("very sad country song"), 10)
        assert found.ordinals.tolist() == [ordinal("t:hurt-cash"), ordinal("t:hurt-nin")]


@pytest.mark.parametrize("arm", [MemoryRetriever, AlikeRetriever, PersonalRetriever, FreshRetriever])
def test_a_memory_that_cannot_be_read_is_a_retrieval_error(world, memory, arm):
    memory.close()
    with pytest.raises(RetrievalError, match="closed"):
        arm(memory, world.catalog).retrieve(world.ask("halo"), 10)


def test_rephrasings_that_cannot_be_read_are_a_retrieval_error(world, memory, ordinal):
    click(memory, "halo song", ordinal("t:halo"))
    learn_vectors(memory, HashingEncoder())
    retriever = RephraseRetriever(memory, encoder_of, world.catalog)
    memory.close()
    with pytest.raises(RetrievalError, match="closed"):
        retriever.retrieve(world.ask("halo songs"), 10)


class TestDense:
    @pytest.fixture
    def vectors(self, world, tmp_path):
        store = VectorStore(tmp_path / "vectors.sqlite")
        store.apply(world.store.changes(0, 1_000), HashingEncoder())
        yield store
        store.close()

    def test_a_new_entity_is_found_without_a_rebuild(self, world, vectors):
        index = DenseIndex(vectors)
        retriever = DenseRetriever(encoder_of, index, world.catalog)
        world.store.upsert([Entity(id="new", kind="track", title="Zwieback Polka")])
        world.catalog.refresh()
        vectors.apply(world.store.changes(vectors.seq, 10), HashingEncoder())
        assert index.refresh() == 1
        found = retriever.retrieve(world.ask("zwieback polka"), 1)
        assert world.catalog.columns.ids[found.ordinals].tolist() == ["new"]
        assert 0.5 < found.scores[0] <= 1.0

    def test_equal_sentences_tie_whatever_part_they_are_in(self, world, vectors):
        twin = next(entity for _, entity in world.store.scan() if entity.id == "t:halo")
        index = DenseIndex(vectors)
        world.store.upsert([replace(twin, id="twin")])
        world.catalog.refresh()
        vectors.apply(world.store.changes(vectors.seq, 10), HashingEncoder())
        index.refresh()
        found = DenseRetriever(encoder_of, index, world.catalog).retrieve(world.ask(entity_sentence(twin)), 2)
        assert world.catalog.columns.ids[found.ordinals].tolist() == ["t:halo", "twin"]
        assert found.scores[0] == found.scores[1]

    def test_vectors_whose_encoder_is_not_there_are_refused(self, world, vectors):
        vectors.adopt(Foreign(64))
        retriever = DenseRetriever(encoder_of, DenseIndex(vectors), world.catalog)
        with pytest.raises(RetrievalError, match="bandstand index"):
            retriever.retrieve(world.ask("halo"), 10)
