"""What users notice when nodes of the cluster are killed: searches and events over HTTP, on two machines.

Needs a cluster of several nodes that may be killed, say ``--pid-files node-0/pid,node-1/pid,node-2/pid``, and the
command that starts again what was killed. First one node is killed and comes back, then all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bandstand.catalog.bundled import load_bundled
from bandstand.cluster.connection import Cluster
from bandstand.cluster.settings import ClusterSettings
from bandstand.feedback.order import Order

SEARCHES_A_SECOND, EVENTS_A_SECOND = 20, 50
PORTS = (18_081, 18_082)
_DRAINED_S = 120


@dataclass
class Seen:
    """What one run answered: searches by status and by which arms failed, times, and the ids of accepted events."""

    searches: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    retry_after: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    pages: list[tuple[str, str]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """The counts, and percentiles of the times of answered searches."""
        times = sorted(self.milliseconds) or [0.0]
        at = {name: round(times[min(int(share * len(times)), len(times) - 1)], 1) for name, share in _SHARES.items()}
        return {
            "searches": dict(self.searches),
            "search_ms": at,
            "searches_with_a_failed_arm": dict(self.degraded),
            "retry_after": dict(self.retry_after),
            "events": dict(self.events),
            "accepted_ids": len(self.accepted),
        }


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


class Load:
    """Sends searches and events at fixed rates, whatever becomes of them."""

    def __init__(self, client: httpx.AsyncClient, seed: int) -> None:
        self._client, self._rng = client, random.Random(seed)
        self._titles = [entity.title for entity in load_bundled() if entity.kind == "track"]
        self.seen = Seen()

    async def run(self, seconds: float, faults: list[tuple[float, Any]]) -> Seen:
        """Load for so long; each fault is called at its second."""
        self.seen = Seen()
        running = [
            self._at_rate(self._search, SEARCHES_A_SECOND, seconds),
            self._at_rate(self._event, EVENTS_A_SECOND, seconds),
            *(self._later(moment, fault) for moment, fault in faults),
        ]
        await asyncio.gather(*running)
        return self.seen

    async def _later(self, moment: float, fault: Any) -> None:  # noqa: ANN401 - something to call
        await asyncio.sleep(moment)
        await asyncio.to_thread(fault)

    async def _at_rate(self, send: Any, rate: int, seconds: float) -> None:  # noqa: ANN401 - a coroutine function
        began, sent = time.monotonic(), []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent.append(asyncio.create_task(send(number)))
        await asyncio.gather(*sent)

    async def _search(self, number: int) -> None:
        body = {"query": self._rng.choice(self._titles), "user_id": f"u{number % 50}"}
        began = time.monotonic()
        answer = await self._post(number, "/v1/search", body)
        self.seen.searches[str(answer.status_code)] += 1
        if answer.status_code != 200:
            self.seen.retry_after[answer.headers.get("retry-after", "none")] += 1
            return
        self.seen.milliseconds.append((time.monotonic() - began) * 1e3)
        page = answer.json()
        failed = [arm["arm"] for arm in page["decision"]["arms"] if arm.get("status") not in {"ok", "skipped", None}]
        if failed:
            self.seen.degraded["+".join(failed)] += 1
        if page["hits"]:
            self.seen.pages.append((page["query_id"], page["hits"][0]["entity_id"]))

    async def _event(self, number: int) -> None:
        query_id, entity = self._rng.choice(self.seen.pages) if self.seen.pages else ("none", "none")
        name = uuid.uuid4().hex
        body = {
            "event_id": name,
            "action_name": "click",
            "query_id": query_id,
            "user_id": f"u{number % 50}",
            "event_attributes": {"object": {"object_id": entity}, "position": {"ordinal": 1}},
        }
        answer = await self._post(number, "/v1/events", body)
        self.seen.events[str(answer.status_code)] += 1
        if answer.status_code == 202 and answer.json()["accepted"] == 1:
            self.seen.accepted.add(name)

    async def _post(self, number: int, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._client.post(f"http://127.0.0.1:{PORTS[number % 2]}{path}", json=body)
        except httpx.HTTPError as error:
            return httpx.Response(599, text=str(error))


def delivered(settings: ClusterSettings, accepted: set[str]) -> dict[str, Any]:
    """How the accepted events stand in the cluster, once nothing waits any more."""
    cluster = Cluster(settings)
    began = time.monotonic()
    while (missing := accepted - set(ids := _ordered(cluster))) and time.monotonic() - began < _DRAINED_S:
        time.sleep(0.5)
    cluster.refresh(cluster.index("ubi_events"))
    counted = Counter(
        hit["_id"] for hit in cluster.scan(cluster.index("ubi_events"), {"match_all": {}}, sort="event_id")
    )
    cluster.close()
    return {
        "drained_s": round(time.monotonic() - began, 1),
        "lost": len(missing),
        "not_in_ubi_events": len(accepted - set(counted)),
        "twice_in_ubi_events": sum(count > 1 for name, count in counted.items() if name in accepted),
        "twice_in_the_order": sum(count > 1 for count in Counter(ids).values()),
    }


def _ordered(cluster: Cluster) -> list[str]:
    """The ids of all events in the cluster's order."""
    order, after, ids = Order(cluster), 0, []
    while batches := order.after(after):
        ids += [str(ref.id) for batch in batches for ref in batch.entries if ref.kind == "event"]
        after = batches[-1].number
    return ids


def _kill(files: list[Path]) -> None:
    for file in files:
        os.kill(int(file.read_text()), signal.SIGKILL)


def _until_ready(seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    for port in PORTS:
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if time.monotonic() > until:
                raise SystemExit(f"the service on port {port} did not become ready")
            time.sleep(0.2)


def _machines(folder: Path, environment: dict[str, str], running: ExitStack) -> None:
    """Two machines of the cluster: an API process with a learner each."""
    command = [str(Path(sys.executable).with_name("bandstand"))]
    first = {**environment, "BANDSTAND_HOME": str(folder / "0")}
    for step in ("ingest", "index"):
        subprocess.run([*command, step], env=first, check=True, stdout=subprocess.DEVNULL)
    for number, port in enumerate(PORTS):
        home = {**environment, "BANDSTAND_HOME": str(folder / str(number))}
        log = running.enter_context((folder / f"{number}.log").open("w"))
        process = subprocess.Popen([*command, "serve", "--port", str(port)], env=home, stdout=log, stderr=log)
        running.callback(process.wait, 60)
        running.callback(process.terminate)
    _until_ready()


async def _measured(options: argparse.Namespace, settings: ClusterSettings) -> dict[str, Any]:
    pids = [Path(name) for name in options.pid_files.split(",")]

    def restart() -> None:
        subprocess.run(shlex.split(options.restart), check=True, stdout=subprocess.DEVNULL)

    async with httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=200)) as client:
        load = Load(client, seed=1)
        await load.run(3, [])
        report: dict[str, Any] = {}
        one = await load.run(60, [(20, lambda: _kill(pids[1:2])), (40, restart)])
        report["one_node_killed"] = one.report() | await asyncio.to_thread(delivered, settings, one.accepted)
        sys.stderr.write(json.dumps(report) + "\n")
        none = await load.run(20, [(2, lambda: _kill(pids))])
        down = none.report()
        sys.stderr.write(json.dumps({"all_nodes_killed": down}) + "\n")
        await asyncio.to_thread(restart)
        report["all_nodes_killed"] = down | await asyncio.to_thread(delivered, settings, none.accepted)
    return report


def main() -> None:
    """Print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", required=True, help="addresses of the nodes, separated by commas")
    parser.add_argument("--pid-files", required=True, help="a file with the process id of each node")
    parser.add_argument("--restart", required=True, help="the command that starts again what was killed")
    options = parser.parse_args()
    prefix = f"faults-{uuid.uuid4().hex[:8]}"
    settings = ClusterSettings(urls=tuple(options.urls.split(",")), prefix=prefix)
    environment = {
        **os.environ,
        "BANDSTAND_BACKEND": "opensearch",
        "BANDSTAND_OPENSEARCH_URL": options.urls,
        "BANDSTAND_OPENSEARCH_PREFIX": prefix,
        "BANDSTAND_SELFPLAY_QUERIES": "0",
    }
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        _machines(Path(folder), environment, running)
        report = asyncio.run(_measured(options, settings))
        for number in range(2):
            report[f"log_of_machine_{number}"] = (Path(folder) / f"{number}.log").read_text()[-3_000:].splitlines()
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
