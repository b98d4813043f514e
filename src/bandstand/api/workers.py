"""The API workers of one server, and their end together with its learner's."""

from __future__ import annotations

import socket
import time

import uvicorn
from uvicorn.supervisors import Multiprocess

from bandstand.api.processes import LONGEST_END_S, LearnerProcess, end_within, when_terminated

_LATE_S = 2.0
"""How much later than its workers the process that began them has to end."""


class Workers(Multiprocess):
    """The API workers of a server; with them ends its learner, if there is one, side by side."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, learner: LearnerProcess | None) -> None:
        super().__init__(config, [listener])
        self._learner = learner
        when_terminated(lambda: end_within(LONGEST_END_S + _LATE_S))  # it may be waiting for a worker that hangs

    def terminate_all(self) -> None:
        """See `Multiprocess`."""
        if self._learner is not None:
            self._learner.terminate()
        super().terminate_all()

    def join_all(self) -> None:
        """See `Multiprocess`; one that hangs is killed: what it had acknowledged is on disk."""
        until = time.monotonic() + LONGEST_END_S
        for worker in self.processes:
            worker.process.join(max(until - time.monotonic(), 0.0))
            worker.process.kill()
