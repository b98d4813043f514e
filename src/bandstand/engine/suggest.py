"""As-you-type completion: what the user chose before, what several people asked, then names; never what is denied."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import structlog

from bandstand.catalog.columns import Catalog
from bandstand.catalog.conditions import EVERYTHING, Scope
from bandstand.catalog.prefix import PrefixIndex, Ranges, one_typo, under
from bandstand.catalog.text import normalize, terms
from bandstand.errors import BadInput, StorageError
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.shared_queries import PopularQueries
from bandstand.retrievers.base import inside
from bandstand.types import Clock, Mask

MAX_LINES = 100_000

Stamp = tuple[int, int, int]
"""What changes with a file's content: its inode, size, and time of change."""


class Phrases:
    """Phrases as terms, so that they are compared as queries are: case, accents and punctuation do not count."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        for line in lines:
            if found := terms(line):
                self._by_first.setdefault(found[0], []).append(found)

    def occur_in(self, text: str) -> bool:
        """Whether a text holds one of the phrases as whole words, one after another."""
        words = terms(text) if self._by_first else []
        return any(
            words[at : at + len(phrase)] == phrase
            for at, word in enumerate(words)
            for phrase in self._by_first.get(word, ())
        )


class DenyList:
    """The phrases of a file, one a line, ``#`` for remarks; none without a file. Safe for threads.

    Raises:
        BadInput: the file is too long.
        StorageError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._failure = ""
        self._phrases = Phrases()
        if path is not None:
            self._load(path)

    def denies(self, text: str) -> bool:
        """Whether a text must not be suggested."""
        return self._phrases.occur_in(text)

    def refresh(self) -> None:
        """Read the file again if it has changed; while it cannot be read, the phrases known before stay in force."""
        if self._path is None:
            return
        try:
            self._load(self._path)
            self._failure = ""
        except (BadInput, StorageError) as error:
            if str(error) != self._failure:  # the same failure many times a second is one piece of news
                structlog.get_logger("suggest").error("deny_list_kept", reason=str(error))
            self._failure = str(error)

    def _load(self, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as cause:
            raise StorageError(
                f"cannot read the deny list {path}: {cause}. Save it as UTF-8 text, or unset BANDSTAND_DENY_LIST."
            ) from cause
        if len(lines) > MAX_LINES:
            raise BadInput(f"the deny list {path} has {len(lines)} lines; at most {MAX_LINES} are read")
        self._phrases = Phrases(line.partition("#")[0] for line in lines)
        self._stamp = stamp


_SMALL = 5_000
"""Up to so many popular queries are read again whenever the memory has changed: that takes some ten milliseconds."""

_REST = 20.0
"""Of more than that, reading rests for so many times as long as it took."""

_LOOKED_AT = 100
"""Popular queries of which it is looked up what they led to, where not everything may be shown."""

SuggestionSource = Literal["chosen", "asked", "catalogue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One completion, and where it comes from; ``entity_id`` where it names an entity rather than a past query."""

    text: str
    source: SuggestionSource
    entity_id: str | None = None


class Suggester:
    """Completions over a catalogue and a memory. Safe for threads.

    Everything that begins as typed comes before anything that is one typo away, and within either what the user chose
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

    def suggest(self, prefix: str, k: int, *, user: str | None = None, within: Scope = EVERYTHING) -> list[Suggestion]:
        """At most ``k`` completions, best first, texts distinct; none for a blank prefix; ``user`` as in `actor_of`.

        ``within`` is what may be shown: no other entity is named, and of past queries only those that led to nothing
        else, as they may name what they led to.

        Raises:
            BadInput: a filter asks about a field that nobody has.
        """
        typed, allowed = normalize(prefix), within.allowed(self._catalog.columns)
        found: dict[str, Suggestion] = {}
        if not typed or k <= 0:
            return []
        for ranges in (under, one_typo):
            for item in self._candidates(typed, k + len(found), ranges, user, allowed):
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

    def _candidates(
        self, typed: str, k: int, ranges: Ranges, user: str | None, allowed: Mask | None
    ) -> Iterator[Suggestion]:
        if user is not None:
            yield from self._chosen(typed, ranges, user, allowed)
        for text in self._queries().complete(typed, k if allowed is None else _LOOKED_AT, ranges=ranges):
            if allowed is None or self._leads_inside(text, allowed):
                yield Suggestion(text=text, source="asked")
        ids = self._catalog.columns.ids
        for ordinal, text in self._prefixes.complete(typed, 2 * k, ranges=ranges, allowed=allowed):
            yield Suggestion(text=text, source="catalogue", entity_id=str(ids[ordinal]))

    def _leads_inside(self, text: str, allowed: Mask) -> bool:
        """Whether all that a past query led to is allowed."""
        led_to = self._memory.exact(text, user=None, now=self._clock()).ordinals
        return bool(inside(led_to, allowed).all())

    def _chosen(self, typed: str, ranges: Ranges, user: str, allowed: Mask | None) -> Iterator[Suggestion]:
        """Titles, or "artist title", of what the user chose, most chosen first."""
        columns = self._catalog.columns
        ordinals, _ = self._memory.chosen(user, now=self._clock())
        for mask in (columns.live,) if allowed is None else (columns.live, allowed):
            ordinals = ordinals[inside(ordinals, mask)]
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
