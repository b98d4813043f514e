"""The API workers of one server, and their end together with its learner's."""

from __future__ import annotations

import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from bandstand.api.processes import LearnerProcess


class Workers(Multiprocess):
    """The API workers of a server; with them ends its learner, if there is one, side by side."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, learner: LearnerProcess | None) -> None:
        super().__init__(config, [listener])
        self._learner = learner

    def terminate_all(self) -> None:
        """See `Multiprocess`."""
        if self._learner is not None:
            self._learner.terminate()
        super().terminate_all()
