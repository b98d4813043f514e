"""Which workers of one server can search: they share a socket, so the server is ready only when each of them is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Readiness:
    """A file for each worker that has loaded its home, named by its process, in a folder of the server's own.

    ``workers`` is how many there are. A worker that died counts no more, and its successor not before it has loaded.
    """

    folder: Path
    workers: int

    def announce(self) -> None:
        """This process can search from now on."""
        (self.folder / str(os.getpid())).touch()

    def complete(self) -> bool:
        """Whether every worker can search."""
        return sum(alive(int(path.name)) for path in self.folder.iterdir()) >= self.workers


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
