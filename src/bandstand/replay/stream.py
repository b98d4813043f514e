"""What a data set is to a replay: a catalogue to begin with, and a stream of what happened, in time order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bandstand.catalog.readers.base import Rejected
from bandstand.errors import BadInput
from bandstand.types import Entity

PLAY_GRADE = 2
"""From this grade on an answer is taught as a full play; below it, as a click."""


class Answer(NamedTuple):
    """An entity that was right for a search, how right (1 or more), and when that became known (unix seconds)."""

    entity_id: str
    grade: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A search with its answers.

    ``labels`` are segments, (name, value). A search that is not ``counted`` is answered and learned from, and left out
    of every figure. ``known`` are entities that the user had connected with this query before: where the stream is of
    new finds only, they are taken out of rankings before these are judged.
    """

    id: str
    time: float
    text: str
    user: str | None = None
    session: str | None = None
    answers: tuple[Answer, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    known: tuple[str, ...] = ()
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Behaviour without a search to judge: somebody chose an entity, perhaps with a query in mind."""

    id: str
    time: float
    entity_id: str
    grade: int = 1
    text: str = ""
    user: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Entities that come into the catalogue, or change there."""

    time: float
    entities: tuple[Entity, ...]


Moment = Ask | Deed | Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One data set under one protocol.

    ``catalog`` and ``stream`` start anew with every call and give the same again; ``stream`` is in time order, with the
    rows that cannot be used where they were met. ``settings`` are platform settings that the protocol calls for, by
    field of `bandstand.settings.Settings`. ``leaks`` says what the stream knows that it should not.
    """

    name: str
    protocol: str
    sha256: str
    catalog: Callable[[], Iterable[Entity | Rejected]]
    stream: Callable[[], Iterator[Moment | Rejected]]
    settings: Mapping[str, object] = field(default_factory=dict)
    leaks: str | None = None


def in_order(moments: Iterable[Moment | Rejected]) -> Iterator[Moment | Rejected]:
    """The same, checked.

    Raises:
        BadInput: time runs backwards, an id comes twice in a row, or an answer comes before its search.
    """
    now, last = float("-inf"), None
    for moment in moments:
        if isinstance(moment, Rejected):
            yield moment
            continue
        if moment.time < now:
            raise BadInput(f"the stream runs backwards, from {now} to {moment.time}: its adapter must sort it")
        now = moment.time
        if isinstance(moment, Ask):
            if moment.id == last:
                raise BadInput(f"the search id {last!r} comes twice: its adapter must give every search its own")
            last = moment.id
            if any(answer.time < moment.time for answer in moment.answers):
                raise BadInput(
                    f"search {moment.id!r} has an answer before it was asked: its adapter must refuse the row"
                )
        yield moment


def sha256_of(paths: Iterable[Path], *parts: object) -> str:
    """SHA-256 in hex over the bytes of files, in order of their names, and over what else defines the data.

    Raises:
        BadInput: a file cannot be read.
    """
    digest = hashlib.sha256(repr(parts).encode())
    for path in sorted(paths):
        digest.update(path.name.encode())
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as cause:
            raise BadInput(f"cannot read {path}: {cause.strerror}") from cause
    return digest.hexdigest()
