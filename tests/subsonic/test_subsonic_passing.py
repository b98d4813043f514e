"""What is passed on: bodies as they come, both ways, without headers of one connection; logins are asked about once."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.api_world import eventually
from tests.support.player import HTTP, fronting

PACKED = gzip.compress(b"packed", mtime=0)


class Server:
    """A server whose requests a test can look at."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.hung_up = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/rest/stream", self.stream),
                Route("/upload", self.upload, methods=["POST"]),
                Route("/moved", lambda request: RedirectResponse(f"{request.base_url}app/?x=1")),
                Route("/packed", lambda _: Response(PACKED, headers={"content-encoding": "gzip"})),
                Route("/rest/{view}", self.answer),
            ]
        )

    async def stream(self, _: Request) -> Response:
        async def endless():
            try:
                while True:
                    yield bytes(1_024)
                    await asyncio.sleep(0)  # others get their turn
            finally:
                self.hung_up.set()

        return StreamingResponse(endless(), media_type="audio/flac")

    async def upload(self, request: Request) -> Response:
        pieces = [piece async for piece in request.stream() if piece]
        headers = {name: value for name, value in request.headers.items() if name != "user-agent"}
        return JSONResponse({"body": b"".join(pieces).decode(), "headers": headers})

    async def answer(self, request: Request) -> Response:
        view = request.path_params["view"].removesuffix(".view")
        self.asked[view] += 1
        refused = {"status": "failed", "error": {"code": 40, "message": "no"}}
        content = (
            refused if request.query_params.get("p") == "wrong" else {"status": "ok", "tokenInfo": {"username": "ann"}}
        )
        return JSONResponse({"subsonic-response": {**content, "version": "1.16.1", "by": "upstream"}})


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, int]]:
    made = Server()
    running = uvicorn.Server(uvicorn.Config(made.app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=running.run, name="upstream")
    thread.start()
    eventually(lambda: running.started)
    yield made, running.servers[0].sockets[0].getsockname()[1]
    running.should_exit = running.force_exit = True
    thread.join()


@pytest.fixture(scope="module")
def front(server, tmp_path_factory):
    with fronting(tmp_path_factory.mktemp("passing"), f"http://127.0.0.1:{server[1]}") as running:
        yield f"http://127.0.0.1:{running.port}"


def test_a_stream_without_end_is_passed_on_and_ends_when_the_player_leaves(server, front):
    with HTTP.stream("GET", f"{front}/rest/stream", params={"id": "1", "u": "ann", "p": "x"}) as answer:
        assert answer.headers["content-type"] == "audio/flac"
        assert len(next(answer.iter_raw(4_096))) == 4_096
    assert server[0].hung_up.wait(60)


def test_a_body_is_passed_on_piece_by_piece(server, front):
    pieces = ["a" * 70_000, "b" * 70_000]
    answer = HTTP.post(
        f"{front}/upload",
        content=(piece.encode() for piece in pieces),
        headers={"connection": "keep-alive, x-private", "x-private": "1", "te": "trailers", "x-kept": "1"},
    ).json()
    assert answer["body"] == "".join(pieces)
    headers = answer["headers"]
    assert (headers["host"], headers["x-kept"]) == (f"127.0.0.1:{server[1]}", "1")
    assert (headers["x-forwarded-for"], headers["x-forwarded-host"]) == ("127.0.0.1", front.removeprefix("http://"))
    assert not {"x-private", "te"} & headers.keys()


def test_redirects_to_the_server_lead_here(front):
    answer = HTTP.get(f"{front}/moved")
    assert (answer.status_code, answer.headers["location"]) == (307, "/app/?x=1")


def test_what_is_packed_stays_packed(front):
    with HTTP.stream("GET", f"{front}/packed", headers={"accept-encoding": "gzip"}) as answer:
        assert b"".join(answer.iter_raw()) == PACKED


def search(front, **parameters):
    answer = HTTP.get(f"{front}/rest/search3.view", params={"query": "halo", "f": "json", **parameters})
    return answer.json()["subsonic-response"]


def test_each_login_is_asked_about_once(server, front):
    asked = server[0].asked
    before = asked["ping"]
    for salt in ("a", "a", "b"):
        assert search(front, u="ann", t="token", s=salt)["by"] == "upstream"
    assert asked["ping"] == before + 2
    for _ in range(2):
        assert search(front, u="ann", p="wrong")["status"] == "failed"
    assert asked["ping"] == before + 4  # refusals are not remembered


def test_a_key_is_asked_whose_it_is(server, front):
    asked = server[0].asked
    for _ in range(2):
        search(front, apiKey="key")
    assert asked["tokenInfo"] == 1


def test_a_client_that_says_nobody_is_passed_on(server, front):
    pinged = server[0].asked["ping"]
    assert search(front)["by"] == "upstream"
    assert HTTP.get(f"{front}/rest/search3", params={"query": "x"}, auth=httpx.BasicAuth("ann", "x")).status_code == 200
    assert server[0].asked["ping"] == pinged
