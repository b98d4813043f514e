"""The bandit learns from settled searches, is published, and stays where an operator pinned it."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import structlog

from bandstand.bandit.context import Context
from bandstand.engine.request import SearchRequest, SearchResult
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.scorers import PlainScorer
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS
from tests.support.small_home import ENTITIES, MINUTE, SmallHome

FEATURES = FeatureSet(BUILT_IN)
TITLES = [entity.title for entity in ENTITIES if entity.title.isascii() and entity.id != "halo-again"]


@pytest.fixture
def bandit():
    return BanditLearner(FEATURES, scorer_of=lambda _: PlainScorer(FEATURES).score, cost_weight=0.003)


def with_outcome(impression, arm, **changes):
    outcomes = tuple(replace(o, **changes) if o.retriever == arm else o for o in impression.outcomes)
    return replace(impression, outcomes=outcomes)


def with_costs(impression, costs):
    """As if each retriever that played had taken its milliseconds, whatever this machine took."""
    outcomes = (replace(o, took_ms=costs.get(o.retriever, 0.0)) if o.status == "ok" else o for o in impression.outcomes)
    return replace(impression, outcomes=tuple(outcomes))


class TestCosts:
    @pytest.mark.parametrize(
        ("status", "took_ms", "cost"),
        [
            ("ok", 8.0, 8.0),
            ("late", 250.0, 250.0),  # it cost at least what was waited for it
            ("late", 0.0, BUILT_IN["dense"].cost_ms),  # not even begun
            ("failed", 8.0, BUILT_IN["dense"].cost_ms),
            ("rescue", 8.0, BUILT_IN["dense"].cost_ms),
            ("skipped", 0.0, BUILT_IN["dense"].cost_ms),
        ],
    )
    def test_what_an_arm_costs_is_what_was_waited_for_it(self, small, bandit, status, took_ms, cost):
        impression = small.search("halo", policy="all").impression
        bandit.observe_costs(with_outcome(impression, "dense", status=status, took_ms=took_ms))
        assert bandit._stats.cost("dense", DEPTHS[-1]) == cost

    def test_yields_count_searches_that_satisfied_and_arms_that_played(self, small, bandit):
        impression = with_outcome(small.search("so what", policy="all").impression, "trigram", status="late")
        bandit.learn(impression, {})
        assert bandit._stats.past_yield("lexical") == 0.5  # nothing is known yet
        bandit.learn(impression, {small.ordinal("so-what"): 1.0})
        stats = bandit._stats
        assert (stats.past_yield("lexical"), stats.past_yield("personal"), stats.past_yield("trigram")) == (1, 0, 0.5)


class TestLearning:
    def test_a_fixed_policys_search_gives_no_labels_and_the_bandits_gives_some(self, small, bandit):
        wanted = {small.ordinal("so-what"): 1.0}
        assert bandit.learn(small.search("so what", policy="all").impression, wanted) == []
        assert bandit.learn(small.search("so what", policy="bandit").impression, wanted)

    def test_a_search_logged_with_another_feature_teaches_the_same(self, small, bandit):
        """Every title scores alike in the plain ranker, whatever the last feature is called."""
        impression, wanted = small.search("so what", policy="bandit").impression, {small.ordinal("so-what"): 1.0}
        older = replace(impression, feature_names=(*impression.feature_names[:-1], "abolished"))
        assert bandit.learn(older, wanted) == bandit.learn(impression, wanted) != []

    def test_a_search_logged_without_any_feature_of_today_is_passed_over(self, small, bandit):
        impression = small.search("so what", policy="bandit").impression
        foreign = replace(impression, feature_names=tuple(f"their_{name}" for name in impression.feature_names))
        assert bandit.learn(foreign, {small.ordinal("so-what"): 1.0}) == []

    def test_an_empty_page_can_be_learned_from(self, small, bandit):
        assert bandit.learn(small.search("zzzzqqqq", policy="bandit", kinds=("station",)).impression, {})

    def test_its_state_is_restored_exactly(self, small, bandit):
        impression = small.search("so what", policy="random").impression
        state = Dict()
        bandit.observe_costs(impression)
        bandit.learn(impression, {small.ordinal("so-what"): 1.0})
        bandit.save(state)
        other = BanditLearner(FEATURES, scorer_of=lambda _: PlainScorer(FEATURES).score, cost_weight=0.003)
        other.restore(state.get)
        assert other.files() == bandit.files()
        for learner in (bandit, other):
            learner.learn(impression, {})
        assert other.files() == bandit.files()

    def test_only_what_changed_is_written(self, small, bandit):
        state = Dict()
        bandit.save(state)
        assert state == {}
        bandit.observe_costs(small.search("halo").impression)
        bandit.save(state)
        assert set(state) == {b"bandit/stats"}

    @pytest.mark.parametrize("key", [b"bandit/model", b"bandit/stats"])
    def test_where_its_state_cannot_be_read_it_begins_anew_and_says_so(self, bandit, key):
        fresh = bandit.files()
        with structlog.testing.capture_logs() as logs:
            bandit.restore({key: b"of another version"}.get)
        assert bandit.files() == fresh
        assert [entry["event"] for entry in logs] == ["bandit_begins_anew"]

    @pytest.mark.slow
    def test_it_leaves_out_an_arm_that_costs_much_and_earns_nothing(self, tmp_path):
        """Titles are found by the arms that always play; dense is made to look dear. The draws are seeded."""
        small = SmallHome(tmp_path / "dear", publish_every=1)
        engine, rng = small.home.engine, np.random.default_rng(2)
        skipped = []
        for number in range(330):
            small.clock.pass_(90)
            title = TITLES[rng.integers(len(TITLES))]
            answer = engine.answer(engine.query(SearchRequest(query=title, user_id="ann")), engine.policy("bandit"))
            skipped.append({arm.arm: arm.probabilities for arm in answer.impression.decision.arms}["dense"][0])
            impression = with_costs(
                answer.impression, {**{spec.name: spec.cost_ms for spec in BUILT_IN}, "dense": 30.0}
            )
            small.storage.log.append_impression(impression)
            small.play(impression.entity_ids[0], on=SearchResult(impression=impression, hits=(), took_ms=0.0))
            if number % 30 == 29:
                small.learn()
        assert np.mean(skipped[:30]) < 0.05
        assert np.mean(skipped[-20:]) > 0.5  # the model's weight grows with the labels that it has seen
        assert max(skipped) < 1  # exploration goes on
        small.close()

    def test_a_click_alone_does_not_move_it_until_the_search_settles(self, small):
        on = small.search("so what", user="ann", policy="random")
        small.play("so-what", on=on)
        small.learn()
        assert small.storage.memory.state(b"bandit/model") is None
        small.clock.pass_(2 * MINUTE)
        small.learn()
        assert small.storage.memory.state(b"bandit/model") is not None


class TestPublishing:
    def finalize(self, small, count):
        for _ in range(count):
            small.search("halo", policy="random")
        small.clock.pass_(31 * MINUTE)
        small.learn()

    @pytest.fixture
    def small(self, tmp_path):
        opened = SmallHome(tmp_path / "home", publish_every=10, keep_models=3)
        yield opened
        opened.close()

    def versions(self, small):
        return [version.version for version in small.storage.models.list("bandit")]

    def test_it_is_published_every_so_many_settled_searches_and_serves(self, small):
        self.finalize(small, 9)
        assert self.versions(small) == []
        self.finalize(small, 1)
        assert len(self.versions(small)) == 1
        assert small.search("halo").impression.models["bandit"] == self.versions(small)[0]

    def test_a_restart_publishes_nothing_again(self, small):
        self.finalize(small, 14)
        small.restart()
        self.finalize(small, 9)
        assert len(self.versions(small)) == 1
        self.finalize(small, 1)
        assert len(self.versions(small)) == 2

    def test_killed_after_learning_and_before_publishing_it_publishes_at_the_next_step(self, small):
        learner = small.learning_side.learner
        publish, learner._publish = learner._publish, lambda: None
        self.finalize(small, 12)
        learner._publish = publish
        small.restart()
        small.learn()
        assert len(self.versions(small)) == 1

    def test_killed_after_publishing_and_before_it_serves_it_serves_at_the_next_step(self, small):
        self.finalize(small, 10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(small.storage.models, "promote", lambda *_, **__: pytest.fail("killed"))
            with pytest.raises(pytest.fail.Exception, match="killed"):
                self.finalize(small, 10)
        first, second = self.versions(small)
        assert small.storage.models.current("bandit").version == first
        small.restart()
        small.learn()
        assert small.storage.models.current("bandit").version == second
        assert self.versions(small) == [first, second]

    def test_a_restart_leaves_a_version_that_an_operator_promoted(self, small):
        for _ in range(2):
            self.finalize(small, 10)
        chosen = self.versions(small)[0]
        small.storage.models.promote("bandit", chosen)
        small.restart()
        small.learn()
        assert small.storage.models.current("bandit").version == chosen

    def test_a_damaged_version_does_not_keep_it_from_learning(self, small):
        self.finalize(small, 10)
        newest = small.storage.models.list("bandit")[-1]
        (newest.path / next(iter(newest.files))).write_bytes(b"")
        small.restart()
        self.finalize(small, 10)
        assert small.storage.models.current("bandit").version == self.versions(small)[-1] > newest.version

    @pytest.mark.slow
    def test_old_versions_go(self, small):
        for _ in range(5):
            self.finalize(small, 10)
        assert len(self.versions(small)) == 3

    @pytest.mark.slow
    def test_a_version_that_an_operator_went_back_to_stays(self, small):
        for _ in range(2):
            self.finalize(small, 10)
        back = small.storage.models.rollback("bandit")
        for _ in range(4):
            self.finalize(small, 10)
        assert small.search("halo").impression.models["bandit"] == back
        assert back in self.versions(small)
        newest = self.versions(small)[-1]
        small.storage.models.promote("bandit", newest)
        small.home.refresh()
        assert small.search("halo").impression.models["bandit"] == newest

    def test_a_memory_that_is_begun_anew_publishes_in_its_turn(self, small):
        self.finalize(small, 10)
        learner = small.learning_side.learner
        learner._published = 1_000_000  # what the newest version says of a memory that is gone
        self.finalize(small, 10)
        assert len(self.versions(small)) > 1


def test_teaching_lets_the_learner_have_its_turn(small):
    learner = small.learning_side.learner
    impression = small.search("so what", policy="random").impression
    small.play("so-what", user_id="ann")
    small.storage.log.flush()
    reached = []

    def examples():
        for number in range(120):
            if number == 60:
                thread = threading.Thread(target=learner.step)
                thread.start()
                thread.join(30)
                reached.append(small.storage.memory.position())
            yield impression, {small.ordinal("so-what"): 1.0}

    version = learner.teach(examples())
    assert reached == [small.storage.log.head()]
    assert small.storage.models.current("bandit").version == version
    assert small.storage.models.current("bandit").read("model.vw") == small.storage.memory.state(b"bandit/model")


@pytest.mark.slow
def test_self_play_teaches_the_model_and_does_not_let_it_decide(small):
    searches = [small.search("so what", policy="random").impression for _ in range(20)]
    before = small.home.engine.policy("bandit")
    small.learning_side.learner.teach((impression, {small.ordinal("so-what"): 1.0}) for impression in searches * 20)
    small.home.refresh()
    after = small.home.engine.policy("bandit")
    assert after.version != before.version
    for arm in ("structured", "trigram", "dense"):
        assert after.probabilities(arm, Context()) == before.probabilities(arm, Context())


class Dict(dict):
    """A dictionary as the learner's key-value state."""

    def put(self, key, value):
        self[key] = value
