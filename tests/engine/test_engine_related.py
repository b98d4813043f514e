"""Related entities over a small real home: every source, how they are fused, what they learn, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.conditions import Scope
from bandstand.engine.related import MOST, WEIGHTS, by_artist, by_attributes, by_lists
from bandstand.errors import BadInput, NotFound, RetrievalError
from bandstand.types import Attribute, Clause, Entity, Filters
from tests.support.small_home import SmallHome, track


def related(small, entity, k=50, **rest):
    return {each.entity.id: each for each in small.home.relater.related(entity, k, **rest)}


def sources(small, entity):
    return {id_: dict(each.sources) for id_, each in related(small, entity).items()}


def choose(small, user, *entities, to=None):
    for entity in entities:
        extra = "{}" if to is None else f'{{"event_attributes": {{"related_to": "{to}"}}}}'
        small.act(entity, user_id=user, payload=extra)
    small.learn()


class TestContent:
    def test_the_artist_of_a_song_and_the_songs_of_an_artist(self, small):
        assert sources(small, "halo")["beyonce"]["artist"] == 1.0
        assert sources(small, "beyonce")["halo"]["artist"] == pytest.approx((1 + 0.9) / 4)
        assert sources(small, "so-what")["blue-in-green"]["artist"] == pytest.approx((1 + 0.6) / 4)

    def test_lists_in_common_and_what_a_list_holds(self, small):
        # One list of two: w = 1 / log2(3), and x = w / (1 + w).
        weight = 1 / np.log2(3)
        assert sources(small, "hurt-cash")["hoppipolla"]["lists"] == pytest.approx(weight / (1 + weight))
        assert sources(small, "hurt-cash")["rainy"]["lists"] == pytest.approx((1 + 0.3) / 2)
        assert {"hurt-cash", "hoppipolla"} <= {id_ for id_, said in sources(small, "rainy").items() if "lists" in said}

    def test_attributes_by_how_rare_they_are(self, small):
        small.storage.store.upsert(
            [
                Entity(
                    id="a", kind="track", title="A", attributes=(Attribute("mood", "odd"), Attribute("genre", "pop"))
                ),
                Entity(id="b", kind="track", title="B", attributes=(Attribute("mood", "odd", 0.5),)),
                Entity(id="c", kind="track", title="C", attributes=(Attribute("genre", "pop"),)),
            ]
        )
        small.home.refresh()
        columns = small.home.catalog.columns
        ordinals, scores = by_attributes(columns, small.storage.store.get("a"))
        found = dict(zip(columns.ids[ordinals].tolist(), scores.tolist(), strict=True))
        n, pop = columns.n, len(columns.having("genre", "pop")[0])
        odd_idf, pop_idf = np.log(n / 2), np.log(n / pop)
        assert found["b"] == pytest.approx(0.5 * odd_idf / (odd_idf + pop_idf), rel=1e-5)
        assert found["c"] == pytest.approx(pop_idf / (odd_idf + pop_idf), rel=1e-5)

    def test_neighbours_by_embedding(self, small):
        nearest = max(sources(small, "so-what").items(), key=lambda item: item[1].get("dense", 0))
        assert nearest[0] == "blue-in-green"
        assert 0 < nearest[1]["dense"] < 1

    def test_an_entity_without_anything_has_nothing_to_say_but_its_embedding(self, small):
        small.storage.store.upsert([Entity(id="bare", kind="station", title="Zzz")])
        small.home.refresh()
        columns, ordinal = small.home.catalog.columns, small.ordinal("bare")
        for found, _ in (
            by_artist(columns, ordinal),
            by_attributes(columns, small.storage.store.get("bare")),
            by_lists(small.home.relater._memberships, columns, ordinal),
        ):
            assert not len(found)
        assert all(set(said) <= {"dense"} for said in sources(small, "bare").values())


class TestFusion:
    def test_the_score_is_a_noisy_or_of_what_is_said(self, small):
        for each in related(small, "halo").values():
            missed = np.prod([1 - WEIGHTS[name] * value for name, value in each.sources.items()])
            assert each.score == pytest.approx(1 - missed, abs=1e-5)
            assert each.sources

    def test_best_first_without_itself_and_each_recording_once(self, small):
        found = list(related(small, "halo-depeche").values())
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        ids = [each.entity.id for each in found]
        assert "halo-depeche" not in ids
        assert len({"halo", "halo-again"} & set(ids)) <= 1
        assert "halo-again" not in related(small, "halo")

    def test_kinds_and_what_is_left_out(self, small):
        assert {each.entity.kind for each in related(small, "halo", within=Scope(kinds=("artist",))).values()} == {
            "artist"
        }
        assert "beyonce" not in related(small, "halo", without=["beyonce", "unknown"])

    def test_what_a_filter_forbids_is_not_related(self, small):
        assert set(related(small, "halo")) == {"beyonce", "hello"}
        within = Scope(filters=Filters(clauses=(Clause(field="year", gte=2015, negated=True),)))
        assert set(related(small, "halo", within=within)) == {"beyonce"}
        with pytest.raises(BadInput, match="genre"):
            related(small, "halo", within=Scope(filters=Filters(values=(("gnre", ("pop",)),))))

    def test_a_dense_retriever_that_fails_is_missed(self, small, monkeypatch):
        def fail(*_):
            raise RetrievalError("no line")

        monkeypatch.setattr(small.home.retrievers.retrievers["dense"], "retrieve", fail)
        found = sources(small, "halo")
        assert "beyonce" in found
        assert not any("dense" in said for said in found.values())


class TestLearning:
    def test_what_enough_users_chose_together(self, small):
        assert "together" not in sources(small, "hello").get("thunderstruck", {})
        choose(small, "ann", "hello", "thunderstruck")
        assert "together" not in sources(small, "hello").get("thunderstruck", {})  # hers alone
        choose(small, "bob", "hello", "thunderstruck")
        # Two users chose both, nobody anything else: 2 / (sqrt(2 · 2) + 5).
        assert sources(small, "hello")["thunderstruck"]["together"] == pytest.approx(2 / 7)
        assert sources(small, "thunderstruck")["hello"]["together"] == pytest.approx(2 / 7)

    def test_evidence_outgrows_content(self, small):
        def rank(id_):
            return list(related(small, "so-what")).index(id_)

        before = rank("thunderstruck") if "thunderstruck" in related(small, "so-what") else MOST
        for number in range(50):
            for entity in ("so-what", "thunderstruck"):
                small.act(entity, user_id=f"user {number}")
        small.learn()
        assert rank("thunderstruck") == 0 < before

    def test_what_the_same_queries_led_to(self, small):
        for user in ("ann", "bob"):
            small.act("hurt-cash", on=small.search("sad songs", user=user))
        for user in ("cat", "dan"):
            small.act("hallelujah", on=small.search("sad songs", user=user))
        small.learn()
        # The query led to both, two clicks each: 2 / (4 + 5).
        assert sources(small, "hurt-cash")["hallelujah"]["asked"] == pytest.approx(2 / 9, rel=1e-3)

    def test_a_choice_of_what_was_offered_teaches_the_pair_and_no_query(self, small):
        page = small.search("hello", user="ann")
        for user in ("ann", "bob"):
            event = '{"event_attributes": {"related_to": "hello"}}'
            small.act("one-u2", user_id=user, query_id=page.impression.query.id, payload=event)
        small.learn()
        assert sources(small, "hello")["one-u2"]["together"] == pytest.approx(2 / 7)
        assert sources(small, "one-u2")["hello"]["together"] == pytest.approx(2 / 7)
        now = small.clock()
        assert not small.home.memory.lookup("hello", user="ann", now=now).clicks.any()
        assert small.home.memory.knows("ann")

    def test_it_grades_no_search_either(self, small):
        page = small.search("halo", user="ann", policy="all")
        second = page.hits[1].entity.id
        small.act(second, on=page, payload='{"event_attributes": {"related_to": "hello"}}')
        small.clock.pass_(3600)
        small.learn()
        assert not small.home.memory.lookup("halo", user="ann", now=small.clock()).clicks.any()

    def test_a_pair_with_something_unknown_is_only_a_choice(self, small):
        choose(small, "ann", "hello", to="never heard of")
        choose(small, "ann", "hello", to="hello")
        assert small.home.memory.knows("ann")

    def test_forgotten_entities_are_related_to_nothing(self, small):
        for user in ("ann", "bob"):
            choose(small, user, "hello", "thunderstruck")
        small.storage.store.delete(["thunderstruck"])
        small.home.refresh()
        assert "thunderstruck" not in related(small, "hello")


class TestFollowing:
    def test_new_lists_and_members(self, small):
        related(small, "rainy")
        small.storage.store.upsert([Entity(id="mix", kind="playlist", title="Mix", members=("halo", "later", "halo"))])
        small.home.refresh()
        assert "lists" in sources(small, "halo")["mix"]
        small.storage.store.upsert([track("later", "Later", "Ida")])
        small.home.refresh()
        assert "lists" in sources(small, "halo")["later"]
        small.storage.store.delete(["mix"])
        small.home.refresh()
        assert "mix" not in related(small, "halo")
        assert "lists" not in sources(small, "halo").get("later", {})


class TestBadInput:
    @pytest.mark.parametrize("k", [0, -1, MOST + 1])
    def test_k_has_bounds(self, small, k):
        with pytest.raises(BadInput, match="k must be"):
            small.home.relater.related("halo", k)

    @pytest.mark.parametrize("entity", ["never", "", "halo/related"])
    def test_unknown_entities(self, small, entity):
        with pytest.raises(NotFound):
            small.home.relater.related(entity)

    def test_deleted_entities(self, small):
        small.storage.store.delete(["hello"])
        with pytest.raises(NotFound):
            small.home.relater.related("hello")

    def test_entities_that_this_process_has_not_heard_of_yet(self, small):
        small.storage.store.upsert([track("new", "New", "Ida")])
        with pytest.raises(NotFound, match="new"):
            small.home.relater.related("new")


def test_it_is_the_same_after_a_restart(tmp_path):
    small = SmallHome(tmp_path / "own")
    for user in ("ann", "bob"):
        choose(small, user, "hello", "thunderstruck")
    before = sources(small, "hello")
    small.restart()
    assert sources(small, "hello") == before
    small.close()
