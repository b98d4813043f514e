"""A client that costs little: prepared requests over kept connections, answers read by their length alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson


@dataclass(slots=True)
class Sent:
    """What one run of a client measured: milliseconds of each request, seconds in all, and of its own CPU."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    client_cpu: float = 0.0
    connections: list[int] = field(default_factory=list)


Follow = Callable[[bytes], bytes | None]
"""The request that follows an answer's body, None for none."""


def no_more(_: bytes) -> None:
    """Nothing follows."""


def post(address: str, path: str, body: object) -> bytes:
    """A JSON request as bytes."""
    data = orjson.dumps(body)
    host = urlsplit(address).netloc
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def get(address: str, path: str) -> bytes:
    """A request without a body as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\n\r\n".encode()


def send(
    address: str,
    requests: Sequence[bytes],
    clients: int,
    *,
    follow: Follow = no_more,
    connected: Callable[[], list[int]] = list,
) -> Sent:
    """Send every request once, by so many clients at a time, each over a connection of its own.

    ``connected`` says, once all of them are connected, how the connections are spread.

    Raises:
        SystemExit: an answer was not a success.
    """
    return asyncio.run(_sent(address, requests, clients, follow, connected))


async def _sent(
    address: str, requests: Sequence[bytes], clients: int, follow: Follow, connected: Callable[[], list[int]]
) -> Sent:
    parts = urlsplit(address)
    lines = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(clients)]
    for reader, writer in lines:  # the first answer says that the connection was accepted
        await _asked(reader, writer, get(address, "/"))
    sent, rest = Sent(connections=connected()), iter(requests)
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_one_client(reader, writer, rest, sent, follow) for reader, writer in lines))
    sent.seconds, sent.client_cpu = time.perf_counter() - began, time.process_time() - cpu
    for _, writer in lines:
        writer.close()
    return sent


async def _one_client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: Iterator[bytes], sent: Sent, follow: Follow
) -> None:
    for request in rest:
        began = time.perf_counter()
        body = await _asked(reader, writer, request)
        sent.milliseconds.append((time.perf_counter() - began) * 1e3)
        if (another := follow(body)) is not None:
            await _asked(reader, writer, another)


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    if not head.startswith(b"http/1.1 20"):
        raise SystemExit(f"{request.partition(b' HTTP')[0]!r} was answered {head.partition(b' ')[2][:3]!r}: {body!r}")
    return body
