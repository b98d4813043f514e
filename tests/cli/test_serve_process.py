"""`bandstand serve` as real processes: several workers and a learner, orderly ends, and `kill -9`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from bandstand.cli.serve import _listening

pytestmark = pytest.mark.slow

FAR = 120.0
"""Seconds in which a loaded machine starts or stops a few processes."""

START = [sys.executable, "-c", "from bandstand.cli.main import main; main()", "serve", "--port", "0"]


class Server:
    """A running `bandstand serve`. Every request has a connection of its own, so that any worker may get it."""

    def __init__(self, home: Path, *words: object, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*START, "--home", str(home), *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        found = re.search(r"http://127\.0\.0\.1:\d+", self.process.stdout.readline())
        assert found, self.process.communicate(timeout=FAR)
        self.address = found[0]
        eventually(self.loaded)

    def loaded(self) -> bool:
        """Whether every worker has its home, be it an empty one."""
        status, answer = self("GET", "/readyz")
        return status == 200 or "is empty" in answer.get("detail", "")

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=FAR) as response:
                return response.status, json.loads(response.read() or b"{}")
        except HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, {}

    def search(self, query: str, **fields: object) -> dict:
        status, answer = self("POST", "/v1/search", {"query": query, **fields})
        assert status == 200, answer
        return answer

    def click(self, query_id: str, entity_id: str, *, wait: bool = False, **fields: object) -> dict:
        attributes = {"object": {"object_id": entity_id}}
        event = {"action_name": "click", "query_id": query_id, "event_attributes": attributes, **fields}
        status, answer = self("POST", f"/v1/events?wait={str(wait).lower()}", event)
        assert status == 202, answer
        return answer

    def finds(self, entity_id: str, *, for_user: str) -> bool:
        """Whether every worker remembers what the user chose."""
        shown = (self.search("a sad old man", user_id=for_user, policy="memory") for _ in range(8))
        return all(found(answer) == [entity_id] for answer in shown)

    def counted(self, route: str) -> float:
        """Requests to a route, as the metrics tell."""
        with urlopen(f"{self.address}/metrics", timeout=FAR) as response:
            text = response.read().decode()
        values = re.findall(rf'bandstand_http_requests_total{{[^}}]*route="{route}"[^}}]*}} (\S+)', text)
        return sum(map(float, values))

    def family(self) -> list[int]:
        """Process ids of the server and its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what was written to standard error."""
        self.process.send_signal(how)
        return self.process.wait(timeout=FAR), self.process.stderr.read()


def eventually(reached: Callable[[], object], seconds: float = FAR) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def serving(home: Path, *words: object, **environment: str) -> Iterator[Server]:
    server = Server(home, *words, **environment)
    family = server.family()
    try:
        yield server
    finally:
        server.process.kill()
        eventually(lambda: not any(map(alive, family)))  # nobody outlives the process that was started


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def found(answer: dict) -> list[str]:
    return [hit["entity_id"] for hit in answer["hits"]]


def holds(pid: int, path: Path) -> bool:
    return any(os.path.realpath(link) == str(path) for link in Path(f"/proc/{pid}/fd").iterdir())


def test_one_process_serves_learns_and_ends_orderly(home):
    with serving(home) as server:
        asked = server.search("a sad old man", user_id="ann")
        click = {"user_id": "ann", "event_id": "the click", "wait": True}
        eventually(lambda: server.click(asked["query_id"], "hurt", **click)["learned"])
        assert server.finds("hurt", for_user="ann")
        for entity_id in ("per%cent", "a/b", "a%2Fb", "line\nbreak"):  # as a real server unquotes them
            path = f"/v1/entities/{quote(entity_id, safe='')}"
            assert server("PUT", path, {"kind": "track", "title": "x"})[0] == 200
            assert server("GET", path)[1]["id"] == entity_id
        assert server.stop() == (0, "")


def test_several_workers_share_what_one_learner_learns(tmp_path):
    with serving(tmp_path / "new", "--workers", 2) as server:
        # A home that nobody has indexed: entities reach every worker.
        assert server.search("hello")["hits"] == []
        assert server("PUT", "/v1/entities/hurt?wait=true", {"kind": "track", "title": "Hurt"})[0] == 200
        eventually(lambda: all(found(server.search("hurt", policy="lexical")) for _ in range(8)))
        # A click that one worker acknowledged is soon known to all of them.
        asked = server.search("a sad old man", user_id="ann")
        server.click(asked["query_id"], "hurt", user_id="ann")
        eventually(lambda: server.finds("hurt", for_user="ann"))
        # Forgetting is done by the learner, whoever is asked for it.
        eventually(lambda: server("DELETE", "/v1/users/ann")[0] == 200)  # 503 says: ask again
        assert not server.finds("hurt", for_user="ann")
        # Metrics are those of all workers together.
        before = server.counted("/healthz")
        for _ in range(20):
            server("GET", "/healthz")
        assert server.counted("/healthz") == before + 20
        # While the learner is dead, events are acknowledged all the same; its successor learns from them.
        learner = next(pid for pid in server.family() if holds(pid, tmp_path / "new" / "learner.lock"))
        os.kill(learner, signal.SIGKILL)
        asked = server.search("a sad old man", user_id="bob")
        server.click(asked["query_id"], "hurt", user_id="bob")
        eventually(lambda: server.finds("hurt", for_user="bob"))
        code, err = server.stop()
        assert code == 0
        assert "learner_restarted" in err
        assert "Traceback" not in err


def test_kill_9_loses_and_doubles_no_acknowledged_event(home):
    with serving(home) as server:
        asked = server.search("a sad old man", user_id="ann")
        acknowledged = [f"event {number}" for number in range(30)]
        for event_id in acknowledged:
            assert server.click(asked["query_id"], "hurt", user_id="ann", event_id=event_id)["accepted"] == 1
        server.stop(signal.SIGKILL)
    with serving(home) as server:
        for event_id in acknowledged:
            assert server.click(asked["query_id"], "hurt", user_id="ann", event_id=event_id)["duplicates"] == 1
        eventually(lambda: server.finds("hurt", for_user="ann"))
        assert server.stop(signal.SIGINT) == (0, "")


HANGS = """
import os, signal, threading
from bandstand.api.processes import configure_logs, end_within, when_terminated

configure_logs()
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
when_terminated(lambda: end_within(0.2))
print(os.getpid(), flush=True)
while True:
    threading.Event().wait(0.05)
"""


def test_a_process_that_hangs_ends_by_force_after_it_was_asked(tmp_path):
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.terminate()
        said, complaint = process.communicate(timeout=FAR)
    assert (said, process.returncode) == ("asked\n", 1)
    assert "ended_by_force" in complaint


def test_answers_do_not_wait_for_an_acknowledgement():
    """asyncio sets TCP_NODELAY only where the protocol is named, else each answer takes 40 ms (Nagle, delayed ACK)."""
    with _listening("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


FAMILY = """
import multiprocessing, os, signal, sys, threading
from bandstand.api.processes import end_orphan, when_parent_ends

def child():
    if sys.argv[1:] == ["deaf"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    when_parent_ends(end_orphan)
    print(os.getpid(), flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
"""


@pytest.mark.parametrize("how", [[], ["deaf"]])
def test_no_process_outlives_the_one_that_began_it(tmp_path, how):
    """With processes that do nothing else, as importing everything takes seconds; also one that hears no signal."""
    program = tmp_path / "family.py"
    program.write_text(FAMILY)
    parent = subprocess.Popen([sys.executable, str(program), *how], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.communicate(timeout=FAR)
    eventually(lambda: not alive(child))
