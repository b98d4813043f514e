"""What a retriever is, told once (its spec), and the retrievers of one platform in order (its roster)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import NamedTuple

from bandstand.errors import BadInput
from bandstand.types.retrieval import Candidates

EXPENSIVE_MS = 0.5
"""From this modelled price on a retriever is expensive: worth deciding about with and without it."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Colour(NamedTuple):
    """A CSS colour for light pages and one for dark pages."""

    light: str
    dark: str


GREY = Colour("#5a5a66", "#b9b9c6")


@dataclass(frozen=True, slots=True)
class ContextFeature:
    """A number that the bandit sees of a retriever's answer, as ``<retriever>_<name>``, when it decides about the next.

    ``read`` gets an answer with at least one candidate and returns a number in [-1, 5]; an empty answer counts as 0.
    Decisions are logged with these names and learned from by them: a feature that changes its meaning needs a new name.
    """

    name: str
    read: Callable[[Candidates], float]


def best_score(found: Candidates) -> float:
    """The score of the first candidate."""
    return float(found.scores[0])


def best_value(column: str) -> Callable[[Candidates], float]:
    """Reads a column of the first candidate; 0 where the answer lacks it, or it is unknown."""

    def read(found: Candidates) -> float:
        value = float(found.columns[column][0]) if column in found.columns else math.nan
        return 0.0 if math.isnan(value) else value

    return read


@dataclass(frozen=True, slots=True)
class RetrieverSpec:
    """All that the other parts of the platform need to know about a retriever; only ``name`` has no default.

    Args:
        name: lower-case letters, digits and underscores; the key in the log, the models, HTTP and metrics.
        title: what it finds, in a few words for people.
        colour: of its name on the pages.
        cost_ms: modelled milliseconds of a call, used until calls were measured; from `EXPENSIVE_MS` on it is
            expensive, and the bandit decides about it.
        columns: the further float32 columns of its `Candidates`, each a feature of the ranker.
        versions: by column (and ``score``, ``rr``) the version of its meaning, where that is not 1. Raise it when the
            meaning changes: rows that were logged with another version count as unknown in that column.
        bounded: whether scores are comparable between queries (a probability, a share, a cosine); else the ranker sees
            them as a share of the query's best.
        inline: whether it only computes, for a few milliseconds at most: then it runs in the searching thread, where no
            deadline ends it; to hand it to another one costs as much as it takes.
        encodes: whether a call encodes the query; who plays second finds it encoded.
        answers_query: False for one that finds something whatever was typed.
        fallback: whether it is asked after all when the chosen retrievers found nothing.
        weight: what its first place is worth to the ranker before clicks have taught it.
        weights: likewise by column (and ``score``), what a value of 1 is worth.
        vague_weight: what its first place is worth more the less the query names, see `bandstand.ranker.start`.
        trust: a column, in [0, 1], in proportion to which its places are worth anything; empty where all are.
        context: what the bandit sees of its answer when it decides about later retrievers.

    Raises:
        BadInput: the name has other characters, or the price is negative.
    """

    name: str
    _: KW_ONLY
    title: str = ""
    colour: Colour = GREY
    cost_ms: float = 1.0
    columns: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    bounded: bool = False
    inline: bool = False
    encodes: bool = False
    answers_query: bool = True
    fallback: bool = False
    weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)
    vague_weight: float = 0.0
    trust: str = ""
    context: tuple[ContextFeature, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"a retriever cannot be called {self.name!r}: use lower-case letters, digits and underscores,"
                " a letter first",
                field="name",
            )
        if not self.cost_ms >= 0.0:
            raise BadInput(f"{self.name} cannot cost {self.cost_ms} ms: use 0 or more", field="cost_ms")

    @property
    def expensive(self) -> bool:
        """Whether a decision is taken about it; others are nearly free, and the learning policies always play them."""
        return self.cost_ms >= EXPENSIVE_MS


@dataclass(frozen=True)
class Roster:
    """The specs of the retrievers of one platform, in the order in which decisions are taken and features laid out.

    Raises:
        BadInput: two of them have one name.
    """

    specs: tuple[RetrieverSpec, ...]

    def __post_init__(self) -> None:
        if twice := {name for name in self.names if self.names.count(name) > 1}:
            raise BadInput(f"two retrievers are called {', '.join(sorted(twice))}: rename one", field="name")

    def __iter__(self) -> Iterator[RetrieverSpec]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> RetrieverSpec:
        """The spec of that name; `BadInput` where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self.names)
            raise BadInput(f"unknown retriever {name!r}: use one of {known}", field="arm") from None

    def modelled_cost(self, name: str, depth: int) -> float:
        """Milliseconds that a retriever is taken to cost before anything is measured; 0 at depth 0."""
        return self[name].cost_ms if depth else 0.0

    def having(self, wanted: Callable[[RetrieverSpec], bool]) -> tuple[str, ...]:
        """The names of those that have a property, in order."""
        return tuple(spec.name for spec in self.specs if wanted(spec))

    def and_also(self, specs: Iterable[RetrieverSpec]) -> Roster:
        """The roster with further retrievers behind those that it has."""
        return Roster((*self.specs, *specs))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all retrievers, in order."""
        return tuple(spec.name for spec in self.specs)

    @cached_property
    def expensive(self) -> tuple[str, ...]:
        """Those that decisions are taken about, in order."""
        return self.having(lambda spec: spec.expensive)

    @cached_property
    def free(self) -> tuple[str, ...]:
        """The others, which the learning policies always play."""
        return self.having(lambda spec: not spec.expensive)

    @cached_property
    def _by_name(self) -> dict[str, RetrieverSpec]:
        return {spec.name: spec for spec in self.specs}
