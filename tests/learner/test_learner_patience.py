"""A patient learner: searches that nobody acts on gather, an action or an order is learned from at once."""

from __future__ import annotations

import pytest

from bandstand.learner.follow import LearnerSettings

GATHER_S = LearnerSettings().gather_s


@pytest.fixture
def learner(small):
    """The learner of the small home, which has just learned from a search."""
    small.search("hello")
    small.storage.log.flush()
    found = small.learning_side.learner
    assert found.step(patient=True) == 1
    return found


def searched(small, text: str):
    result = small.search(text)
    small.storage.log.flush()
    return result


class TestPatience:
    def test_searches_gather(self, small, learner):
        for text in ("halo", "hurt"):
            searched(small, text)
            assert learner.step(patient=True) == 0
        small.clock.pass_(GATHER_S)
        assert learner.step(patient=True) == 2

    def test_an_action_is_learned_from_at_once_with_all_before_it(self, small, learner):
        found = searched(small, "halo")
        small.act("halo", on=found)
        assert learner.step(patient=True) == 2

    def test_an_order_does_not_wait_nor_does_what_it_leaves_to_be_done(self, small, learner):
        small.storage.log.append_control("forget_user", {"user_id": "ann"})
        assert learner.step(patient=True) == 1
        assert small.storage.memory.state(b"learner/order") is not None
        learner.step(patient=True)
        assert small.storage.memory.state(b"learner/order") is None

    def test_whoever_is_told_to_learn_does(self, small, learner):
        searched(small, "halo")
        assert learner.catch_up() == 1

    def test_a_clock_that_was_set_back_holds_nothing_up(self, small, learner):
        searched(small, "halo")
        small.clock.pass_(-3600.0)
        assert learner.step(patient=True) == 1
