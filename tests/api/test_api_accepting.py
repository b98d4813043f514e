"""Workers at one socket: who holds fewest accepts, nobody waits for one that does not, and the dead do not count.

And what an acceptor does that cannot accept, or is not to.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from bandstand.api.accepting import Acceptor, Shares
from bandstand.api.connections import ConnectionLimits, Place, Places


@pytest.fixture
def shares(tmp_path):
    return Shares(tmp_path)


@pytest.fixture
def other(shares):
    """Another worker, alive, which says that it holds so many connections and never accepts one."""
    return lambda held: (shares.folder / str(os.getppid())).write_text(str(held))


class Held(asyncio.Protocol):
    """What the server's protocols are to an acceptor."""

    connections: ClassVar[set[Held]] = set()
    place: Place

    def connection_made(self, transport):
        self.connections.add(self)
        transport.write(b"hello")

    def connection_lost(self, _):
        self.connections.discard(self)
        self.place.leave()


async def greeted(address) -> bool:
    """Whether a new connection is accepted; it is closed again."""
    reader, writer = await asyncio.open_connection(*address)
    answer = await asyncio.wait_for(reader.read(5), timeout=60)
    writer.close()
    return answer == b"hello"


def accepting(shares, meanwhile, *, most=100, most_of_one=100, refused=lambda _: None):
    """Run ``meanwhile`` with the address of an acceptor, and the acceptor."""
    limits = ConnectionLimits(most=most, most_of_one=most_of_one, header_s=60.0)

    async def run():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(16)
            acceptor = Acceptor(asyncio.get_running_loop(), listener, Held, Places(limits, refused), shares)
            try:
                return await meanwhile(listener.getsockname(), acceptor)
            finally:
                acceptor.close()
                await acceptor.wait_closed()

    return asyncio.run(run())


class TestShares:
    def test_the_fewest_of_the_others_counts(self, shares, other):
        shares.tell(1)
        assert shares.fewest_of_others() is None
        other(7)
        assert shares.fewest_of_others() == 7

    def test_the_dead_and_those_who_left_count_no_more(self, shares):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (shares.folder / str(ended.pid)).write_text("0")
        assert shares.fewest_of_others() is None
        shares.tell(3)
        shares.leave()
        assert not (shares.folder / str(os.getpid())).exists()


class TestAcceptor:
    @pytest.mark.parametrize("held_by_other", [None, 0, 100])
    def test_nobody_waits_for_ever(self, shares, other, held_by_other):
        if held_by_other is not None:
            other(held_by_other)

        async def many(address, _):
            return await asyncio.gather(*(greeted(address) for _ in range(6)))

        assert accepting(shares, many) == [True] * 6

    def test_who_holds_more_leaves_the_next_one_to_the_other(self, shares, other):
        async def left_alone(address, acceptor):
            first = await asyncio.open_connection(*address)
            await first[0].read(5)
            other(0)
            acceptor._somebody_waits()
            first[1].close()
            return acceptor._waited

        assert accepting(shares, left_alone)

    def test_once_closed_nothing_is_accepted(self, shares):
        async def closed(address, acceptor):
            acceptor.close()
            await asyncio.open_connection(*address)  # the socket still listens: for the other workers
            await asyncio.sleep(0)
            return len(Held.connections)

        assert accepting(shares, closed) == 0
        assert list(shares.folder.iterdir()) == []

    @pytest.mark.parametrize(("bounds", "status", "reason"), [
        ({"most": 2}, b"503", "connections"), ({"most_of_one": 2}, b"429", "address"),
    ])  # fmt: skip
    def test_who_is_too_many_is_told_so_until_somebody_leaves(self, bounds, status, reason):
        refused = []

        async def crowded(address, _):
            first = [await asyncio.open_connection(*address) for _ in range(2)]
            for reader, _ in first:
                await reader.readexactly(5)
            reader, writer = await asyncio.open_connection(*address)
            answer = await reader.read()
            writer.close()
            first[0][1].close()
            while len(Held.connections) > 1:
                await asyncio.sleep(0)
            return answer, await greeted(address)

        answer, greeted_again = accepting(None, crowded, refused=refused.append, **bounds)
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nretry-after: 2\r\n" in answer
        assert greeted_again
        assert refused == [reason]

    def test_a_full_table_of_descriptors_is_told_once_and_outlived(self, monkeypatch):
        refused = []
        monkeypatch.setattr("bandstand.api.accepting._AFTER_FAILURE_S", 0.01)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)

        async def full(address, _):
            waiting = asyncio.open_connection(*address)
            reader, writer = await waiting
            await reader.readexactly(5)
            with socket.socket() as late:
                late.setblocking(False)
                os.close(lowest := os.dup(late.fileno()))
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))  # it was the first that is free
                try:
                    await asyncio.get_running_loop().sock_connect(late, address)
                    while len(refused) < 5:
                        await asyncio.sleep(0.005)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                greeting = await asyncio.get_running_loop().sock_recv(late, 5)
            writer.close()
            return greeting

        with capture_logs() as logs:
            assert accepting(None, full, refused=refused.append) == b"hello"
        assert {*refused} == {"descriptors"}
        (said,) = logs
        assert (said["event"], "ulimit -n" in said["remedy"]) == ("cannot_accept", True)
