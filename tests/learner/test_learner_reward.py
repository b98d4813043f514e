"""The learned reward in the learner: named in the log, repeatable, bounded; and what it relabels."""

from __future__ import annotations

import pytest

from bandstand.feedback.behaviour import Interaction
from bandstand.feedback.reward_model import MODEL_FILE, RewardModel
from bandstand.feedback.reward_training import train_reward
from bandstand.learner.relabelling import WeakLabel, WeakLabels, agreed
from bandstand.learner.rewards import REWARD_MODEL, order_of
from tests.support.evening_log import copied, different, learning, state_of, write_log
from tests.support.sessions import listeners
from tests.support.small_home import ids


@pytest.fixture(scope="module")
def files(made_once):
    def train(folder):
        folder.mkdir()
        (folder / MODEL_FILE).write_bytes(train_reward(listeners(2_000), seed=1).model.to_bytes())

    return {MODEL_FILE: (made_once("reward", train) / MODEL_FILE).read_bytes()}


def promoted(models, files):
    version = models.publish("reward", files)
    models.promote("reward", version)
    return version


def judging(small):
    return small.learning_side.learner._rewards.version


def clicks(small, text):
    """Clicks and plays that everybody's memory holds for a query, by entity."""
    small.learn()
    columns = small.home.catalog.columns
    return {str(columns.ids[row.ordinal]): (row.clicks, row.plays) for row in small.home.memory.query_rows(text)}


class TestPinned:
    def test_the_log_says_from_where_on_a_model_judges(self, small, files):
        small.search("halo")
        small.learn()
        assert judging(small) is None
        version = promoted(small.storage.models, files)
        small.learn()
        small.learn()
        assert judging(small) == version
        records = [entry.record for entry in small.storage.log.read(0, 100, kind="control")]
        assert [(record.kind, record.payload["version"]) for record in records] == [(REWARD_MODEL, version)]

    def test_a_rollback_is_followed_and_so_is_switching_it_off(self, small, files):
        first = promoted(small.storage.models, files)
        small.learn()
        second = promoted(small.storage.models, files)
        small.learn()
        assert judging(small) == second
        small.storage.models.rollback("reward")
        small.learn()
        assert judging(small) == first
        small.close()
        small.settings = small.settings.model_copy(update={"reward_model": "constants"})
        small.reopen()
        small.learn()
        assert judging(small) is None

    def test_a_restart_goes_on_with_what_was_pinned_also_when_the_registry_has_lost_it(self, small, files):
        version = promoted(small.storage.models, files)
        small.learn()
        small.close()
        (small.settings.home / "models" / "reward" / "CURRENT").unlink()
        small.reopen()
        small.learning_side.learner._load()
        assert judging(small) == version

    def test_a_model_that_cannot_be_read_judges_nothing(self, small):
        promoted(small.storage.models, {MODEL_FILE: b"{}"})
        on = small.search("sad tune", user="ann")
        small.act("hurt-cash", on=on)
        small.learn()
        assert small.learning_side.learner._rewards.model is None


@pytest.mark.parametrize("batch", [1, 13])
def test_the_same_log_in_other_batches_teaches_the_same_when_a_model_begins_to_judge(tmp_path, files, batch):
    def judge_by_it(storage):
        promoted(storage.models, files)
        storage.log.append_control(REWARD_MODEL, order_of(storage.models.current("reward")))

    ends, states = write_log(tmp_path / "written", searches=40, midway=judge_by_it), []
    for number, size in enumerate((batch, 500)):
        copy = copied(tmp_path / "written", tmp_path / f"copy{number}")
        with learning(copy, ends, batch=size) as (opened, learner):
            opened.log.append_control(REWARD_MODEL, order_of(opened.models.current("reward")))
            learner.catch_up()
            assert learner._rewards.model is not None
            states.append(state_of(opened))
    assert different(*states) == []


class TestWorth:
    @pytest.fixture
    def judged(self, small, files):
        promoted(small.storage.models, files)
        small.learn()
        return small

    def test_a_click_counts_by_how_likely_it_was_right_and_a_long_play_nearly_whole(self, judged):
        for user in ("ann", "bob"):
            on = judged.search("halo beyonce", user=user, policy="all")
            judged.act("halo", on=on)
            judged.play("halo", on=on)
        clicked, played = clicks(judged, "halo beyonce")["halo"]
        assert 0.5 < clicked < 2
        assert 1.9 < played <= 2

    def test_a_search_settles_with_what_the_model_says(self, judged):
        on = judged.search("halo", user="ann", policy="all")
        judged.act("halo", on=on)
        judged.act("halo", on=on, action="play", play_seconds=4.0)
        judged.learn()
        rewards = judged.learning_side.learner._rewards
        row = ids(on).index("halo")
        interactions = (Interaction(row, "click", 0.0), Interaction(row, "play", 0.0, 4.0))
        assert rewards.goals(on.impression, interactions)[judged.ordinal("halo")] < 0.1  # the constants say 0.3

    def test_a_bots_thousand_clicks_stay_within_its_budget(self, judged):
        on = judged.search("halo", user="bot", policy="all")
        for number in range(200):
            judged.act("halo", on=on, time=judged.clock() + number * 0.06)
        judged.act("halo", on=judged.search("halo", user="ann"))
        assert clicks(judged, "halo")["halo"][0] <= 31

    def test_who_has_neither_name_nor_session_teaches_and_is_not_relabelled(self, judged):
        judged.search("hopi pola")
        judged.act("hoppipolla", on=judged.search("hoppipolla"))
        judged.act("hoppipolla", on=judged.search("hoppipolla", user="ann"))
        assert clicks(judged, "hoppipolla")["hoppipolla"][0] > 0
        assert "hoppipolla" not in clicks(judged, "hopi pola")


class TestRelabels:
    @pytest.fixture
    def progress(self, small, files):
        promoted(small.storage.models, files)
        small.learn()
        heard = []
        small.learning_side.learner.tell_relabelled(heard.append)
        return heard

    def fail_then_find(self, small, failed, found, entity, user):
        small.search(failed, user=user, session=user)
        small.clock.pass_(20.0)
        small.play(entity, on=small.search(found, user=user, session=user))
        small.clock.pass_(2_000.0)
        small.learn()

    def test_other_words_for_the_same_are_believed_at_once(self, small, progress):
        self.fail_then_find(small, "hopipolla sigur ros", "hoppipolla sigur ros", "hoppipolla", "ann")
        assert [found.normalized for found in progress] == ["hopipolla sigur ros"]
        assert 0.5 <= progress[0].weight <= 1

    def test_nothing_in_common_waits_for_a_second_person(self, small, progress):
        self.fail_then_find(small, "tiny steps", "hello adele", "hello", "ann")
        self.fail_then_find(small, "tiny steps", "hello adele", "hello", "ann")
        assert progress == []
        self.fail_then_find(small, "tiny steps", "hello adele", "hello", "bob")
        assert sorted((found.query_id, found.user) for found in progress) == [("q1", None), ("q7", "bob")]
        assert [found.weight for found in progress] == pytest.approx([agreed(0.25)] * 2, abs=0.02)

    def test_two_strangers_who_end_elsewhere_teach_nothing(self, small, progress):
        self.fail_then_find(small, "tiny steps", "hello adele", "hello", "ann")
        self.fail_then_find(small, "tiny steps", "hurt johnny cash", "hurt-cash", "bob")
        assert progress == []

    def test_it_can_be_switched_off(self, small, progress):
        small.close()
        small.settings = small.settings.model_copy(update={"relabel": False})
        small.reopen()
        small.learning_side.learner.tell_relabelled(progress.append)
        self.fail_then_find(small, "hopipolla sigur ros", "hoppipolla sigur ros", "hoppipolla", "ann")
        assert progress == []


class TestHunches:
    @pytest.fixture
    def held(self, small):
        with small.storage.memory.batch() as batch:
            yield WeakLabels(batch)

    def test_agreement_is_by_naive_bayes(self):
        assert agreed(0.25) == pytest.approx(0.0625 / (0.0625 + 0.5625 * 0.01))

    def test_the_second_person_confirms_the_first_and_later_ones_only_themselves(self, held):
        ann, bob, cyd = (WeakLabel(who, f"q-{who}", 1.0, 1.0) for who in ("ann", "bob", "cyd"))
        assert [held.add("x", 1, weak_label) for weak_label in (ann, ann, bob, cyd)] == [[], [], [ann, bob], [cyd]]

    def test_who_is_forgotten_confirms_nobody(self, held):
        ann, bob = (WeakLabel(who, f"q-{who}", 1.0, 1.0) for who in ("ann", "bob"))
        held.add("x", 1, ann)
        held.forget("ann")
        assert held.add("x", 1, bob) == []

    def test_what_nobody_comes_to_share_expires(self, held):
        held.add("x", 1, WeakLabel("ann", "q", 1.0, 1.0))
        held.expire(2.0)
        assert held.add("x", 1, WeakLabel("bob", "q", 3.0, 1.0)) == []


def test_a_reward_model_must_be_readable_to_serve(small, files):
    from bandstand.app.serving import promote_model
    from bandstand.errors import ModelError

    models = small.storage.models
    good, bad = models.publish("reward", files), models.publish("reward", {MODEL_FILE: b"{}"})
    promote_model(models, "reward", good, small.home.features)
    with pytest.raises(ModelError):
        promote_model(models, "reward", bad, small.home.features)
    assert models.current("reward").version == good
    assert isinstance(RewardModel.from_bytes(models.current("reward").read(MODEL_FILE)), RewardModel)
