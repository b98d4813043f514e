"""The retriever that asks a service: real requests over loopback, whatever the service answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bandstand.errors import RetrievalError
from bandstand.retrievers.http import HttpRetriever
from bandstand.types import Filters, RetrieverSpec


class Service:
    """A service with answers to give one after another: a status and a body; the last one again and again."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.answers: list[tuple[int, bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.asked.append({**json.loads(body), "key": self.headers.get("authorization")})
                status, content = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/candidates"

    def answer(self, *answers: tuple[int, object]) -> None:
        self.answers = [(status, json.dumps(body).encode()) for status, body in answers]


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    thread = threading.Thread(target=started.server.serve_forever, daemon=True)
    thread.start()
    yield started
    started.server.shutdown()
    started.server.server_close()
    thread.join()


def attached(world, url, spec="lyrics", **options) -> HttpRetriever:
    retriever = HttpRetriever(url, spec, deadline_ms=20_000, **options)
    retriever.attach(world.catalog)
    return retriever


def ids(world, found) -> list[str]:
    return world.catalog.columns.ids[found.ordinals].tolist()


def test_it_asks_in_full_and_orders_what_comes(service, shared_world):
    service.answer((200, {"ids": ["t:hello", "t:nobody", "t:halo"], "scores": [1.0, 9.0, 2.5]}))
    retriever = attached(shared_world, service.url, headers={"Authorization": "Bearer secret"})
    found = retriever.retrieve(shared_world.ask("Halo!", filters=Filters(values=(("genre", ("pop",)),))), 10)
    assert ids(shared_world, found) == ["t:halo", "t:hello"]  # an id that the catalogue does not know is left out
    assert found.scores.tolist() == [2.5, 1.0]
    assert service.asked == [
        {
            "query": "Halo!", "normalized": "halo", "depth": 200, "kinds": [], "filters": {"genre": ["pop"]},
            "year_gte": None, "year_lte": None, "locale": None, "key": "Bearer secret",
        }
    ]  # fmt: skip


def test_what_a_filter_forbids_is_left_out(service, shared_world):
    service.answer((200, {"ids": ["t:halo", "t:hurt-cash"], "scores": [2.0, 1.0]}))
    asked = shared_world.ask("halo", filters=Filters(values=(("genre", ("country",)),)))
    assert ids(shared_world, attached(shared_world, service.url).retrieve(asked, 10)) == ["t:hurt-cash"]


def test_columns_of_its_spec_are_taken_along(service, shared_world):
    service.answer((200, {"ids": ["t:halo", "t:hello"], "scores": [1, 2], "columns": {"lines": [3, 4]}}))
    retriever = attached(shared_world, service.url, RetrieverSpec("lyrics", columns=("lines",)))
    assert retriever.retrieve(shared_world.ask("halo"), 10).columns["lines"].tolist() == [4.0, 3.0]


def test_a_blank_query_and_depth_0_ask_nobody(service, shared_world):
    retriever = attached(shared_world, service.url)
    assert len(retriever.retrieve(shared_world.ask(""), 10)) == 0
    assert len(retriever.retrieve(shared_world.ask("halo"), 0)) == 0
    assert service.asked == []


def test_it_tries_again_where_that_may_help(service, shared_world):
    service.answer((503, {}), (200, {"ids": ["t:halo"], "scores": [1.0]}))
    assert len(attached(shared_world, service.url).retrieve(shared_world.ask("halo"), 10)) == 1
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((500, {}), "answered 500"),
        ((200, []), "has to answer"),
        ((200, {"ids": ["t:halo"]}), "scores"),
        ((200, {"ids": ["t:halo"], "scores": ["much"]}), "has to answer"),
        ((200, {"ids": ["t:halo"], "scores": []}), "as many scores"),
        ((200, {"ids": ["t:halo"], "scores": [1.0], "columns": {"lines": [1.0]}}), "no column but none"),
    ],
)
def test_a_wrong_answer_is_named(service, shared_world, answer, says):
    service.answer(answer)
    with pytest.raises(RetrievalError, match=says):
        attached(shared_world, service.url).retrieve(shared_world.ask("halo"), 10)


def test_nobody_there_is_an_error_of_ours(shared_world):
    with pytest.raises(RetrievalError, match="does not answer"):
        attached(shared_world, "http://127.0.0.1:9/", retries=0).retrieve(shared_world.ask("halo"), 10)


def test_after_failures_in_a_row_it_is_left_alone(service, shared_world):
    service.answer((500, {}))
    retriever = attached(shared_world, service.url, failures=2, pause_s=3_600)
    for _ in range(2):
        with pytest.raises(RetrievalError):
            retriever.retrieve(shared_world.ask("halo"), 10)
    with pytest.raises(RetrievalError, match="left alone for 3600 s"):
        retriever.retrieve(shared_world.ask("halo"), 10)
    assert len(service.asked) == 2


def test_after_the_pause_it_is_asked_again(service, shared_world):
    service.answer((500, {}), (200, {"ids": ["t:halo"], "scores": [1.0]}))
    retriever = attached(shared_world, service.url, failures=1, pause_s=0)
    with pytest.raises(RetrievalError):
        retriever.retrieve(shared_world.ask("halo"), 10)
    assert len(retriever.retrieve(shared_world.ask("halo"), 10)) == 1
