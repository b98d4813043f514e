"""Carries out an operator's orders about the memory, which are control records of the log like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bandstand.catalog.text import normalize
from bandstand.errors import BadInput, NotFound
from bandstand.learner.open_searches import KeyValue
from bandstand.memory_index.curation import EDIT_ACTIONS, Edit, all_edits, edits_of, stored, with_edit, without
from bandstand.types import Ordinals, timed_id

EDIT_MEMORY = "edit_memory"
"""Control record: ``{"id", "action", "query", "entity_id", "score", "by", "note"}``, the query normalised."""

UNDO_EDIT = "undo_edit"
"""Control record: ``{"id", "query"}`` of the edit that is to be undone."""

Payload = Mapping[str, Any]


def edit_order(edit: Payload, ordinals: Callable[[Sequence[str]], Ordinals], *, now: float) -> Payload:
    """What `EDIT_MEMORY` is to say of an edit whose query is as somebody typed it; its id is new.

    Raises:
        BadInput: the query has no words, or a score is missing or too many.
        NotFound: there is no such entity.
    """
    query = normalize(edit["query"])
    if not query:
        raise BadInput("this query has no words: give it some", field="query")
    if (edit["action"] == "score") != (edit["score"] is not None):
        raise BadInput("a score belongs to the action score, and to no other", field="score")
    if int(ordinals([edit["entity_id"]])[0]) < 0:
        raise NotFound(f"there is no entity {edit['entity_id']!r}")
    return {**edit, "query": query, "id": timed_id(now)}


def undo_order(edit_id: str, scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]) -> Payload:
    """What `UNDO_EDIT` is to say of an edit; for ``scan`` see `all_edits`.

    Raises:
        NotFound: there is no such edit.
    """
    for edit in all_edits(scan):
        if edit.id == edit_id:
            return {"id": edit_id, "query": edit.query}
    raise NotFound(f"there is no change {edit_id!r} of the memory: `bandstand memory changes` lists them")


def edit_memory(
    state: KeyValue, ordinals: Callable[[Sequence[str]], Ordinals], kind: str, payload: Payload, now: float
) -> None:
    """Carry an order out at ``now``, the log's own time; other orders, and those about nothing known, are not.

    Edits are part of the learner's state, so that no eviction ever takes them.
    """
    if kind not in {EDIT_MEMORY, UNDO_EDIT}:
        return
    query, id_ = str(payload["query"]), str(payload["id"])
    edits = edits_of(state.get, query)
    if kind == UNDO_EDIT:
        edits = without(edits, id_, time=now)
    elif (edit := _edit_of(payload, ordinals, now)) is not None:
        edits = with_edit(edits, edit)
    if edits:
        state.put(*stored(query, edits))


def _edit_of(payload: Payload, ordinals: Callable[[Sequence[str]], Ordinals], now: float) -> Edit | None:
    ordinal = int(ordinals([str(payload["entity_id"])])[0])
    if ordinal < 0 or payload["action"] not in EDIT_ACTIONS:
        return None
    return Edit(
        id=str(payload["id"]),
        time=now,
        action=payload["action"],
        query=str(payload["query"]),
        entity_id=str(payload["entity_id"]),
        ordinal=ordinal,
        score=payload.get("score"),
        by=str(payload.get("by", "")),
        note=str(payload.get("note", "")),
    )
