"""Micro-batches: who waits is answered together, who was called off is never run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bandstand.errors import Cancelled, ModelError
from bandstand.retrievers.base import Cancellation, called_off, check, current, under
from bandstand.retrievers.encoder import AT_MOST, MicroBatch, QueryCache


class Gate:
    """An encoder that stands still until it is let go; remembers its batches. A text's vector is its length."""

    def __init__(self):
        self.entered, self.open, self.batches = threading.Semaphore(0), threading.Event(), []

    def __call__(self, texts):
        self.batches.append(list(texts))
        self.entered.release()
        assert self.open.wait(20)
        return np.array([[len(text)] for text in texts], np.float32)


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(40) as made:
        yield made


def until(condition):
    """Wait for something that another thread is about to do."""
    waited = threading.Event()
    for _ in range(4_000):
        if condition():
            return
        waited.wait(0.005)
    raise AssertionError("it never happened")


def called(token, batch, text):
    with under(token):
        return batch(text)


def test_alone_it_is_run_at_once_and_alone(gate):
    gate.open.set()
    batch = MicroBatch(gate)
    assert [batch(text)[0] for text in ("a", "bb")] == [1.0, 2.0]
    assert gate.batches == [["a"], ["bb"]]


def test_those_who_wait_share_the_next_run(gate, pool):
    batch = MicroBatch(gate)
    running = pool.submit(batch, "x")
    assert gate.entered.acquire(timeout=20)
    waiting = [pool.submit(batch, "y" * count) for count in range(2, 2 + AT_MOST + 3)]
    until(lambda: len(batch._waiting) == AT_MOST + 3)
    gate.open.set()
    assert running.result(20)[0] == 1.0
    assert [each.result(20)[0] for each in waiting] == list(range(2, 2 + AT_MOST + 3))
    assert [len(each) for each in gate.batches] == [1, AT_MOST, 3]


def test_two_lanes_run_side_by_side(gate, pool):
    batch = MicroBatch(gate, lanes=2)
    both = [pool.submit(batch, text) for text in ("a", "bb")]
    assert gate.entered.acquire(timeout=20)
    assert gate.entered.acquire(timeout=20)
    gate.open.set()
    assert [each.result(20)[0] for each in both] == [1.0, 2.0]
    assert sorted(gate.batches) == [["a"], ["bb"]]


def test_what_is_called_off_while_it_waits_is_never_run(gate, pool):
    batch, token = MicroBatch(gate), Cancellation()
    running = pool.submit(batch, "x")
    assert gate.entered.acquire(timeout=20)
    dropped, kept = pool.submit(called, token, batch, "dropped"), pool.submit(batch, "kept")
    until(lambda: len(batch._waiting) == 2)
    token.cancel()
    gate.open.set()
    with pytest.raises(Cancelled):
        dropped.result(20)
    assert (running.result(20)[0], kept.result(20)[0]) == (1.0, 4.0)
    assert gate.batches == [["x"], ["kept"]]


def test_a_failed_run_fails_those_it_was_for_and_no_others():
    def run(texts):
        if "bad" in texts:
            raise ModelError("no such letter")
        return np.ones((len(texts), 1), np.float32)

    batch = MicroBatch(run)
    with pytest.raises(ModelError):
        batch("bad")
    assert batch("good")[0] == 1.0


def test_a_cached_vector_that_was_called_off_is_computed_for_who_still_wants_it(gate, pool):
    batch = MicroBatch(gate)
    cache, token = QueryCache(batch, 10), Cancellation()
    running = pool.submit(batch, "x")
    assert gate.entered.acquire(timeout=20)
    first = pool.submit(called, token, cache.get, "halo")
    until(lambda: len(cache) == 1)
    second = pool.submit(cache.get, "halo")
    until(lambda: len(batch._waiting) == 1)
    token.cancel()
    gate.open.set()
    with pytest.raises(Cancelled):
        first.result(20)
    assert second.result(20)[0] == 4.0
    running.result(20)


def test_a_token_is_of_the_block_that_it_was_given_to():
    token, progress = Cancellation(), []
    token.on_cancel(lambda: progress.append("first"))
    with under(token):
        assert current() is token
        check()
        token.cancel()
        assert called_off()
        with pytest.raises(Cancelled):
            check()
    assert current() is None
    token.on_cancel(lambda: progress.append("at once"))
    token.cancel()
    assert progress == ["first", "at once"]
