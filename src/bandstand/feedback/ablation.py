"""What a search would have shown with and without each expensive retriever: the record, and whether one helped.

The record is an event of its own action in the log: durable, exported and deleted with its user like any other event,
on either backend. Every other reader passes it over, since its action teaches nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec

from bandstand.errors import StorageError
from bandstand.feedback.fields import iso
from bandstand.types import Event, Query

ABLATION = "retrieval_ablation"
"""The action of such an event; clients must not send it."""

SHOWN = 10
"""Hits of each page that are kept."""

CLEARLY_HIGHER = 2.0
"""A hit stands clearly higher at the other position divided by this, or above: 1 for 2, 5 for 10, but not 2 for 3."""

Played = frozenset[str]
"""The expensive retrievers that played beside the free ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One search's pages for every choice among the expensive retrievers.

    ``retrievers`` are these, cheapest first. ``pages`` holds entity ids, best first, at most `SHOWN`, by who played.
    ``context`` is what a decision saw before any of them played, and ``hit_rates`` each one's past yield then.
    """

    query_id: str
    retrievers: tuple[str, ...]
    pages: Mapping[Played, tuple[str, ...]]
    context: tuple[tuple[str, float], ...]
    hit_rates: Mapping[str, float]
    ranker: str = ""

    def rank(self, played: Played, wanted: Collection[str]) -> int:
        """The position from 1 of the first wanted entity when these retrievers play; 0 where none is shown."""
        page = self.pages[played]
        return next((place for place, entity in enumerate(page, start=1) if entity in wanted), 0)

    def verdicts(self, wanted: Collection[str], among: Sequence[str] | None = None) -> dict[str, Verdict]:
        """What each retriever, or each ``among`` them, did for somebody who wants these entities, see `ladder`."""
        return ladder(self.retrievers if among is None else among, lambda played: self.rank(played, wanted))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a retriever helped, and by how much the reciprocal rank rose with it (below 0: it got in the way)."""

    useful: bool
    gain: float


def useful(without: int, with_it: int) -> bool:
    """Whether what was wanted is on the page, or clearly higher, only with it; positions from 1, 0: not shown."""
    return with_it > 0 and (without == 0 or with_it * CLEARLY_HIGHER <= without)


def ladder(retrievers: Iterable[str], rank: Callable[[Played], int]) -> dict[str, Verdict]:
    """What each retriever adds to the free retrievers and to those before it that helped.

    Judged against all others together, two that find the same would both seem useless; judged alone, both useful.
    Taken in order of cost, the cheaper one is credited, which is the choice that a decision has.

    Args:
        retrievers: Cheapest first.
        rank: The position of what was wanted when these play beside the free ones, from 1; 0 where not shown.
    """
    found: dict[str, Verdict] = {}
    kept: Played = frozenset()
    for retriever in retrievers:
        without, with_it = rank(kept), rank(kept | {retriever})
        better = useful(without, with_it)
        found[retriever] = Verdict(better, reciprocal(with_it) - reciprocal(without))
        kept = kept | {retriever} if better else kept
    return found


def reciprocal(rank: int) -> float:
    """1 / rank, 0 for what is not shown."""
    return 1.0 / rank if rank else 0.0


def choices(retrievers: Collection[str]) -> list[Played]:
    """Every choice among the retrievers, none to all."""
    return [frozenset(some) for count in range(len(retrievers) + 1) for some in combinations(retrievers, count)]


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An `Ablation` as the log holds it: each page once, and in ``shown`` who played and the number of the page."""

    arms: tuple[str, ...]
    pages: Sequence[tuple[str, ...]]
    shown: Sequence[tuple[Sequence[str], int]]
    context: Mapping[str, float]
    yields: Mapping[str, float]
    ranker: str
    version: int = 1


class _Attributes(msgspec.Struct, frozen=True):
    """``event_attributes`` of the event."""

    bandstand: _Stored


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The event as UBI has it."""

    action_name: str
    timestamp: str
    event_attributes: _Attributes


def ablation_event(ablation: Ablation, query: Query, *, now: float) -> Event:
    """The record as the log holds it; the same search twice has the same id, and the first one stays."""
    pages = list(dict.fromkeys(ablation.pages.values()))
    stored = _Stored(
        arms=ablation.retrievers,
        pages=pages,
        shown=[(sorted(played), pages.index(page)) for played, page in ablation.pages.items()],
        context=dict(ablation.context),
        yields=ablation.hit_rates,
        ranker=ablation.ranker,
    )
    payload = _Payload(event_attributes=_Attributes(stored), action_name=ABLATION, timestamp=iso(now))
    return Event(
        id=f"{query.id}/{ABLATION}",
        action=ABLATION,
        time=now,
        query_id=query.id,
        user_id=query.user_id,
        session_id=query.session_id,
        payload=msgspec.json.encode(payload).decode(),
    )


def ablation_of(event: Event) -> Ablation | None:
    """The record that an event holds; None for events of other actions.

    Raises:
        StorageError: it has this action, and is no such record.
    """
    if event.action != ABLATION:
        return None
    try:
        stored = msgspec.json.decode(event.payload, type=_Payload).event_attributes.bandstand
        return _read(event.query_id or "", stored)
    except (msgspec.MsgspecError, ValueError, LookupError) as error:
        raise StorageError(f"the ablation of search {event.query_id!r} is damaged: delete its event") from error


def _read(query_id: str, stored: _Stored) -> Ablation:
    pages = {frozenset(played): stored.pages[at] for played, at in stored.shown}
    if set(pages) != set(choices(stored.arms)):
        raise ValueError("a choice of retrievers lacks its page")
    return Ablation(
        query_id=query_id,
        retrievers=stored.arms,
        pages=pages,
        context=tuple(stored.context.items()),
        hit_rates=stored.yields,
        ranker=stored.ranker,
    )
