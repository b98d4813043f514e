"""CPU time of the processes of one server, its workers and its learner apart, and who holds connections (/proc)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU, user and system, that the workers and the learner of a server have used so far."""

    workers: float
    learner: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.workers - other.workers, self.learner - other.learner)


@dataclass(frozen=True, slots=True)
class ServerProcesses:
    """The processes under ``root``, a running `bandstand serve` over ``home``; the one that holds its lock learns."""

    root: int
    home: Path

    def cpu(self) -> Cpu:
        """Seconds used until now."""
        learners = self.learners()
        return Cpu(
            workers=sum(cpu_of(pid) for pid in _descendants(self.root) if pid not in learners),
            learner=sum(cpu_of(pid) for pid in learners),
        )

    def learners(self) -> set[int]:
        """The processes that learn: one, where the workers do not."""
        lock = str((self.home / "learner.lock").resolve())
        return {pid for pid in _descendants(self.root) if lock in _open_files(pid)}

    def connections(self, port: int) -> list[int]:
        """How many clients' connections to a port each process but the learner holds, the most first."""
        wanted = _established(port)
        holders = set(_descendants(self.root)) - self.learners()
        counts = [len(wanted & set(_open_files(pid))) for pid in holders]
        return sorted((count for count in counts if count), reverse=True)


def cpu_of(pid: int) -> float:
    """Seconds of CPU of one process, its ended threads included; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _descendants(int(child))


def _open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found


def _established(port: int) -> set[str]:
    """The server's ends of connections to a port, as /proc/PID/fd names them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = f":{port:04X}"
    return {f"socket:[{row[9]}]" for row in rows if row[3] == _ESTABLISHED and row[1].endswith(local)}
