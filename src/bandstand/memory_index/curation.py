"""What an operator decided about a query's answers: pinned, blocked, given a score; every change stays on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from bandstand.memory_index.keys import query_key

EditAction = Literal["pin", "block", "score"]
EDIT_ACTIONS: tuple[EditAction, ...] = ("pin", "block", "score")

_PREFIX = b"edits/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change: ``id`` is unique and sorts by time, ``by`` who says to have made it, ``undone`` when it was undone.

    ``score`` in [0, 1] is what the memory is to believe of the pair; only with the action "score".
    """

    id: str
    time: float
    action: EditAction
    query: str
    entity_id: str
    ordinal: int
    score: float | None = None
    by: str = ""
    note: str = ""
    undone: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curation:
    """What holds for one query now: ordinals pinned, the first first; blocked ones; scores that replace beliefs."""

    pinned: tuple[int, ...] = ()
    blocked: frozenset[int] = frozenset()
    scores: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, edits: Sequence[Edit]) -> Curation:
        """What edits of one query, oldest first, amount to: for each entity the newest that is not undone counts."""
        latest: dict[int, Edit] = {}
        for edit in edits:
            if edit.undone is None:
                latest.pop(edit.ordinal, None)  # the newest stands last
                latest[edit.ordinal] = edit
        return cls(
            pinned=tuple(edit.ordinal for edit in latest.values() if edit.action == "pin"),
            blocked=frozenset(edit.ordinal for edit in latest.values() if edit.action == "block"),
            scores={edit.ordinal: edit.score for edit in latest.values() if edit.score is not None},
        )

    def __bool__(self) -> bool:
        return bool(self.pinned or self.blocked or self.scores)


def edits_of(get: Callable[[bytes], bytes | None], normalized: str) -> tuple[Edit, ...]:
    """Every edit of a query, oldest first, undone ones too; ``get`` reads the learner's state."""
    return _loaded(get(_key(normalized)))


def all_edits(scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]) -> list[Edit]:
    """Every edit there is, newest first; ``scan`` gives the learner's stored pairs under a prefix."""
    found = [edit for _, raw in scan(_PREFIX) for edit in _loaded(raw)]
    return sorted(found, key=lambda edit: edit.id, reverse=True)


def with_edit(edits: Sequence[Edit], edit: Edit) -> tuple[Edit, ...]:
    """With one more; the same id twice changes nothing."""
    return tuple(edits) if any(edit.id == known.id for known in edits) else (*edits, edit)


def without(edits: Sequence[Edit], id_: str, *, time: float) -> tuple[Edit, ...]:
    """With one of them undone at ``time``; once undone it stays as it is."""
    return tuple(replace(edit, undone=time) if edit.id == id_ and edit.undone is None else edit for edit in edits)


def stored(normalized: str, edits: Sequence[Edit]) -> tuple[bytes, bytes]:
    """Key and value under which the edits of a query are kept."""
    return _key(normalized), msgspec.json.encode(edits)


def _key(normalized: str) -> bytes:
    return _PREFIX + query_key(normalized)


def _loaded(raw: bytes | None) -> tuple[Edit, ...]:
    return msgspec.json.decode(raw, type=tuple[Edit, ...]) if raw else ()
