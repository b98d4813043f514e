"""Workers at one socket: who holds fewest accepts, nobody waits for one that does not, and the dead do not count."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from typing import ClassVar

import pytest

from bandstand.api.accepting import Acceptor, Shares


@pytest.fixture
def shares(tmp_path):
    return Shares(tmp_path)


@pytest.fixture
def other(shares):
    """Another worker, alive, which says that it holds so many connections and never accepts one."""
    return lambda held: (shares.folder / str(os.getppid())).write_text(str(held))


class Held(asyncio.Protocol):
    """What uvicorn's protocols are to an acceptor: all of them are in one set while they are open."""

    connections: ClassVar[set[Held]] = set()

    def connection_made(self, transport):
        self.connections.add(self)
        transport.write(b"hello")

    def connection_lost(self, _):
        self.connections.discard(self)


async def greeted(address) -> bool:
    """Whether a new connection is accepted; it is closed again."""
    reader, writer = await asyncio.open_connection(*address)
    answer = await asyncio.wait_for(reader.read(5), timeout=60)
    writer.close()
    return answer == b"hello"


def accepting(shares, meanwhile):
    """Run ``meanwhile`` with the address of an acceptor, and the acceptor."""

    async def run():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            acceptor = Acceptor(asyncio.get_running_loop(), listener, Held, shares, 16)
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
