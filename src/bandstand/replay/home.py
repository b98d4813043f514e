"""The home that a replay searches: the platform's own, with nothing in it that depends on the machine's mood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from bandstand.app.searching import Home
from bandstand.app.storage import Storage
from bandstand.engine.runner import InlineRunner, Runner
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder import Encoder


class ReplayHome(Home):
    """Arms run one after another in the caller's thread: no deadline can make an answer another one."""

    def _running(self, retrievers: Mapping[str, Retriever]) -> Runner:
        return InlineRunner(retrievers)


class HomeFactory(Protocol):
    """Opens the searching side of a stage: `ReplayHome`, or one with something changed about it."""

    def __call__(self, storage: Storage, *, new_id: Callable[[], str], encoder: Encoder) -> Home:
        """See `Home`."""
