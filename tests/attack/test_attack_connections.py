"""Connections that are held and not used: headers byte by byte, bodies that never end, and more than there are places.

The long form is `python -m bench.attack connections`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import time

import httpx
import pytest

from bandstand.api.connections import MAX_HEADER_BYTES, MAX_HEADERS
from bandstand.api.httptools_protocol import BoundedHttpTools
from bandstand.api.protocols import BoundedH11
from tests.support.attacked_server import asking, attacked, until_closed

LIMIT_S = 0.6
"""Of headers and bodies, here."""

LATE_S = 10.0
"""After which somebody who should have been closed was not, also on a loaded machine."""

PLACES = 60
BULK = "/v1/entities/bulk"

SLOW = {
    "nothing at all": (b"", b""),
    "a header byte by byte": (b"GET /healthz HTTP/1.1\r\n", b"X-a: b\r\n"),
    "lines without a request": (b"\r\n", b"\r\n"),
    "no body": (asking(), b""),
    "a body byte by byte": (asking(length=1_000_000), b" "),
    "a chunked body byte by byte": (asking(BULK).replace(b"Content-Length: 100", b"Transfer-Encoding: chunked"), b""),
    "no body of bulk": (asking(BULK), b""),
    "the rest of what was refused": (asking().replace(b"localhost", b"elsewhere.example"), b" "),
}
"""What is sent at once, and what follows it slowly."""

ANSWERED = {
    "no body": 408,
    "a body byte by byte": 408,
    "a chunked body byte by byte": 408,
    "no body of bulk": 408,
    "the rest of what was refused": 421,
}


MAY_BE = {"lines without a request": 400}
"""h11 loses patience before."""


@pytest.fixture(scope="module", params=[BoundedHttpTools, BoundedH11], ids=["httptools", "h11"])
def server(request, built_home, tmp_path_factory):
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("attacked") / "home")
    with attacked(
        home, over=request.param, header_seconds=LIMIT_S, body_seconds=LIMIT_S, max_connections=PLACES
    ) as address:
        yield address


def status_of(answer: bytes) -> int | None:
    return int(answer.split(b" ", 2)[1]) if answer else None


def problem_of(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    return json.loads(body)


def counted(address, reason: str) -> float:
    text = httpx.get(f"{address.url}/metrics").text
    found = [
        line for line in text.splitlines() if line.startswith(f'bandstand_refused_connections_total{{reason="{reason}"')
    ]
    return sum(float(line.rpartition(" ")[2]) for line in found)


async def searches_while(address, attack) -> list[float]:
    """Seconds of searches, one after another, as long as an attack lasts."""
    took = []
    async with httpx.AsyncClient(base_url=address.url) as client:
        while not attack.done():
            began = time.monotonic()
            answer = await client.post("/v1/search", json={"query": "hurt"})
            took.append(time.monotonic() - began)
            assert answer.status_code == 200
            assert answer.json()["hits"]
    return took


def test_whoever_is_slow_is_closed_and_others_are_served_meanwhile(server):
    async def attack():
        slow = [until_closed(server, at_once, drip=drip) for at_once, drip in SLOW.values() for _ in range(5)]
        attacking = asyncio.gather(*slow)
        served = await searches_while(server, attacking)
        return await attacking, served

    before = counted(server, "header")
    ended, served = asyncio.run(attack())
    assert max(each.seconds for each in ended) < LATE_S
    for name, one in zip([name for name in SLOW for _ in range(5)], ended, strict=True):
        assert status_of(one.answer) in {ANSWERED.get(name), MAY_BE.get(name)}, name
        if status_of(one.answer) == 408:
            assert "BANDSTAND_BODY_SECONDS" in problem_of(one.answer)["detail"]
    assert len(served) > 1
    assert counted(server, "header") > before


def test_a_body_of_bulk_may_take_as_long_as_it_likes_while_something_comes(server):
    """It goes on until somebody who sent nothing since has been closed, which is twice as long as a body may take."""

    async def stream():
        idle = asyncio.create_task(twice(until_closed, server, asking(BULK)))
        sent = 0

        async def lines():
            nonlocal sent
            while not idle.done():
                yield json.dumps({"id": f"slow {sent}", "kind": "track", "title": "Slow"}).encode() + b"\n"
                sent += 1
                await asyncio.sleep(LIMIT_S / 8)

        async with httpx.AsyncClient(base_url=server.url) as client:
            answer = await client.post(BULK, content=lines(), headers={"content-type": "application/x-ndjson"})
        return answer, sent

    answer, sent = asyncio.run(stream())
    assert answer.status_code == 200
    assert answer.json()["accepted"] == sent > 5


async def twice(do, *given):
    for _ in range(2):
        await do(*given)


def test_a_connection_that_rests_between_requests_is_kept(server):
    async def rest():
        async with httpx.AsyncClient(base_url=server.url) as client:
            first = await client.get("/healthz")
            await until_closed(server, b"GET")  # as long as a header may take
            second = await client.get("/healthz")
            stream = [answer.extensions["network_stream"] for answer in (first, second)]
            return [each.get_extra_info("client_addr") for each in stream]

    first, second = asyncio.run(rest())
    assert first == second


@pytest.mark.parametrize(
    "sent",
    [
        asking("/healthz", *(f"X-{number}: x" for number in range(MAX_HEADERS)), method="GET", length=0),
        asking("/healthz", f"X-long: {'x' * MAX_HEADER_BYTES}", method="GET", length=0),
        b"GET /healthz?" + b"x" * MAX_HEADER_BYTES * 2,
        b"GET /healthz HTTP/1.1\r\nX-long: " + b"x" * MAX_HEADER_BYTES * 2,
    ],
    ids=["lines", "bytes", "a path without an end", "a value without an end"],
)
def test_a_header_is_bounded(server, sent):
    answer = asyncio.run(until_closed(server, sent)).answer
    assert status_of(answer) == 431
    assert f"{MAX_HEADERS} lines or {MAX_HEADER_BYTES} bytes" in problem_of(answer)["detail"]


def test_a_trailer_is_bounded(server):
    chunked = asking().replace(b"Content-Length: 100", b"Transfer-Encoding: chunked")
    ended = asyncio.run(until_closed(server, chunked + b"2\r\n{}\r\n0\r\nX-long: " + b"x" * MAX_HEADER_BYTES * 8))
    assert status_of(ended.answer) in {None, 431}  # the answer to the request was due, and is not to be had
    assert ended.seconds < LATE_S


def test_what_is_no_http_is_told_so(server):
    answer = asyncio.run(until_closed(server, b"SSH-2.0-OpenSSH_9.9\r\n\r\n")).answer
    assert status_of(answer) == 400
    assert "no HTTP request" in problem_of(answer)["detail"]


def test_more_connections_than_there_are_places_are_told_to_come_again(server):
    async def crowd():
        return await asyncio.gather(*(until_closed(server, b"GET") for _ in range(2 * PLACES)))

    before = counted(server, "connections")
    refused = [each.answer for each in asyncio.run(crowd()) if each.answer]
    assert len(refused) >= PLACES / 2  # those that did not get one of the places before some were given back
    for answer in refused:
        assert status_of(answer) == 503
        assert b"retry-after: 2" in answer.lower()
        assert "BANDSTAND_MAX_CONNECTIONS" in problem_of(answer)["detail"]
    served_again(server)
    assert counted(server, "connections") >= before + len(refused)


def served_again(address) -> None:
    """Ask until there is a place again: those that were closed give theirs back."""
    deadline = time.monotonic() + LATE_S
    while time.monotonic() < deadline:
        with socket.create_connection(address) as connection:
            connection.sendall(asking("/healthz", method="GET", length=0))
            if connection.recv(12).endswith(b"200"):
                return
    pytest.fail("no place was given back")
