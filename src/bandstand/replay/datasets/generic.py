"""Any log of clicks: time, query, user, clicked entity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.catalog.readers.csv import read_records
from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.feedback.fields import text
from bandstand.replay.datasets.base import LogFolder, OpenAsks, Timed, Zones, sorted_nearly, stable_hash
from bandstand.replay.stream import Answer, Ask, Dataset, Interaction, Moment

REQUIRED = ("time", "query", "user", "clicked")
_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class _Click:
    """One usable row."""

    id: str
    query: str
    user: str | None
    clicked: str
    grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericAdapter:
    """A folder with ``log.csv`` or ``log.ndjson``, and ``catalog.ndjson`` or ``catalog.csv``.

    A row of the log has ``time, query, user, clicked`` and may have ``id`` and ``grade`` (1 a click, 2 or 3 satisfied).
    Clicks of one user on one query within half an hour are one search, asked at the first of them. A row without a
    query is behaviour without a search. Rows may stand out of order by some thousands; one that repeats an earlier
    row's id or content is refused.
    """

    name = "generic"

    def open(self, path: Path) -> Dataset:
        """See `Adapter`."""
        folder = LogFolder.of(path)
        protocol = "clicks of a user on a query within 1800 s are one search"
        return folder.dataset(self.name, protocol, lambda: _stream(folder))


def _stream(folder: LogFolder) -> Iterator[Moment | Rejected]:
    open_asks = OpenAsks()
    for item in sorted_nearly(_clicks(folder)):
        if isinstance(item, Rejected):
            yield item
            continue
        yield from open_asks.closed(item.time)
        click = item.row
        if not click.query:
            open_asks.interaction(
                Interaction(id=click.id, time=item.time, entity_id=click.clicked, grade=click.grade, user=click.user)
            )
            continue
        key = (click.user or click.id, normalize(click.query))
        if open_asks.get(key) is None:
            open_asks.ask(key, Ask(id=f"ask-{click.id}", time=item.time, text=click.query, user=click.user))
        open_asks.answer(key, Answer(click.clicked, click.grade, item.time))
    yield from open_asks.closed()


def _clicks(folder: LogFolder) -> Iterator[Timed[_Click] | Rejected]:
    zones, seen = Zones(), set[int]()
    for line, record in _records(folder):
        if isinstance(record, Rejected):
            yield record
            continue
        try:
            click, time = _click(record), zones.seconds(record["time"])
        except BadInput as error:
            yield Rejected(line, str(error), str(dict(record)))
            continue
        digest = int(stable_hash(click.id), 16)  # a third of the memory that ids take
        if digest in seen:
            yield Rejected(line, "the id (or the whole row) was there before", click.id)
            continue
        seen.add(digest)
        yield Timed(time, line, click)


def _click(record: Mapping[str, object]) -> _Click:
    clicked, query = text(record["clicked"], "clicked", _LIMIT), text(record["query"], "query", _LIMIT) or ""
    user, given = text(record["user"], "user", _LIMIT), text(record.get("id"), "id", _LIMIT)
    if clicked is None:
        raise BadInput("clicked is empty", field="clicked")
    grade = text(record.get("grade"), "grade", 2) or "1"
    if grade not in {"1", "2", "3"}:
        raise BadInput("grade must be 1 (a click), 2 or 3 (satisfied)", field="grade")
    return _Click(given or stable_hash(record["time"], query, user, clicked), query, user, clicked, int(grade))


def _records(folder: LogFolder) -> Iterator[tuple[int, Mapping[str, object] | Rejected]]:
    """Rows by line.

    Raises:
        BadInput: a CSV lacks a column.
    """
    if folder.is_csv:
        yield from read_records(folder.log, required=REQUIRED)
        return
    for line, raw in enumerate(read_lines(folder.log), start=1):
        if raw.isspace():
            continue
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            yield line, Rejected(line, f"not JSON: {error}", raw.strip())
            continue
        if not isinstance(record, dict) or (missing := [name for name in REQUIRED if name not in record]):
            lacks = "it is no object" if not isinstance(record, dict) else f"it lacks {', '.join(missing)}"
            yield line, Rejected(line, lacks, raw.strip())
        else:
            yield line, record
