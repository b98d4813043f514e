"""What users notice when nodes of the cluster are killed: searches and events over HTTP, on two machines.

Needs a cluster of several nodes that may be killed, say ``--pid-files node-0/pid,node-1/pid,node-2/pid``, and the
command that starts again what was killed. First one node is killed and comes back, then all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from bandstand.opensearch.connection import Cluster, ClusterSettings
from bandstand.opensearch.log_order import Order
from bench.http_load import PATIENCE_S, Load

PORTS = (18_081, 18_082)
ADDRESSES = tuple(f"http://127.0.0.1:{port}" for port in PORTS)
_DRAINED_S = 120
_AHEAD = 5
"""Steps of niceness by which the generator precedes everything else, where it may: a late one measures itself."""


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
    for address in ADDRESSES:
        while not _ready(address):
            if time.monotonic() > until:
                raise SystemExit(f"the service at {address} did not become ready")
            time.sleep(0.2)


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


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


def _gone_ahead() -> bool:
    """Whether this process now goes before the others."""
    try:
        os.nice(-_AHEAD)
    except PermissionError:
        return False
    return True


async def _measured(options: argparse.Namespace, settings: ClusterSettings) -> dict[str, Any]:
    pids, ahead = [Path(name) for name in options.pid_files.split(",")], _gone_ahead()

    def restart() -> None:
        command = ["nice", "-n", str(_AHEAD), *shlex.split(options.restart)] if ahead else shlex.split(options.restart)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    async with httpx.AsyncClient(timeout=PATIENCE_S, limits=httpx.Limits(max_connections=None)) as client:
        load = Load(client, ADDRESSES, seed=1)
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
