"""Searches end to end over a small real home."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandstand.catalog.text import normalize
from bandstand.engine.request import SearchRequest
from bandstand.errors import BadInput, NotFound
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, LOGGED_DEPTH, Filters
from tests.support.small_home import SmallHome, ids, track

POLICIES = {
    "bandit": set(BUILT_IN.names),
    "all": set(BUILT_IN.names),
    "lexical": {"lexical"},
    "dense": {"dense"},
    "memory": {"memory"},
    "hybrid": {"lexical", "dense"},
    "random": set(BUILT_IN.names),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_plays_its_arms_and_logs_what_it_decided(small, policy):
    result = small.search("halo", policy=policy)
    impression = result.impression
    decision = impression.decision
    assert decision.policy == policy
    assert (
        [arm.arm for arm in decision.arms]
        == list(BUILT_IN.names)
        == [outcome.retriever for outcome in impression.outcomes]
    )
    assert {arm.arm for arm in decision.arms if arm.depth} <= POLICIES[policy]
    for arm, outcome in zip(decision.arms, impression.outcomes, strict=True):
        assert 0 < arm.propensity <= 1
        assert (outcome.status == "skipped") == (arm.depth == 0)
        if arm.probabilities:
            assert sum(arm.probabilities) == pytest.approx(1)
            assert arm.propensity == arm.probabilities[DEPTHS.index(arm.depth)]
    logged = small.home.log.impression(impression.query.id)
    assert logged.entity_ids == impression.entity_ids


@pytest.mark.parametrize("policy", ["all", "lexical", "dense", "memory", "hybrid"])
def test_fixed_policies_find_a_title(small, policy):
    assert ids(small.search("hallelujah", policy=policy))[0] == "hallelujah"


def test_a_hit_says_who_brought_it(small):
    top = small.search("thunderstruck", policy="hybrid").hits[0]
    assert (top.entity.id, top.position) == ("thunderstruck", 1)
    assert {source.retriever: source.rank for source in top.sources} == {"lexical": 1, "dense": 1}


def test_the_same_recording_on_two_albums_is_one_hit(small):
    found = ids(small.search("halo", policy="all"))
    assert ("halo" in found) != ("halo-again" in found)
    assert {"halo-depeche"} < set(found)


class TestPaging:
    def test_a_further_page_repeats_decision_and_ranking(self, small):
        first = small.search("halo", k=2, policy="all")
        second = small.search("halo", k=2, offset=2, query_id=first.impression.query.id)
        assert [hit.position for hit in second.hits] == [3, 4]
        assert ids(first) + ids(second) == list(first.impression.entity_ids[:4])
        assert second.impression.decision == first.impression.decision
        small.home.log.flush()
        assert small.home.log.count("impression") == 1

    def test_it_repeats_them_after_learning_and_after_a_restart(self, small):
        first = small.search("halo", k=5, user="ann", policy="all")
        small.play(ids(first)[4], on=first)
        small.learn()
        small.restart()
        again = small.search("anything", k=5, query_id=first.impression.query.id)
        assert (ids(again), again.impression.decision) == (ids(first), first.impression.decision)

    def test_a_page_beyond_the_ranking_is_empty(self, small):
        first = small.search("hallelujah", policy="lexical")
        assert small.search("", offset=50, query_id=first.impression.query.id).hits == ()

    def test_what_was_deleted_meanwhile_is_left_out_and_the_others_keep_their_positions(self, small):
        first = small.search("halo", k=3, policy="all")
        small.storage.store.delete([ids(first)[1]])
        small.home.refresh()
        again = small.search("halo", k=3, query_id=first.impression.query.id)
        assert [(hit.entity.id, hit.position) for hit in again.hits] == [(ids(first)[0], 1), (ids(first)[2], 3)]

    def test_a_page_may_hold_what_this_process_has_not_heard_of_yet(self, small):
        small.storage.store.upsert([track("new", "Halo Halo", "Ida")])
        first = small.search("halo", policy="all")
        grown = np.append(first.impression.ordinals, small.ordinal("new")).astype(np.int32)
        assert grown[-1] >= small.home.catalog.columns.n
        impression = replace(
            first.impression, ordinals=grown, scores=np.append(first.impression.scores, np.float32(0)),
            features=np.vstack([first.impression.features, first.impression.features[-1:]]),
        )  # fmt: skip
        last = SearchRequest(query="halo", offset=len(grown) - 1, k=1)
        assert small.home.engine._hits(impression, last)[0].entity.id == "new"

    def test_an_unknown_search_cannot_be_paged(self, small):
        with pytest.raises(NotFound, match="no search"):
            small.search("halo", query_id="never")


class TestExplain:
    @pytest.mark.slow
    @pytest.mark.parametrize("trained", [False, True])
    def test_contributions_and_bias_sum_to_the_score(self, small, trained):
        if trained:
            small.learning_side.train(small.home)
        result = small.search("happy halo", explain=True, policy="all")
        assert len(result.explanations) == len(result.hits) > 1
        for hit, why in zip(result.hits, result.explanations, strict=True):
            assert sum(why.contributions.values()) + why.bias == pytest.approx(hit.score, abs=1e-4)
            assert why.features.keys() == why.contributions.keys()
            assert why.features["personal.rr"] is None  # NaN has no JSON

    @pytest.mark.slow
    def test_when_another_ranker_serves_only_the_features_are_known(self, small):
        first = small.search("halo", policy="all")
        small.learning_side.train(small.home)
        again = small.search("halo", query_id=first.impression.query.id, explain=True)
        assert again.explanations[0].features["title_exact"] == 1
        assert (again.explanations[0].contributions, again.explanations[0].bias) == ({}, None)

    def test_an_empty_page_has_nothing_to_explain(self, small):
        assert small.search("zzzzqqqq", policy="memory", explain=True).explanations == ()


class TestWhatMayBeFound:
    def test_kinds(self, small):
        result = small.search("beyoncé", kinds=("artist",), policy="all")
        assert ids(result)[0] == "beyonce"
        assert {hit.entity.kind for hit in result.hits} == {"artist"}

    def test_attributes_and_years(self, small):
        jazz = Filters(values=(("genre", ("jazz", "folk")),), year_lte=1970)
        assert set(ids(small.search("blue", filters=jazz, policy="all"))) == {"so-what", "blue-in-green"}
        assert ids(small.search("halo", filters=Filters(year_gte=2050), policy="all")) == []

    def test_a_deleted_entity_is_not_found_by_any_arm(self, small):
        small.play("hallelujah", on=small.search("hallelujah", user="ann"))
        small.learn()
        small.storage.store.delete(["hallelujah"])
        small.home.refresh()  # the text index and the vectors still hold it
        for policy in POLICIES:
            assert "hallelujah" not in ids(small.search("hallelujah", user="ann", policy=policy))

    def test_a_new_entity_is_found_after_index_and_refresh(self, small):
        assert "kid-a" not in ids(small.search("kid a radiohead", policy="all"))
        small.storage.store.upsert([track("kid-a", "Kid A", "Radiohead")])
        small.learning_side.index()
        small.home.refresh()
        for policy in ("lexical", "dense", "memory"):
            assert ids(small.search("kid a radiohead", policy=policy))[0] == "kid-a"
        assert small.home.searchable == small.storage.store.head()

    def test_a_changed_entity_is_found_by_its_new_name_only(self, small):
        small.storage.store.upsert([track("hello", "Skyfall", "Adele")])
        small.learning_side.index()
        small.home.refresh()
        assert ids(small.search("skyfall", policy="lexical")) == ["hello"]
        assert "hello" not in ids(small.search("hello", policy="lexical"))


@pytest.mark.parametrize("text", ["", "   ", "zzzzqqqqxxxx", "!!!", "🎧", "a" * 10_000, "宇多田", "\u202e", "0"])
@pytest.mark.parametrize("policy", ["all", "bandit"])
def test_any_text_is_answered(small, text, policy):
    result = small.search(text, policy=policy)
    assert not {outcome.status for outcome in result.impression.outcomes} & {"failed", "late"}
    assert result.impression.shown == len(result.hits) <= 10


def test_an_empty_catalogue_is_answered(tmp_path):
    empty = SmallHome(tmp_path / "empty", entities=())
    for policy in POLICIES:
        assert empty.search("halo", policy=policy).hits == ()
    empty.close()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("k", {"k": 0}),
        ("k", {"k": LOGGED_DEPTH + 1}),
        ("offset", {"offset": -1}),
        ("offset", {"offset": LOGGED_DEPTH - 1, "k": 2}),
        ("query", {"query": "x" * 10_001}),
        ("query", {"query": "half a \ud83d"}),
        ("user_id", {"user_id": "\udc00"}),
        ("session_id", {"session_id": "\udc00"}),
        ("policy", {"policy": "best"}),
    ],
)
def test_bad_values_are_refused_by_name_and_nothing_is_logged(small, field, values):
    with pytest.raises(BadInput) as refused:
        small.home.engine.search(SearchRequest(**{"query": "halo", **values}))
    assert refused.value.field == field
    assert small.home.log.count() == 0


def test_decisions_depend_on_seed_and_search_alone(small, tmp_path):
    def depths(result):
        return [(arm.depth, arm.propensity) for arm in result.impression.decision.arms]

    engine = small.home.engine
    query = engine.query(SearchRequest(query="halo"))
    answers = [engine.answer(query, engine.policy("random")) for _ in range(3)]
    assert len({tuple(depths(answer)) for answer in answers}) == 1
    decided = {tuple(depths(small.search("halo", policy="random"))) for _ in range(20)}
    assert len(decided) > 10  # another search, another draw


def test_the_context_knows_whether_the_actor_has_a_past(small):
    def history(**who):
        arms = small.search("halo", **who).impression.decision.arms
        return {dict(arm.context)["history"] for arm in arms if arm.context}

    small.play("halo", on=small.search("halo", user="ann"))
    small.play("halo", on=small.search("halo", session="s1"))
    small.learn()
    assert history(user="ann") == history(session="s1") == {1.0}
    assert history(user="bob") == history(session="s2") == history() == {0.0}


class TestFacets:
    def test_counts_over_the_candidates_and_exact_totals(self, small):
        result = small.search("halo", policy="lexical", facets=("genre", "kind"))
        assert {c.value: (c.count, c.total) for c in result.facets["genre"]} == {"pop": (2, 4), "synthpop": (1, 1)}
        assert {c.value: (c.count, c.total) for c in result.facets["kind"]} == {"track": (3, 15)}

    @pytest.mark.parametrize(
        ("sort", "value"),
        [
            ("year:desc", lambda entity: entity.year and -entity.year),
            ("released", lambda entity: entity.released),
            ("popularity:asc", lambda entity: entity.popularity),
            ("Title", lambda entity: normalize(entity.title)),
        ],
    )
    def test_hits_are_in_the_order_of_a_field_those_without_last(self, small, sort, value):
        relevant = small.search("halo one beyonce", policy="all", k=50)
        found = small.search("halo one beyonce", policy="all", sort=sort, k=50)
        assert set(ids(found)) == set(ids(relevant))
        values = [value(hit.entity) for hit in found.hits]
        known = [each for each in values if each is not None]
        assert values == sorted(known) + [None] * (len(values) - len(known))
        further = small.home.search(SearchRequest(query="x", query_id=found.impression.query.id, offset=2, k=3))
        assert ids(further) == ids(found)[2:5]

    @pytest.mark.parametrize("sort", ["yaer", "genre", "year:down", "url"])
    def test_what_there_is_no_order_by_is_refused(self, small, sort):
        with pytest.raises(BadInput) as refused:
            small.search("halo", sort=sort)
        assert refused.value.field == "sort"

    def test_totals_obey_the_filters(self, small):
        jazz = Filters(values=(("genre", ("jazz",)),))
        result = small.search("blue", policy="lexical", filters=jazz, facets=("year",))
        assert [(c.value, c.count, c.total) for c in result.facets["year"]] == [("1959", 1, 2)]

    def test_a_further_page_has_none(self, small):
        first = small.search("halo", k=1, facets=("kind",))
        assert small.search("halo", k=1, offset=1, query_id=first.impression.query.id, facets=("kind",)).facets == {}

    def test_an_unknown_one_is_refused_and_nothing_is_logged(self, small):
        with pytest.raises(BadInput, match="unknown facet 'colour'"):
            small.search("halo", facets=("colour",))
        small.home.log.flush()
        assert small.home.log.count() == 0


class TestReading:
    def test_readings_are_explained(self, small):
        reading = small.search("rock 1990", explain=True).reading
        assert sum(each.probability for each in reading.readings) == pytest.approx(1)
        best = {sense.slot: sense for sense in reading.readings[0].senses}
        assert (best["genre"].value, best["year"].value) == ("rock", "1990")
        assert best["genre"].posterior == pytest.approx(best["genre"].prior * best["genre"].likelihood)
        assert small.search("rock 1990").reading is None

    def test_slots_are_logged_with_their_words(self, small):
        query = small.search("hello adele").impression.query
        small.home.log.flush()
        logged = small.home.log.impression(query.id).query
        assert logged.slots == query.slots
        assert {(slot.name, slot.value, slot.phrase) for slot in logged.slots} >= {
            ("track", "hello", "hello"), ("artist", "adele", "adele"),
        }  # fmt: skip

    def test_the_structured_arm_finds_by_facts(self, small):
        assert ids(small.search("jazz 1959", policy="all", k=2)) in (
            ["so-what", "blue-in-green"], ["blue-in-green", "so-what"],
        )  # fmt: skip


class TestCorrection:
    def test_results_are_shown_for_the_corrected_words(self, small):
        result = small.search("thunderstrukc", policy="lexical")
        correction = result.impression.query.correction
        assert (correction.text, correction.typed, correction.mode) == ("thunderstruck", "thunderstrukc", "showing")
        assert ids(result) == ["thunderstruck"]
        assert small.home.log.impression(result.impression.query.id).query.correction == correction

    def test_trigram_is_asked_for_both(self, small):
        found = small.home.retrievers.retrievers["trigram"]
        query = small.home.engine.query(SearchRequest(query="thunderstrukc"))
        both = found.retrieve(query, 10)
        typed = found.retrieve(replace(query, correction=None), 10)
        assert both.scores[0] > typed.scores[0]
        assert set(typed.ordinals.tolist()) <= set(both.ordinals.tolist())

    def test_search_instead_for_what_was_typed(self, small):
        result = small.search("thunderstrukc", policy="lexical", correct=False)
        assert result.impression.query.correction is None
        assert ids(result) == []

    def test_half_a_word_is_not_corrected(self, small):
        assert small.search("thunderstrukc", preview=True).impression.query.correction is None

    def test_half_a_word_is_compared_with_beginnings_whatever_is_drawn(self, small):
        for _ in range(8):
            result = small.search("thunderst", policy="random", preview=True)
            decided = {arm.arm: arm.depth for arm in result.impression.decision.arms}
            assert decided["trigram"] >= 50
            assert ids(result)[0] == "thunderstruck"

    def test_half_a_word_under_a_fixed_policy_is_asked_of_its_arms_alone(self, small):
        assert ids(small.search("thunderst", policy="lexical", preview=True)) == []

    @pytest.mark.parametrize("text", ["halo", "hurt johnny cash", "1959", "1958", "one u2", "u3", "ha", "hal"])
    def test_names_numbers_and_short_words_are_left_alone(self, small, text):
        correction = small.search(text).impression.query.correction
        assert correction is None or correction.mode == "suggest"

    def test_what_the_memory_learned_beats_a_correction(self, small):
        for user in ("ann", "bob"):
            first = small.search("thunderstrukc", user=user, correct=False)
            small.play("hoppipolla", on=first)
            small.learn()
            own = small.search("thunderstrukc", user=user, policy="all")
            assert own.impression.query.correction is None
            assert ids(own)[0] == "hoppipolla"
            anybody = small.search("thunderstrukc", user="zoe", policy="all").impression
            assert (anybody.query.correction is None) == (user == "bob")  # once two agree
