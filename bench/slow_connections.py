"""Seven hundred connections that are held and not used, and the searches of everybody else meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from bench.figures import Figure, percentiles
from bench.served import serving

CONNECTIONS = 700
AIM_S = 15.0
TIMES_IDLE = 1.5
IDLE_S = 10.0
EVERY_S = 1.0
"""Between two bytes of those who drip."""

_LIMIT_S = 60.0
_PAUSE_S = 0.05
_QUERIES = ("halo", "kind of blue", "beyonse", "sad songs", "sigur ros")
_HEAD = "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_POST = _HEAD.format(method="POST", path="/v1/search")
_LONG, _CHUNKED = "Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"

KINDS: dict[str, tuple[str, str]] = {
    "nothing at all": ("", ""),
    "a header byte by byte": (_HEAD.format(method="GET", path="/healthz"), "X-a: b\r\n"),
    "a body that never begins": (_POST + _LONG, ""),
    "a body byte by byte": (_POST + _LONG, " "),
    "a chunked body that ends in the middle": (f'{_POST}{_CHUNKED}8\r\n{{"query"\r\n', ""),
    "a body of bulk that never begins": (_HEAD.format(method="POST", path="/v1/entities/bulk") + _CHUNKED, ""),
    "the rest of what was refused": (_POST.replace("localhost", "elsewhere.example") + _LONG, " "),
}
"""What is sent at once, and what follows it, byte by byte."""


@dataclass(frozen=True, slots=True)
class Held:
    """One connection: its kind, what it was answered ("" for nothing), and how long it was open."""

    kind: str
    status: str
    seconds: float


def connection_figures(home: Path) -> Sequence[Figure]:
    """When the last of them was closed, and the searches of others beside those of an idle server."""
    with serving(home) as address:
        with searching(address) as idle:
            time.sleep(IDLE_S)
        with searching(address) as meanwhile:
            held = asyncio.run(_held(address))
    bound = TIMES_IDLE * float(np.median(idle))
    return [
        *(_closed(name, [each for each in held if each.kind == name]) for name in KINDS),
        Figure(name="the last of all is closed", value=max(each.seconds for each in held), unit="s", aim=AIM_S),
        *percentiles("searches of others, idle", idle),
        *percentiles("searches of others, meanwhile", meanwhile, {50: bound}),
        Figure(name="searches meanwhile", value=len(meanwhile), unit="", note="every one answered 200"),
    ]


def _closed(kind: str, held: Sequence[Held]) -> Figure:
    answered = Counter(each.status or "closed" for each in held)
    note = ", ".join(f"{count} {status}" for status, count in answered.most_common())
    return Figure(name=kind, value=max(each.seconds for each in held), unit="s", note=note)


@contextmanager
def searching(address: str) -> Iterator[list[float]]:
    """Somebody searches while the block runs; milliseconds of each."""
    took: list[float] = []
    ended = threading.Event()

    def search() -> None:
        with httpx.Client(base_url=address) as client:
            for query in cycle(_QUERIES):
                began = time.perf_counter()
                client.post("/v1/search", json={"query": query}).raise_for_status()
                took.append((time.perf_counter() - began) * 1e3)
                if ended.wait(_PAUSE_S):
                    return

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


async def _held(address: str) -> list[Held]:
    parts = urlsplit(address)
    names = [name for _, name in zip(range(CONNECTIONS), cycle(KINDS), strict=False)]
    return await asyncio.gather(*(_one(parts.hostname or "", parts.port or 0, name) for name in names))


async def _one(host: str, port: int, kind: str) -> Held:
    """Hold one connection until it is closed."""
    at_once, drip = KINDS[kind]
    reader, writer = await asyncio.open_connection(host, port)
    began = time.perf_counter()
    dripping = asyncio.create_task(_drip(writer, at_once, drip))
    try:
        answer = await asyncio.wait_for(_rest(reader), _LIMIT_S)
    finally:
        dripping.cancel()
        writer.close()
    status = answer.split(b" ", 2)[1].decode() if answer else ""
    return Held(kind, status, time.perf_counter() - began)


async def _drip(writer: asyncio.StreamWriter, at_once: str, drip: str) -> None:
    writer.write(at_once.encode())
    for byte in cycle(drip):
        await asyncio.sleep(EVERY_S)
        writer.write(byte.encode())


async def _rest(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    try:
        while piece := await reader.read(65_536):
            answer += piece
    except ConnectionError:  # closed while we were sending
        pass
    return bytes(answer)
