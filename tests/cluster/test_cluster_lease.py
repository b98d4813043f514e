"""A lease has one holder; it changes hands when the holder is silent, or at once when it is given back."""

import threading

import pytest

from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.opensearch.indices import STATE, ensure
from bandstand.opensearch.lease import Lease, lead, leading
from tests.support.log_entries import Line


class Watch:
    """A clock that each holder has for itself, and that only the test moves."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def contenders(cluster):
    watches = Watch(1_000.0), Watch(-50.0)  # clocks need not agree
    leases = [Lease(cluster, "learner", holder=f"m{n}", lasts_s=5, monotonic=watch) for n, watch in enumerate(watches)]
    return [*leases, *watches]


def test_one_has_it_as_long_as_it_renews(contenders):
    one, other, here, there = contenders
    assert (one.take(), other.take(), other.take()) == (True, False, False)
    for _ in range(4):
        here.now += 3
        there.now += 3
        assert (one.take(), other.take()) == (True, False)
    assert (one.held, other.held) == (True, False)


def test_a_silent_holder_loses_it_after_the_time_that_it_lasts(contenders):
    one, other, _, there = contenders
    one.take()
    assert not other.take()
    there.now += 4.9
    assert not other.take()
    there.now += 0.1
    assert other.take()
    assert other.held
    assert not one.take()
    assert not one.held


def test_the_holder_knows_without_the_cluster_that_its_time_is_over(contenders):
    one, _, here, _ = contenders
    one.take()
    here.now += 5
    assert not one.held


def test_what_is_given_back_is_free_at_once(contenders):
    one, other, _, _ = contenders
    one.take()
    one.release()
    assert not one.held
    assert other.take()
    one.release()  # not its own any more
    assert other.take()


def test_of_many_that_want_it_at_once_one_gets_it(new_cluster):
    cluster = new_cluster()
    ensure(cluster, STATE)
    leases = [Lease(cluster, "learner", holder=f"m{n}") for n in range(8)]
    barrier, won = threading.Barrier(8), []

    def want(lease):
        barrier.wait()
        if lease.take():
            won.append(lease.holder)

    threads = [threading.Thread(target=want, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


class Machine:
    """Leads in a thread; its work says when it began and ended."""

    def __init__(self, cluster, holder, lasts_s=0.5):
        self.line = Line(cluster.settings)
        self.began, self.ended, self._stop = threading.Event(), threading.Event(), threading.Event()
        self.lease = Lease(self.line, "learner", holder=holder, lasts_s=lasts_s)
        self._thread = threading.Thread(target=lead, args=(self.lease, self.work, self._stop))
        self._thread.start()

    def work(self, ends):
        self.began.set()
        ends.wait()
        self.ended.set()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self.line.close()


def test_work_moves_to_another_machine_when_the_line_of_the_first_is_cut(cluster):
    first = Machine(cluster, "m1")
    assert first.began.wait(10)
    second = Machine(cluster, "m2")
    try:
        first.line.lose_request = ""
        assert second.began.wait(10)
        assert first.ended.wait(10)
        assert not first.lease.held
    finally:
        first.line.lose_request = None
        first.stop()
        second.stop()


def test_work_moves_at_once_when_the_first_stops(cluster):
    first = Machine(cluster, "m1", lasts_s=60)
    assert first.began.wait(10)
    first.stop()
    second = Machine(cluster, "m2", lasts_s=60)
    assert second.began.wait(5)  # else it would be a minute
    second.stop()


def test_work_that_fails_gives_the_lease_back(cluster):
    def work(ends):
        raise StorageError("the disk is full")

    lease = Lease(cluster, "learner", holder="m1", lasts_s=60)
    with pytest.raises(StorageError, match="disk is full"):
        lead(lease, work, threading.Event())
    assert Lease(cluster, "learner", holder="m2", lasts_s=60).take()


def test_a_cluster_that_cannot_say_leaves_it_to_its_time(cluster):
    watch, line = Watch(), Line(cluster.settings)
    lease = Lease(line, "learner", holder="m1", lasts_s=5, monotonic=watch)
    lease.take()
    line.lose_request = ""
    watch.now += 4
    with pytest.raises(Unavailable):
        lease.take()
    assert lease.held
    watch.now += 1
    assert not lease.held
    line.close()


def test_a_command_leads_while_it_runs_unless_another_machine_does(cluster):
    server = Lease(cluster, "learner", holder="server", lasts_s=60)
    with leading(Lease(cluster, "learner", holder="command", lasts_s=60)):
        assert not server.take()
    assert server.take()
    with pytest.raises(Conflict, match="another machine"), leading(Lease(cluster, "learner", holder="command")):
        pass


def test_a_command_that_takes_long_renews(cluster):
    other = Lease(cluster, "learner", holder="other", lasts_s=0.3)
    with leading(Lease(cluster, "learner", holder="command", lasts_s=0.3)):
        renewals = set()
        while len(renewals) < 4:
            assert not other.take()
            renewals.add(cluster.get(cluster.index("state"), "lease-learner").source["renewed"])
