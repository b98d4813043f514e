"""A server as `bandstand serve` runs it, in a thread, and raw connections to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import uvicorn

from bandstand.api.accepting import Accepting
from bandstand.api.app import create_app
from bandstand.api.bounded_http import Bounded
from bandstand.api.protocols import protocol
from tests.support.api_world import FAR, can_search, eventually, settings_of


class Address(NamedTuple):
    """Where it listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@contextmanager
def attacked(home: Path, *, over: type[Bounded] | None = None, **settings: object) -> Iterator[Address]:
    """A server over a home, once it can search."""
    app = create_app(settings_of(home, **settings), learn=False)
    config = Accepting(lambda: app, settings_of(home, **settings))
    config.http = over or protocol()
    server = uvicorn.Server(config)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        address = Address(*listener.getsockname())
        thread.start()
        try:
            with httpx.Client(base_url=address.url) as client:
                eventually(lambda: server.started and can_search(client.get("/readyz")))
            yield address
        finally:
            server.should_exit = True
            thread.join(timeout=FAR)


def asking(path: str = "/v1/search", *lines: str, method: str = "POST", length: int = 100) -> bytes:
    """The header of a request."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines]
    return "\r\n".join([*head, f"Content-Length: {length}", "", ""]).encode()


class Ended(NamedTuple):
    """What a connection was answered until it was closed, and after how many seconds that was."""

    answer: bytes
    seconds: float


async def until_closed(address: Address, began_with: bytes, *, drip: bytes = b"", every_s: float = 0.02) -> Ended:
    """Connect, send something, then one byte of ``drip`` after another, from its beginning again and again."""
    reader, writer = await asyncio.open_connection(*address)
    began = time.monotonic()
    writer.write(began_with)
    dripping = asyncio.create_task(_dripped(writer, drip, every_s)) if drip else None
    try:
        answer = await asyncio.wait_for(_rest(reader), FAR)
    finally:
        if dripping is not None:
            dripping.cancel()
        writer.close()
    return Ended(answer, time.monotonic() - began)


async def _dripped(writer: asyncio.StreamWriter, drip: bytes, every_s: float) -> None:
    while True:
        for at in range(len(drip)):
            writer.write(drip[at : at + 1])
            await asyncio.sleep(every_s)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    try:
        while piece := await reader.read(65_536):
            answer += piece
    except ConnectionError:  # closed while we were sending
        pass
    return bytes(answer)
