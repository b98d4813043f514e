"""Arms under a deadline: late, failing and hanging ones never take a search with them."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import structlog

from bandstand.engine.runner import QUEUED, InlineRunner, RetrieverRunner
from bandstand.errors import RetrievalError
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Candidates, Query

QUERY = Query(id="q", text="halo", normalized="halo")


class Found(Retriever):
    """A retriever that finds as many as it is asked for."""

    def __init__(self, name):
        self.spec = BUILT_IN[name]

    def retrieve(self, _query, depth):
        ordinals = np.arange(depth, dtype=np.int32)
        return Candidates(retriever=self.name, ordinals=ordinals, scores=np.ones(depth, np.float32))


class Hanging(Retriever):
    """A retriever that answers when it is released."""

    spec = BUILT_IN["dense"]

    def __init__(self):
        self.begun, self.released = threading.Semaphore(0), threading.Event()

    def retrieve(self, _query, _depth):
        self.begun.release()
        self.released.wait(30)
        return Candidates.empty(self.name)


class Failing(Retriever):
    spec = BUILT_IN["trigram"]

    def __init__(self, error):
        self.error = error

    def retrieve(self, _query, _depth):
        if self.error is not None:
            raise self.error
        return Candidates.empty(self.name)


@pytest.fixture
def run():
    """Makes runners, and closes them."""
    made = []

    def make(*retrievers, **options):
        runner = RetrieverRunner({retriever.name: retriever for retriever in retrievers}, **options)
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()


@pytest.fixture(params=["threads", "inline"])
def any_run(request, run):
    """Makes runners of either kind."""
    if request.param == "threads":
        return run
    return lambda *retrievers: InlineRunner({retriever.name: retriever for retriever in retrievers})


def test_every_arm_answers_in_the_order_asked_for(any_run):
    runner = any_run(Found("memory"), Found("lexical"), Found("dense"))
    assert runner.names == ("memory", "lexical", "dense")
    answers = runner.run_all({"dense": 3, "memory": 2, "lexical": 0}, QUERY, runner.deadline(10_000))
    assert list(answers) == ["dense", "memory", "lexical"]
    assert [(len(found), outcome.candidates, outcome.status) for found, outcome in answers.values()] == [
        (3, 3, "ok"), (2, 2, "ok"), (0, 0, "skipped"),
    ]  # fmt: skip


def test_a_late_arm_is_dropped_and_the_others_answer(run):
    hanging = Hanging()
    runner = run(Found("lexical"), hanging)
    answers = runner.run_all({"lexical": 5, "dense": 5}, QUERY, runner.deadline(100))
    found, outcome = answers["dense"]
    assert (len(found), outcome.status) == (0, "late")
    assert outcome.took_ms >= 50  # what was waited for it, from its start
    assert answers["lexical"][1].status == "ok"
    hanging.released.set()


def test_after_the_deadline_no_slow_arm_is_begun_but_the_cheap_ones_answer(run):
    hanging = Hanging()
    runner = run(Found("memory"), hanging)
    answers = runner.run_all({"memory": 1, "dense": 1}, QUERY, deadline=runner.deadline(-1))
    assert (answers["memory"][1].status, answers["dense"][1].status) == ("ok", "late")
    assert answers["dense"][1].took_ms == 0
    assert not hanging.begun.acquire(blocking=False)


def test_a_hanging_arm_takes_nothing_from_the_others_and_does_not_pile_up(run):
    hanging = Hanging()
    runner = run(Found("lexical"), hanging, threads=1)
    for _ in range(3 + QUEUED):
        answers = runner.run_all({"dense": 1, "lexical": 1}, QUERY, runner.deadline(20))
        assert answers["dense"][1].status == "late"
    answers = runner.run_all({"lexical": 1}, QUERY, runner.deadline(10_000))
    assert answers["lexical"][1].status == "ok"
    hanging.released.set()
    assert hanging.begun.acquire(timeout=10)
    assert not hanging.begun.acquire(blocking=False)  # the runs that waited behind it were cancelled


def test_an_arm_recovers_once_it_answers_again(run):
    hanging = Hanging()
    runner = run(hanging, threads=1)
    assert runner.run("dense", QUERY, 1, runner.deadline(10))[1].status == "late"
    hanging.released.set()
    assert runner.run("dense", QUERY, 1, runner.deadline(10_000))[1].status == "ok"


@pytest.mark.parametrize(
    ("error", "traceback"),
    [(RetrievalError("no index"), False), (RuntimeError("upstream"), True), (KeyError("x"), True)],
)
def test_whatever_an_arm_raises_is_a_failed_arm_and_is_logged_once_a_series(any_run, error, traceback):
    failing = Failing(error)
    runner = any_run(failing)

    def status():
        return runner.run("trigram", QUERY, 5, runner.deadline(10_000))[1].status

    with structlog.testing.capture_logs() as logs:
        assert [status(), status()] == ["failed", "failed"]
        failing.error = None
        assert status() == "ok"
        failing.error = error
        assert status() == "failed"
    assert [(entry["event"], entry["retriever"]) for entry in logs] == [("retriever_failed", "trigram")] * 2
    assert bool(logs[0]["exc_info"]) is traceback


def test_a_failing_cheap_arm_fails_alone(any_run):
    failing = Failing(RuntimeError("bug"))
    failing.spec = BUILT_IN["memory"]
    runner = any_run(failing, Found("fresh"))
    answers = runner.run_all({"memory": 5, "fresh": 5}, QUERY, runner.deadline(10_000))
    assert [outcome.status for _, outcome in answers.values()] == ["failed", "ok"]


def test_a_search_during_shutdown_goes_on_without_the_slow_arms(run):
    """After `close` a slow arm is refused like one without room: the search answers with what the cheap arms found."""
    runner = run(Found("memory"), Found("dense"), threads=1)
    runner.close()
    for _ in range(3 + QUEUED):  # more often than there are places: each one was given back
        answers = runner.run_all({"memory": 1, "dense": 1}, QUERY, runner.deadline(10_000))
        assert [outcome.status for _, outcome in answers.values()] == ["ok", "late"]
    assert runner.begin("dense", QUERY, 1) is None
    assert runner._places["dense"].acquire(blocking=False)


def test_a_run_that_shutdown_called_off_is_late(run):
    hanging = Hanging()
    runner = run(hanging, threads=1)
    first = runner.begin("dense", QUERY, 1)
    waiting = runner.begin("dense", QUERY, 1)
    assert hanging.begun.acquire(timeout=10)
    runner.close()
    assert runner.finish(waiting, runner.deadline(10_000))[1].status == "late"
    hanging.released.set()
    assert runner.finish(first, runner.deadline(10_000))[1].status == "ok"


def test_a_search_whose_run_is_called_off_meanwhile_is_answered(run):
    """The run waits for its turn while another thread closes the runner."""
    hanging = Hanging()
    runner = run(hanging, threads=1)
    assert runner.begin("dense", QUERY, 1) is not None
    assert hanging.begun.acquire(timeout=10)
    begin = runner.begin

    def begin_and_close(arm, query, depth):
        begun = begin(arm, query, depth)
        runner.close()
        return begun

    runner.begin = begin_and_close
    assert runner.run("dense", QUERY, 1, runner.deadline(10_000))[1].status == "late"
    hanging.released.set()


def test_inline_the_arms_run_in_the_thread_that_asks_and_nothing_is_late():
    asked = []

    class Noting(Found):
        def retrieve(self, query, depth):
            asked.append((self.name, threading.get_ident()))
            return super().retrieve(query, depth)

    runner = InlineRunner({name: Noting(name) for name in ("lexical", "dense")})
    answers = runner.run_all({"lexical": 1, "dense": 1}, QUERY, runner.deadline(-1))
    assert [outcome.status for _, outcome in answers.values()] == ["ok", "ok"]
    assert asked == [("lexical", threading.get_ident()), ("dense", threading.get_ident())]
