"""Arms begun before their decision: taken, cut to depth, called off, and never in the way of other searches."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from bandstand.engine.runner import Load, RetrieverRunner
from bandstand.engine.speculation import Speculation, first
from bandstand.retrievers.base import Retriever, check
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates, Query

QUERY = Query(id="q", text="halo", normalized="halo")


class Stepping(Retriever):
    """A retriever of two steps: it stands between them until it is let on; `steps` says how far it came."""

    def __init__(self, name):
        self.spec, self.steps = replace(BUILT_IN[name], inline=False), []
        self.begun, self.let_on = threading.Semaphore(0), threading.Event()

    def retrieve(self, _query, depth):
        self.steps.append("begun")
        self.begun.release()
        assert self.let_on.wait(20)
        check()
        self.steps.append("ended")
        ordinals = np.arange(depth, dtype=np.int32)
        scores = np.linspace(1, 0, depth, dtype=np.float32)
        return Candidates(retriever=self.name, ordinals=ordinals, scores=scores, columns={"clicks": scores})


@pytest.fixture
def arms():
    made = {name: Stepping(name) for name in ("trigram", "dense")}
    yield made
    for arm in made.values():
        arm.let_on.set()


@pytest.fixture
def runner(arms):
    made = RetrieverRunner(arms, threads=1)
    yield made
    made.close()


def test_the_decision_takes_what_was_begun_at_its_own_depth(arms, runner):
    speculation = Speculation(runner, Load(2), places=2)
    with speculation.search(QUERY) as ahead:
        ahead.begin(["dense"])
        assert arms["dense"].begun.acquire(timeout=20)
        arms["dense"].let_on.set()
        found, outcome = ahead.take("dense", 10, runner.deadline(20_000))
    assert found.ordinals.tolist() == list(range(10))
    assert found.columns["clicks"].shape == (10,)
    assert (outcome.candidates, outcome.status) == (10, "ok")
    assert (speculation.counts.taken, speculation.counts.cancelled) == (1, 0)


def test_what_is_not_wanted_ends_at_its_next_step(arms, runner):
    speculation = Speculation(runner, Load(2), places=2)
    with speculation.search(QUERY) as ahead:
        ahead.begin(["dense"])
        assert arms["dense"].begun.acquire(timeout=20)
        begun = ahead._begun["dense"]
        assert ahead.take("dense", 0, runner.deadline(20_000)) is None
        arms["dense"].let_on.set()
        assert begun.future.result(20)[1].status == "skipped"
    assert arms["dense"].steps == ["begun"]
    assert speculation.counts.cancelled == 1


def test_what_still_waits_for_its_thread_never_starts(arms, runner):
    speculation = Speculation(runner, Load(2), places=4)
    with speculation.search(QUERY) as one, speculation.search(QUERY) as two:
        one.begin(["dense"])
        assert arms["dense"].begun.acquire(timeout=20)
        two.begin(["dense"])
        two.close()
        arms["dense"].let_on.set()
        assert one.take("dense", 50, runner.deadline(20_000)) is not None
    assert arms["dense"].steps == ["begun", "ended"]


def test_a_search_that_ends_calls_off_what_nobody_took(arms, runner):
    speculation = Speculation(runner, Load(2), places=2)
    with speculation.search(QUERY) as ahead:
        ahead.begin(["dense", "trigram"])
        assert arms["dense"].begun.acquire(timeout=20)
    assert speculation.counts.cancelled == 2


def test_room_is_bounded_and_given_back(arms, runner):
    speculation = Speculation(runner, Load(2), places=1)
    with speculation.search(QUERY) as ahead:
        ahead.begin(["dense", "trigram"])
        assert ahead.take("trigram", 50, runner.deadline(20_000)) is None
        assert speculation.counts.refused == 1
        arms["dense"].let_on.set()
        assert ahead.take("dense", 50, runner.deadline(20_000)) is not None
        arms["trigram"].let_on.set()
        ahead.begin(["trigram"])
        assert ahead.take("trigram", 50, runner.deadline(20_000)) is not None


def test_it_backs_off_before_searches_have_to_wait(runner):
    load = Load(2)
    speculation = Speculation(runner, load, places=2)
    with load.search():
        assert speculation.possible
        with load.search():
            assert not speculation.possible
    assert not Speculation(runner, load, places=0).possible


def test_a_shorter_answer_is_the_beginning_of_the_longer_one():
    short = Candidates(retriever="dense", ordinals=np.arange(3, dtype=np.int32), scores=np.ones(3, np.float32))
    assert first(short, 10) is short
    assert first(short, 2).ordinals.tolist() == [0, 1]


def test_idle_is_waited_for():
    load = Load(1)
    assert load.until_idle(0.0)
    with load.search():
        assert load.spare == 0
        assert not load.until_idle(0.0)
