"""The learned reward on listeners with a known rule, and its arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import BadInput, ModelError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import Interaction
from bandstand.feedback.classifier import smoothed
from bandstand.feedback.reward_model import RewardModel, by_constants, by_model
from bandstand.feedback.reward_training import ENOUGH, _hit_row, train_reward
from bandstand.feedback.rewards import CLICKS_ALONE, ranker_grades
from bandstand.feedback.sessions import Moment
from bandstand.statistics import Calibration, calibration_error, reliability
from tests.support.sessions import event, joined, listeners, page, search


@pytest.fixture(scope="module")
def trained():
    return train_reward(listeners(2_000), seed=1)


class TestCalibration:
    def test_it_is_the_share_of_positives_in_pools(self):
        fitted = smoothed(np.repeat([0.0, 1.0], 100), np.r_[np.arange(100) < 20, np.arange(100) < 70])
        assert fitted(np.array([0.0, 1.0, -9.0, 9.0])) == pytest.approx([21 / 102, 71 / 102] * 2)  # one of each added

    @given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=40))
    def test_it_never_falls_and_is_never_certain(self, rows):
        scores, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        found = smoothed(scores, labels)(np.linspace(-6, 6, 50))
        assert all(later >= earlier - 1e-12 for earlier, later in pairwise(found.tolist()))
        assert 0 < found.min() <= found.max() < 1

    def test_the_calibration_error_is_the_mean_gap(self):
        curve = reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, True, True, True]))
        assert calibration_error(curve) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)

    def test_it_is_level_beyond_its_points(self):
        assert Calibration(scores=(0.0, 1.0), frequencies=(0.2, 0.8))(np.array([-1.0, 0.5, 2.0])) == pytest.approx(
            [0.2, 0.5, 0.8]
        )


class TestTraining:
    def test_it_finds_the_rule(self, trained):
        on = page("q", quality=np.array([0.9, 0.2, 0.2]))
        fits, does_not = (trained.model.goals(on, (Interaction(row, "click", 5.0),))[row] for row in (0, 1))
        assert (fits, does_not) == (pytest.approx(0.8, abs=0.1), pytest.approx(0.1, abs=0.07))

    def test_a_short_play_is_worth_next_to_nothing_and_a_long_one_what_such_plays_are_worth(self, trained):
        on, click = page("q", quality=0.9), Interaction(0, "click", 5.0)
        short = trained.model.goals(on, (click, Interaction(0, "play", 10.0, 5.0)))[0]
        long = trained.model.goals(on, (click, Interaction(0, "play", 45.0, 40.0)))[0]
        assert short < 0.05
        assert long == trained.model.content > 0.95
        assert trained.model.satisfied(on, (click, Interaction(0, "save", 9.0))) == trained.model.content
        left = (click, Interaction(0, "play", 10.0, 5.0))
        assert trained.model.satisfied(on, left) < 0.1 < trained.model.satisfied(on, (click,))

    def test_a_skip_takes_a_long_play_back(self, trained):
        interactions = (Interaction(0, "play", 45.0, 40.0), Interaction(0, "skip", 50.0))
        assert trained.model.goals(page("q"), interactions)[0] < trained.model.content

    def test_its_probabilities_can_be_believed(self, trained):
        assert trained.metrics["hit_ece"] < 0.06
        assert trained.metrics["search_ece"] < 0.06
        assert trained.metrics["hit_auc"] > 0.85

    def test_what_was_done_later_is_no_feature(self):
        before, after = (
            (Interaction(0, "click", 4.0),),
            (Interaction(0, "play", 44.0, 40.0), Interaction(1, "save", 60.0)),
        )
        rows = [_hit_row(Moment(search(*map(tuple, (*before, *later))), 1, 0, True)) for later in ((), after)]
        assert np.array_equal(*rows, equal_nan=True)

    def test_the_same_log_gives_the_same_model_in_any_order(self, trained):
        again = train_reward(list(listeners(2_000)), seed=1)
        assert again.model.to_bytes() == trained.model.to_bytes()

    def test_too_little_is_refused_with_how_much_there_is(self):
        with pytest.raises(BadInput, match=rf"\d+ moments ended well .* {ENOUGH} of each"):
            train_reward(listeners(50), seed=1)

    def test_clicks_that_nobody_reports_on_teach_nothing(self):
        silent = (joined(page(f"q{n}", session=f"s{n}"), event(page(f"q{n}"), "a")) for n in range(500))
        with pytest.raises(BadInput, match="0 moments ended well and 0 badly"):
            train_reward(silent, seed=1)

    def test_a_bot_moves_nothing(self, trained):
        def flooded():
            yield from listeners(2_000)
            for number in range(1_000):
                on = page(f"bot{number}", after=1e6 + number * 0.06, session="bot", quality=0.2)
                yield joined(on, event(on, "a"), event(on, "a", "play", played=40.0))

        assert train_reward(flooded(), seed=1).model.to_bytes() == trained.model.to_bytes()


class TestFile:
    def test_it_reads_what_it_wrote(self, trained):
        model = RewardModel.from_bytes(trained.model.to_bytes())
        interactions = (Interaction(0, "click", 5.0), Interaction(1, "click", 9.0))
        assert model.goals(page("q"), interactions) == trained.model.goals(page("q"), interactions)

    @pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"features": "other"}'])
    def test_what_is_none_is_refused(self, raw):
        with pytest.raises(ModelError, match="bandstand train reward"):
            RewardModel.from_bytes(raw)


class TestGrading:
    def test_bait_gets_no_grade_from_the_model_and_one_from_the_constants(self, trained):
        on = page("q", quality=0.2)
        events = (event(on, "a"), event(on, "a", "play", after=9.0, played=5.0))
        graded = [
            ranker_grades(grader(on, events, Attribution())).tolist()
            for grader in (by_model(trained.model), by_constants(), by_constants(CLICKS_ALONE))
        ]
        assert graded == [[0, 0, 0], [1, 0, 0], [3, 0, 0]]

    def test_what_is_left_of_a_budget_scales_a_goal(self, trained):
        on, interaction = page("q"), Interaction(0, "click", 5.0)
        half = trained.model.goals(on, (replace_weight(interaction, 0.5),))[0]
        assert half == pytest.approx(trained.model.goals(on, (interaction,))[0] / 2)

    def test_nothing_touched_is_nothing_graded(self, trained):
        assert trained.model.goals(page("q"), ()) == {}
        assert by_model(trained.model)(replace(page("q"), shown=0), (), Attribution()).tolist() == [0, 0, 0]


def replace_weight(interaction, weight):
    return interaction._replace(weight=weight)
