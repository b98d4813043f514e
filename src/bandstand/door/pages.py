"""A page of a search and its hits: records to look at, to explain, and to say what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, overload

from bandstand.engine.answers import CorrectionAnswer
from bandstand.engine.request import HitExplanation, SearchResult
from bandstand.types import Decision, Entity, Event, Kind, Source

if TYPE_CHECKING:
    from pandas import DataFrame

_COLUMNS = ("position", "title", "artists", "kind", "year", "score", "sources")
_REASONS = 5
"""How many features an explanation names of each hit, those that moved it most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The search that a page shows, and what its platform can do with it.

    ``act`` logs an action on the hit at a position (from 1), ``explained`` is the same result with its reasons, and
    ``further`` the page of ``k`` hits that begins after ``offset`` hits.
    """

    result: SearchResult
    act: Callable[[int, str, float | None], Event]
    explained: Callable[[], SearchResult]
    further: Callable[[int, int], Page]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result: an entity, where it stands (``position`` from 1 over all pages), and which retrievers brought it.

    ``score`` is the ranker's and only comparable within one search. `click`, `play`, `save` and `skip` say what was
    done with it: each is checked as over HTTP, is on disk on return, and gives back the logged event.
    """

    entity: Entity
    position: int
    score: float
    sources: tuple[Source, ...]
    _origin: Origin = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """Of the entity."""
        return self.entity.id

    @property
    def kind(self) -> Kind:
        """Of the entity."""
        return self.entity.kind

    @property
    def title(self) -> str:
        """Of the entity."""
        return self.entity.title

    @property
    def artists(self) -> tuple[str, ...]:
        """Of the entity; none for one that is an artist itself."""
        return self.entity.artists

    @property
    def album(self) -> str | None:
        """That a track is on."""
        return self.entity.album

    @property
    def year(self) -> int | None:
        """Of release."""
        return self.entity.year

    def click(self) -> Event:
        """It was opened."""
        return self._origin.act(self.position, "click", None)

    def play(self, seconds: float | None = None) -> Event:
        """It was played; from 30 ``seconds`` on that says more than a click."""
        return self._origin.act(self.position, "play", seconds)

    def save(self) -> Event:
        """It was kept: a favourite, or put on a list."""
        return self._origin.act(self.position, "save", None)

    def skip(self) -> Event:
        """It was turned down after it had begun."""
        return self._origin.act(self.position, "skip", None)

    def explain(self) -> HitExplanation:
        """Its feature values, and what each added to its score."""
        return self._origin.explained().reasons[self.id]

    def __str__(self) -> str:
        by = f" by {', '.join(self.artists)}" if self.artists else ""
        about = ", ".join(map(str, filter(None, (self.kind, self.year))))
        return f"{self.position}. {self.title}{by} ({about})"


class Page(Sequence[Hit]):
    """The answer to a search: a sequence of hits, best first. Shows itself as a table in notebooks.

    ``query`` is the text as it was typed, ``query_id`` names the search in the log and over HTTP, ``decision`` says
    which retrievers played, how deep, and with which probability that was chosen, ``took_ms`` how long it took.
    ``result`` is the engine's own record.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.result = result = origin.result
        self.query, self.query_id = result.impression.query.text, result.impression.query.id
        self.decision: Decision = result.impression.decision
        self.took_ms = result.took_ms
        self._hits = tuple(
            Hit(entity=hit.entity, position=hit.position, score=hit.score, sources=hit.sources, _origin=origin)
            for hit in result.hits
        )

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    @property
    def corrected(self) -> str | None:
        """The query that was answered instead of the typed one; None where that was answered."""
        return self._correction("showing")

    @property
    def suggested(self) -> str | None:
        """A query that may have been meant ("did you mean ...?"), while what was typed was answered; None if none."""
        return self._correction("suggest")

    @property
    def played(self) -> Mapping[str, float]:
        """The retrievers that took part, and the milliseconds that each took."""
        return {each.retriever: each.took_ms for each in self.result.impression.outcomes if each.status != "skipped"}

    def next(self, k: int | None = None) -> Page:
        """The next ``k`` hits of the same search and ranking; as many as on this page unless said otherwise."""
        query = self.result.impression.query
        last = max((hit.position for hit in self._hits), default=query.offset)
        return self._origin.further(last, k or query.k)

    def explain(self) -> Explanation:
        """How the query was read, what was decided, and why each hit stands where it stands."""
        return Explanation(self._origin.explained())

    def to_pandas(self) -> DataFrame:
        """One row a hit: position, id, title, artists, kind, album, year, score, and each retriever's rank of it."""
        import pandas as pd

        plain = ["position", "id", "title", "artists", "kind", "album", "year", "score"]
        frame = pd.DataFrame([[getattr(hit, name) for name in plain] for hit in self], columns=plain)
        ranks = [{source.retriever: source.rank for source in hit.sources} for hit in self]
        return frame.assign(artists=[", ".join(hit.artists) for hit in self], sources=pd.Series(ranks, dtype=object))

    def __repr__(self) -> str:
        answered = f", answered as {self.corrected!r}" if self.corrected else ""
        return "\n".join([f"Page({self.query!r}{answered}, {len(self)} hits)", *(f"  {hit}" for hit in self._hits)])

    def _repr_html_(self) -> str:
        head = f"{len(self)} hits for “{escape(self.query)}”"
        if self.corrected:
            head += f", answered as “{escape(self.corrected)}”"
        names = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in _cells(hit)) for hit in self)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><caption>{head}</caption><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"

    def _correction(self, mode: str) -> str | None:
        found = CorrectionAnswer.of(self.result.impression)
        return found.text if found is not None and found.mode == mode else None


def _cells(hit: Hit) -> tuple[object, ...]:
    sources = " ".join(f"{source.retriever}:{source.rank}" for source in hit.sources)
    return hit.position, hit.title, ", ".join(hit.artists), hit.kind, hit.year or "", f"{hit.score:.3f}", sources


class Explanation:
    """Why a page is as it is. ``result`` holds the reasons as records: readings, decision, outcomes, explanations."""

    def __init__(self, result: SearchResult) -> None:
        self.result = result

    def to_pandas(self) -> DataFrame:
        """What each feature (columns) added to the score of each hit (rows, by entity id)."""
        import pandas as pd

        found = {entity: dict(why.contributions) for entity, why in self.result.reasons.items()}
        return pd.DataFrame.from_dict(found, orient="index")

    def lines(self) -> Iterator[str]:
        """The explanation as text: conditions, readings, retrievers, hits."""
        impression = self.result.impression
        for condition in impression.query.conditions:
            yield f"only {condition}"
        for reading in self.result.reading.readings[:3] if self.result.reading else ():
            senses = ", ".join(f"{sense.slot} = {sense.value}" for sense in reading.senses) or "words"
            yield f"read as {senses} ({reading.probability:.2f})"
        yield f"policy {impression.decision.policy} {impression.decision.version}"
        ended = {outcome.retriever: outcome for outcome in impression.outcomes}
        for arm in impression.decision.arms:
            outcome = ended[arm.arm]
            took = f"{outcome.candidates} candidates in {outcome.took_ms:.1f} ms" if arm.depth else "not asked"
            yield f"  {arm.arm}: depth {arm.depth} (probability {arm.propensity:.3f}), {outcome.status}, {took}"
        for hit in self.result.hits:
            why = self.result.reasons.get(hit.entity.id)
            most = sorted(why.contributions.items() if why else (), key=lambda item: -abs(item[1]))[:_REASONS]
            reasons = ", ".join(f"{name} {value:+.2f}" for name, value in most if value)
            yield f"{hit.position}. {hit.entity.title}: score {hit.score:.3f}; {reasons or 'no reasons are known'}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        return f"Explanation\n{self}"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
