"""As-you-type completion: what the user chose before, what several people asked, then names in the catalogue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.catalog.prefix import PrefixIndex
from bandstand.catalog.prefix_ranges import Ranges, one_slip, under
from bandstand.catalog.text import normalize
from bandstand.engine.deny import DenyList
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.popular import PopularQueries
from bandstand.types import Clock

_SMALL = 5_000
"""Up to so many popular queries are read again whenever the memory has changed: that takes some ten milliseconds."""

_REST = 20.0
"""Of more than that, reading rests for so many times as long as it took."""

SuggestionSource = Literal["chosen", "asked", "catalogue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One completion, and where it comes from; ``entity_id`` where it names an entity rather than a past query."""

    text: str
    source: SuggestionSource
    entity_id: str | None = None


class Suggester:
    """Completions over a catalogue and a memory. Safe for threads.

    Everything that begins as typed comes before anything that is one slip away, and within either what the user chose
    comes before what others asked, and that before other names. A query is only known here once `agree_users` users
    chose the same entity under it: what fewer typed is never shown to anybody. What the deny list holds is left out.
    """

    def __init__(
        self,
        catalog: Catalog,
        memory: Memory,
        *,
        denied: DenyList,
        clock: Clock,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._catalog = catalog
        self._memory = memory
        self._denied = denied
        self._clock = clock
        self._timer = timer
        self._prefixes = PrefixIndex(catalog)
        self._popular: tuple[int, PopularQueries] | None = None
        self._rests_until = 0.0
        self._reading = threading.Lock()

    def suggest(self, prefix: str, k: int, *, user: str | None = None) -> list[Suggestion]:
        """At most ``k`` completions, best first, texts distinct; none for a blank prefix; ``user`` as in `actor_of`."""
        typed = normalize(prefix)
        found: dict[str, Suggestion] = {}
        if not typed or k <= 0:
            return []
        for ranges in (under, one_slip):
            for item in self._candidates(typed, k + len(found), ranges, user):
                if not self._denied.denies(item.text):
                    found.setdefault(normalize(item.text), item)
                if len(found) == k:
                    return list(found.values())
        return list(found.values())

    def refresh(self) -> None:
        """Follow catalogue, memory and deny list, so that no request has to; what was never used is not built."""
        self._denied.refresh()
        self._prefixes.follow()
        if self._popular is not None:
            self._queries()

    def warm(self) -> None:
        """Build everything now rather than with the first request."""
        self._prefixes.refresh()
        self._queries()

    def _candidates(self, typed: str, k: int, ranges: Ranges, user: str | None) -> Iterator[Suggestion]:
        if user is not None:
            yield from self._chosen(typed, ranges, user)
        for text in self._queries().complete(typed, k, ranges=ranges):
            yield Suggestion(text=text, source="asked")
        ids = self._catalog.columns.ids
        for ordinal, text in self._prefixes.complete(typed, 2 * k, ranges=ranges):
            yield Suggestion(text=text, source="catalogue", entity_id=str(ids[ordinal]))

    def _chosen(self, typed: str, ranges: Ranges, user: str) -> Iterator[Suggestion]:
        """Titles, or "artist title", of what the user chose, most chosen first."""
        columns = self._catalog.columns
        ordinals, _ = self._memory.chosen(user, now=self._clock())
        ordinals = ordinals[ordinals < columns.n]
        ordinals = ordinals[columns.live[ordinals]]
        forms = zip(columns.titles[ordinals], columns.names[ordinals], strict=True)
        texts = sorted((text, place, form) for place, both in enumerate(forms) for form, text in enumerate(both))
        begun = ranges([text for text, _, _ in texts], typed)
        best = sorted({(place, form) for each in begun for _, place, form in texts[each]})
        entities = self._catalog.entities(ordinals[np.array([place for place, _ in best], np.intp)])
        for (_, form), entity in zip(best, entities, strict=True):
            text = " ".join([", ".join(entity.artists), entity.title]).strip() if form else entity.title
            yield Suggestion(text=text, source="chosen", entity_id=entity.id)

    def _queries(self) -> PopularQueries:
        """The popular queries of the memory's newest version, or of a slightly older one where reading takes long."""
        version, held = self._memory.version(), self._popular
        if held is not None and (held[0] == version or self._timer() < self._rests_until):
            return held[1]
        with self._reading:
            held = self._popular
            if held is None or held[0] != version:
                started = self._timer()
                held = self._popular = version, self._memory.popular()
                took = self._timer() - started
                self._rests_until = self._timer() + _REST * took if len(held[1]) > _SMALL else 0.0
            return held[1]
