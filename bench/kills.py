"""Rounds of `kill -9` at a server of two workers under load, with keys, while a log is imported or a backup is made."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bandstand.access.key_file import KeyFile
from bandstand.access.keys import Grant, issue
from bandstand.app.backup import restore
from bandstand.app.platform import Platform
from bandstand.backend import Paths
from bandstand.feedback.joined import entries
from bandstand.settings import load_settings
from bandstand.types import Event
from bench.figures import Figure
from bench.served import ready_address

CLIENTS = 4
EVENTS = 3
"""In each request, by as many users."""

_IMPORTED = 3_000
_SEED = 1
_COMMAND = str(Path(sys.executable).with_name("bandstand"))


@dataclass
class Load:
    """What clients send to a server until it is killed; ``acknowledged`` are the ids of events that it answered 202."""

    secret: str
    entity: str
    acknowledged: set[str] = field(default_factory=set)
    searches: int = 0

    def send(self, address: str, query: str, name: str) -> None:
        """One client: search, and say what people chose, until nobody answers."""
        with httpx.Client(base_url=address, headers={"x-bandstand-key": self.secret}, timeout=30) as client:
            for number in range(1_000_000):
                events = [self._event(query, f"{query} {name} {number} {each}") for each in range(EVENTS)]
                try:
                    found = client.post("/v1/search", json={"query": query})
                    answer = client.post("/v1/events", json=events)
                except httpx.HTTPError:
                    return
                self.searches += found.status_code == httpx.codes.OK
                if answer.status_code == httpx.codes.ACCEPTED:
                    self.acknowledged.update(event["event_id"] for event in events)

    def _event(self, query: str, name: str) -> dict[str, str]:
        return {
            "event_id": name,
            "action_name": "click",
            "user_query": query,
            "user_id": f"user {name}",
            "object_id": self.entity,
        }


def kill_figures(home: Path, rounds: int) -> list[Figure]:
    """What was acknowledged and is not there, and what was learned more or less often than it is there."""
    with tempfile.TemporaryDirectory() as folder:
        copy, backups = Path(shutil.copytree(home, Path(folder) / "home")), Path(folder) / "backups"
        backups.mkdir()
        log = _log(Path(folder) / "log.csv")
        grant = Grant(scopes=("search", "events", "import"))
        secret = issue(KeyFile(Paths(copy).keys), "load", grant, now=time.time()).secret
        load = Load(secret, entity=_entity(copy))
        chance, began = random.Random(_SEED), time.monotonic()
        for number in range(rounds):
            other = ("import", str(log), *_MAP) if number % 2 else ("backup", str(backups / str(number)))
            _round(copy, load, f"round {number}", other, after_s=chance.uniform(0.2, 2.0))
        seconds = time.monotonic() - began
        whole = [_restored(backup, Path(folder) / "restored") for backup in sorted(backups.iterdir())]
        return [
            Figure(
                name="rounds",
                value=rounds,
                unit="",
                note=f"{seconds / rounds:.1f} s each, {load.searches} searches in all",
            ),
            *_found(copy, load),
            Figure(
                name="backups that were finished",
                value=len(whole),
                unit="",
                note=f"{whole.count(False)} of them not whole",
            ),
        ]


def _round(home: Path, load: Load, query: str, other: tuple[str, ...], *, after_s: float) -> None:
    """Serve, load, do something else beside, and kill all of it."""
    with _serving(home) as (address, group):
        with subprocess.Popen(
            [_COMMAND, *other, "--home", str(home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=group,
        ):
            clients = [threading.Thread(target=load.send, args=(address, query, str(n))) for n in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(after_s)
            os.killpg(group, signal.SIGKILL)
        for client in clients:
            client.join()


@contextmanager
def _serving(home: Path) -> Iterator[tuple[str, int]]:
    command = [_COMMAND, "serve", "--port", "0", "--workers", "2", "--home", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    ) as process:
        try:
            assert process.stdout is not None
            yield ready_address(process.stdout.readline()), process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


_MAP = ("--map", "time=ts", "--map", "query=q", "--map", "user=u", "--map", "clicked=e", "--answered", "0")


def _log(path: Path) -> Path:
    """A log of another system, on entities that are not here: what matters is that it is read and written beside."""
    rows = (f"{1_600_000_000 + 60 * n},query {n % 50},user {n % 200},entity {n % 90}" for n in range(_IMPORTED))
    path.write_text("\n".join(["ts,q,u,e", *rows]))
    return path


def _entity(home: Path) -> str:
    with Platform(load_settings(home=home)) as platform:
        return next(entity.id for _, entity in platform.storage.store.scan() if entity.kind == "track")


def _found(home: Path, load: Load) -> Iterator[Figure]:
    """What the log holds of what was acknowledged, and the memory of what the log holds."""
    with Platform(load_settings(home=home)) as platform:
        platform.storage.log.deliver()
        platform.learning.learner.catch_up()
        logged = [entry.record for entry in entries(platform.storage.log) if isinstance(entry.record, Event)]
        here = Counter(event.id for event in logged)
        by_query = Counter(event.user_query or "" for event in logged if event.id.startswith("round"))
        learned = {
            query: sum(row.clicks for row in platform.storage.memory.query_rows(query, now=platform.storage.clock()))
            for query in by_query
        }
    yield Figure(name="events acknowledged", value=len(load.acknowledged), unit="")
    yield Figure(
        name="acknowledged, and not in the log",
        value=sum(each not in here for each in load.acknowledged),
        unit="",
        aim=0,
    )
    yield Figure(name="twice in the log", value=sum(count > 1 for count in here.values()), unit="", aim=0)
    wrong = [query for query, count in by_query.items() if abs(learned[query] - count) > 0.01 * count]
    yield Figure(
        name="rounds that were learned otherwise than they are logged",
        value=len(wrong),
        unit="",
        aim=0,
        note=f"of {len(by_query)}",
    )


def _restored(backup: Path, into: Path) -> bool:
    """Whether a backup that was finished makes a home."""
    shutil.rmtree(into, ignore_errors=True)
    try:
        restore(backup, load_settings(home=into))
    except Exception:  # noqa: BLE001 - whatever it is, it is not whole
        return False
    return True
