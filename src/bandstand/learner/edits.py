"""Carries out an operator's orders about the memory, which are control records of the log like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bandstand.learner.open_searches import KeyValue
from bandstand.memory_index.curation import EDIT_ACTIONS, Edit, edits_of, stored, with_edit, without
from bandstand.types import Ordinals

EDIT_MEMORY = "edit_memory"
"""Control record: ``{"id", "action", "query", "entity_id", "score", "by", "note"}``, the query normalised."""

UNDO_EDIT = "undo_edit"
"""Control record: ``{"id", "query"}`` of the edit that is to be undone."""

Payload = Mapping[str, Any]


class MemoryEditor:
    """Applies edits within the learner's transaction: they are state, so that no eviction ever takes them."""

    def __init__(self, state: KeyValue, ordinals: Callable[[Sequence[str]], Ordinals]) -> None:
        self._state = state
        self._ordinals = ordinals

    def handle(self, kind: str, payload: Payload, now: float) -> None:
        """Carry an order out at ``now``, the log's own time; other orders, and those about nothing known, are not."""
        if kind == EDIT_MEMORY:
            self._edit(payload, now)
        elif kind == UNDO_EDIT:
            query = str(payload["query"])
            self._put(query, without(edits_of(self._state.get, query), str(payload["id"]), time=now))

    def _edit(self, payload: Payload, now: float) -> None:
        query, entity_id = str(payload["query"]), str(payload["entity_id"])
        ordinal = int(self._ordinals([entity_id])[0])
        if ordinal < 0 or payload["action"] not in EDIT_ACTIONS:
            return
        edit = Edit(
            id=str(payload["id"]),
            time=now,
            action=payload["action"],
            query=query,
            entity_id=entity_id,
            ordinal=ordinal,
            score=payload.get("score"),
            by=str(payload.get("by", "")),
            note=str(payload.get("note", "")),
        )
        self._put(query, with_edit(edits_of(self._state.get, query), edit))

    def _put(self, query: str, edits: Sequence[Edit]) -> None:
        if edits:
            self._state.put(*stored(query, edits))
