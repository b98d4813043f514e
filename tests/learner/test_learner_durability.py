"""The same log teaches the same, however it is cut into transactions and however often the learner is killed."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.evening_log import PUBLISH_EVERY, copied, different, learning, state_of, write_log
from tests.support.processes import started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evening(made_once):
    """The home whose log is to be learned, and when that log ends."""

    def write(folder):
        ends = write_log(folder / "home")
        (folder / "ends").write_text(repr(ends))

    folder = made_once("evening", write)
    return folder / "home", float((folder / "ends").read_text())


@pytest.fixture(scope="module")
def undisturbed(evening, tmp_path_factory):
    """The state after learning it in one go."""
    folder, ends = evening
    target = copied(folder, tmp_path_factory.mktemp("undisturbed") / "home")
    with learning(target, ends, batch=10_000) as (storage, learner):
        count = learner.catch_up()
        assert count > 300
        return state_of(storage)


def test_the_evening_is_worth_learning(undisturbed):
    assert {name for name, rows in undisturbed.items() if not rows} <= {"wanted"}
    state = dict(undisturbed["state"])
    assert int(state[b"bandit/settled"]) > 50
    assert any(key.startswith(b"open/") for key in state)  # it ends in the middle of things


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_however_it_is_cut_into_transactions(evening, undisturbed, tmp_path, batch):
    folder, ends = evening
    with learning(copied(folder, tmp_path / "home"), ends, batch=batch) as (storage, learner):
        learner.catch_up()
        assert different(undisturbed, state_of(storage)) == []


def test_however_often_it_is_begun_anew(evening, undisturbed, tmp_path):
    folder, ends = evening
    home = copied(folder, tmp_path / "home")
    steps = True
    while steps:
        with learning(home, ends, batch=60) as (storage, learner):
            steps = learner.step()
            state = state_of(storage)
    assert different(undisturbed, state) == []


def test_however_many_threads_take_turns(evening, undisturbed, tmp_path):
    folder, ends = evening
    with learning(copied(folder, tmp_path / "home"), ends, batch=15) as (storage, learner):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: learner.catch_up(), range(4)))
        assert different(undisturbed, state_of(storage)) == []


def test_a_failed_transaction_leaves_no_trace_in_the_model(evening, undisturbed, tmp_path):
    folder, ends = evening
    rng = random.Random(5)
    with learning(copied(folder, tmp_path / "home"), ends, batch=25) as (storage, learner):
        finish = learner._bandit.save

        def sometimes(state):
            if rng.random() < 0.4:
                raise KeyboardInterrupt
            finish(state)

        learner._bandit.save = sometimes
        reached, failures = -1, 0
        while reached < storage.log.head():
            try:
                learner.step()
            except KeyboardInterrupt:
                failures += 1
            reached = storage.memory.position()
        learner._bandit.save = finish
        learner.catch_up()
        assert failures > 3
        assert different(undisturbed, state_of(storage)) == []


def test_however_often_it_is_killed(evening, undisturbed, tmp_path):
    folder, ends = evening
    home = copied(folder, tmp_path / "home")
    with started("-m", "tests.support.killed_learner", home, repr(ends), "3") as process:
        report = json.loads(process.communicate()[0] or "{}")
    assert report.get("exit") == 0
    assert report["kills"] >= 15
    with learning(home, ends, batch=4) as (storage, learner):
        assert storage.memory.position() == storage.log.head()
        learner.catch_up()
        assert different(undisturbed, state_of(storage)) == []
        newest = storage.models.list("bandit")[-1]
        assert newest.card.metrics["settled_searches"] > state_finalized(undisturbed) - PUBLISH_EVERY
        assert storage.models.current("bandit").version == newest.version


def state_finalized(state):
    return int(dict(state["state"])[b"bandit/settled"])
