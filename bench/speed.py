"""What a search over HTTP costs: searches a second, waiting, CPU of workers and learner by policy; OpenSearch beside.

Every policy has its turn in every round, so that what else the machine does meanwhile falls on all of them alike.
Windows are short, so that every search is finalized, and what that costs the learner counted, within its own turn.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import orjson
from opensearchpy import OpenSearch
from opensearchpy.helpers import bulk

from bandstand.app.platform import Platform
from bandstand.backend import Paths
from bandstand.settings import load_settings
from bandstand.types import Entity
from bench.cpu import Cpu, ServerProcesses, cpu_of
from bench.figures import Figure
from bench.half_typed import half_titles
from bench.http_client import Follow, Sent, no_more, post, send
from bench.searches import known_items
from bench.served import ready_address

POLICIES = ("lexical", "bandit", "all")
CLIENTS, WORKERS, ROUNDS = 8, 2, 2
ALONE = 50
"""Searches of one client a turn, for what a search takes where nobody else waits."""

WINDOW_S, FINALIZE_S = 3.0, 1.0
LATE_S = 5.0 + 1.0
"""After a window has ended the learner waits so long for latecomers, see `LearnerSettings`."""

_SETTINGS = {
    "BANDSTAND_JOIN_MINUTES": str(WINDOW_S / 60),
    "BANDSTAND_FINALIZE_SECONDS": str(FINALIZE_S),
    "BANDSTAND_RETRAIN_MINUTES": "0",
    "BANDSTAND_ESTIMATE_MINUTES": "0",
    "BANDSTAND_DEADLINE_MS": "30000",  # on a busy machine every search is to do, and to cost, the whole of its work
}
AIMS = {"workers": 6.4, "learner": 0.5, "learner, clicked": 3.0}
"""Milliseconds of CPU a search, see DESIGN.md, 5b: all that is not the learner's is the workers'."""


@dataclass(slots=True)
class Turns:
    """What all turns of one policy measured; ``cpu`` is beyond what the processes use while nobody asks."""

    searches: int = 0
    crowd: list[Sent] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    workers: float = 0.0
    learner: float = 0.0
    logged: int = 0

    def figures(self, name: str) -> list[Figure]:
        """Of this policy."""
        rate = len(self.crowd) and sum(len(s.milliseconds) for s in self.crowd) / sum(s.seconds for s in self.crowd)
        client = sum(s.client_cpu for s in self.crowd) / max(sum(len(s.milliseconds) for s in self.crowd), 1)
        learner = AIMS["learner, clicked" if "clicked" in name else "learner"]
        per_search = 1e3 / self.searches
        return [
            Figure(name=f"{name}: searches, {CLIENTS} clients", value=rate, unit="/s"),
            *(Figure(name=f"{name}: p{p}, 1 client", value=_percentile(self.alone, p), unit="ms") for p in (50, 99)),
            _cpu(f"{name}: workers", self.workers * per_search, AIMS["workers"]),
            _cpu(f"{name}: learner", self.learner * per_search, learner),
            _cpu(f"{name}: client", client * 1e3, None),
            Figure(name=f"{name}: log", value=self.logged / self.searches, unit="bytes a search"),
        ]


def _cpu(name: str, milliseconds: float, aim: float | None) -> Figure:
    return Figure(name=name, value=milliseconds, unit="ms of CPU a search", aim=aim)


def _percentile(values: Sequence[float], p: int) -> float:
    return float(np.percentile(values, p)) if values else 0.0


def speed_figures(home: Path, searches: int) -> list[Figure]:
    """Everything, over a copy of an indexed home; so many searches a policy, in rounds."""
    queries = queries_of(home, searches)
    with serving_copy(home) as (address, server):
        idle = _idle(server)
        turns = {name: Turns() for name in (*POLICIES, "bandit, clicked")}
        spread: list[list[int]] = []
        for part in np.array_split(np.array(queries, object), ROUNDS):
            for name, turn in turns.items():
                spread.append(_turn(address, server, name, list(part), turn, idle))
    figures = [figure for name, turn in turns.items() for figure in turn.figures(name)]
    figures += [_idle_figure("workers", idle.workers), _idle_figure("learner", idle.learner)]
    most = max(max(counts, default=0) for counts in spread)
    note = "; ".join("+".join(map(str, counts)) for counts in spread)
    figures.append(Figure(name="connections of one worker, most", value=most, unit=f"of {CLIENTS}", aim=5, note=note))
    return figures


def _idle_figure(who: str, share: float) -> Figure:
    return Figure(name=f"{who}, while nobody asks", value=share * 1e3, unit="ms of CPU a second")


def queries_of(home: Path, count: int) -> list[str]:
    """Titles with and without the artist, the same misspelt, and titles of which 60 % is typed so far, mixed."""
    with Platform(load_settings(home=home)) as platform:
        searching = platform.searching
        whole = [text for _, text, _ in known_items(searching, count * 2 // 3)]
        halves = [text for text, _ in half_titles(searching, count - len(whole))]
    rng = np.random.default_rng(1)
    return [str(text) for text in rng.permutation(np.array(whole + halves, object))]


@contextmanager
def serving_copy(home: Path) -> Iterator[tuple[str, ServerProcesses]]:
    """`bandstand serve` over a copy of the home: its address, once it can search, and its processes."""
    copy = home.with_name(f"{home.name}-measured")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy)
    command = [str(Path(sys.executable).with_name("bandstand")), "serve", "--workers", str(WORKERS), "--port", "0"]
    started = subprocess.Popen(
        [*command, "--home", str(copy)], env=os.environ | _SETTINGS, stdout=subprocess.PIPE, text=True
    )
    with started as process:
        try:
            assert process.stdout is not None
            yield ready_address(process.stdout.readline()), ServerProcesses(process.pid, copy)
        finally:
            process.terminate()
    shutil.rmtree(copy)


def _idle(server: ServerProcesses, seconds: float = 5.0) -> Cpu:
    """CPU seconds a second while nobody asks."""
    time.sleep(2.0)
    before = server.cpu()
    time.sleep(seconds)
    used = server.cpu() - before
    return Cpu(used.workers / seconds, used.learner / seconds)


def _turn(
    address: str, server: ServerProcesses, name: str, queries: Sequence[str], turn: Turns, idle: Cpu
) -> list[int]:
    """One turn of a policy: by all clients, by one, and until the learner has done with it. How connections lay."""
    policy, _, clicked = name.partition(", ")
    requests = [
        post(address, "/v1/search", {"query": text, "policy": policy, "user_id": f"u{number % 50}"})
        for number, text in enumerate(queries)
    ]
    follow: Follow = partial(_click, address) if clicked else no_more
    port = urlsplit(address).port
    assert port is not None
    began, cpu, logged = time.perf_counter(), server.cpu(), _log_bytes(server.home)
    crowd = send(address, requests[ALONE:], CLIENTS, follow=follow, connected=lambda: server.connections(port))
    alone = send(address, requests[:ALONE], 1, follow=follow)
    turn.logged += _log_bytes(server.home) - logged
    time.sleep(WINDOW_S + FINALIZE_S + LATE_S)
    _caught_up(address)
    used, seconds = server.cpu() - cpu, time.perf_counter() - began
    turn.searches += len(requests)
    turn.crowd.append(crowd)
    turn.alone += alone.milliseconds
    turn.workers += used.workers - idle.workers * seconds
    turn.learner += used.learner - idle.learner * seconds
    return crowd.connections


def _click(address: str, body: bytes) -> bytes | None:
    """An event on the first hit of an answer."""
    answer = orjson.loads(body)
    if not answer["hits"]:
        return None
    event = {
        "action_name": "click",
        "query_id": answer["query_id"],
        "event_attributes": {"object": {"object_id": answer["hits"][0]["entity_id"]}, "position": {"ordinal": 1}},
    }
    return post(address, "/v1/events", event)


def _caught_up(address: str) -> None:
    """Return once the learner has read the whole log."""
    while True:
        with urlopen(f"{address}/metrics", timeout=30) as answer:
            found = re.search(r"^bandstand_learner_lag_entries\S* (\S+)", answer.read().decode(), re.MULTILINE)
        if found is not None and float(found[1]) == 0:
            return
        time.sleep(0.2)


def _log_bytes(home: Path) -> int:
    """Bytes of the log's payloads."""
    path = Paths(home).log
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT coalesce(sum(length(payload)), 0) FROM log").fetchone()[0])


_INDEX = "bandstand-speed"
_MAPPING = {"mappings": {"properties": {"title": {"type": "text"}, "artists": {"type": "text"}}}}


def opensearch_figures(url: str, found: Sequence[Entity], queries: Sequence[str]) -> list[Figure]:
    """The same queries to an OpenSearch over the same songs: `fuzziness: AUTO` over title and artist."""
    cluster = OpenSearch(url, timeout=120)
    cluster.indices.delete(index=_INDEX, ignore_unavailable=True)
    cluster.indices.create(index=_INDEX, body=_MAPPING)
    songs = ({"_index": _INDEX, "title": each.title, "artists": each.artists} for each in found)
    bulk(cluster, songs, chunk_size=2_000, refresh=True)
    node = next(iter(cluster.nodes.info(metric="process")["nodes"].values()))["process"]["id"]
    requests = [post(url, f"/{_INDEX}/_search", _fuzzy(text)) for text in queries]
    send(url, requests, CLIENTS)  # the JVM compiles what is called often
    used = cpu_of(node)
    crowd = send(url, requests, CLIENTS)
    used = cpu_of(node) - used
    alone = send(url, requests[:ALONE], 1)
    cluster.indices.delete(index=_INDEX)
    rate = len(queries) / crowd.seconds
    return [
        Figure(name=f"OpenSearch: searches, {CLIENTS} clients", value=rate, unit="/s"),
        *(
            Figure(name=f"OpenSearch: p{p}, 1 client", value=_percentile(alone.milliseconds, p), unit="ms")
            for p in (50, 99)
        ),
        _cpu("OpenSearch: its process", used / len(queries) * 1e3, None),
        _cpu("OpenSearch: client", crowd.client_cpu / len(queries) * 1e3, None),
    ]


def _fuzzy(text: str) -> dict[str, object]:
    fields = ["title", "artists"]
    return {"size": 10, "query": {"multi_match": {"query": text, "fields": fields, "fuzziness": "AUTO"}}}
