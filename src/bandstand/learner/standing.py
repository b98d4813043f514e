"""Whether what was learned belongs to this log and this catalogue; where it does not, it is learned anew."""

from __future__ import annotations

import structlog

from bandstand.catalog.store import Store
from bandstand.feedback.log import Log
from bandstand.memory_index.memory import Memory, MemoryBatch
from bandstand.types import Chapter, Clock, History

LEARNED_ANEW = b"ordinals/learned anew"
"""When the memory was begun anew: in searches that were logged before, ordinals mean other entities."""

_CHAPTER = b"log/chapter/"


def note_chapters(batch: MemoryBatch, history: History, position: int) -> None:
    """Put the chapters of the log that were read up to a position beside that position."""
    for first, name in history.chapters:
        key = _CHAPTER + b"%016x" % first
        if first <= position and batch.get(key) != name.encode():
            batch.put(key, name.encode())


def standing(log: Log, memory: Memory) -> int:
    """The last entry of this log that was learned from.

    That is the stored position, unless the log was made anew or put back from a backup since: then it is where
    this log parts from the one that was read.
    """
    known = [Chapter(int(key[len(_CHAPTER) :], 16), value.decode()) for key, value in memory.scan(_CHAPTER)]
    return log.history().shared(memory.position(), known)


def belongs(memory: Memory, store: Store) -> bool:
    """Whether the memory knows entities by this catalogue's ordinals."""
    return store.ordinal_history().holds(memory.place)


def settle(log: Log, memory: Memory, store: Store, clock: Clock) -> None:
    """Let learning go on where it belongs; for who holds the home's lock, before anything is learned."""
    said = structlog.get_logger("learner")
    if not belongs(memory, store):
        said.error("memory_of_another_catalogue", what="it is learned anew from the log")
        memory.begin_anew({LEARNED_ANEW: repr(clock()).encode()})
    position, here = memory.position(), standing(log, memory)
    if here < position:
        said.error("log_set_back", learned_to=position, goes_on_after=here)
        with memory.batch() as batch:
            for key, _ in batch.scan(_CHAPTER):
                batch.delete(key)
            note_chapters(batch, log.history(), here)
            batch.set_position(here)
