"""One door to every format of the log; UBI and the labels of the retrieval gate, which need no module of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import orjson

from bandstand.errors import BadInput, StorageError
from bandstand.feedback.formats.dsjson import write_dsjson
from bandstand.feedback.formats.obp import write_obp
from bandstand.feedback.formats.svmlight import write_svmlight
from bandstand.feedback.formats.trec import write_qrels, write_run
from bandstand.feedback.joined import Joined, entries, joined
from bandstand.feedback.labelled import labelled
from bandstand.feedback.log import Log, LogEntry
from bandstand.feedback.ubi_events import event_to_ubi, query_to_ubi
from bandstand.types import Event, Impression


def write_ubi(entries: Iterable[LogEntry], out: IO[bytes]) -> int:
    """One document a line, an event having ``action_name`` and a query ``query_response_hit_ids``; returns how many.

    Events that belong to no search are written too; control records are Bandstand's own and are not.
    """
    count = 0
    for entry in entries:
        if isinstance(entry.record, Impression):
            document = query_to_ubi(entry.record)
        elif isinstance(entry.record, Event):
            document = event_to_ubi(entry.record)
        else:
            continue
        out.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        count += 1
    return count


def write_useful(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """One line for each retriever of each recorded search whose want is known; returns how many.

    ``gain`` is the rise of the reciprocal rank with the retriever, ``weight`` how sure the want is, in (0, 1].
    """
    count = 0
    for search in labelled(searches):
        for arm, verdict in search.verdicts().items():
            line = {
                "query_id": search.query.id,
                "query": search.query.normalized,
                "arm": arm,
                "helped": verdict.useful,
                "gain": verdict.gain,
                "weight": search.weight,
                "context": dict(search.ablation.context),
            }
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


_Writer = Callable[[Log, float, IO[bytes]], int]

_WRITERS: dict[str, _Writer] = {
    "ubi": lambda log, _, out: write_ubi(entries(log), out),
    "trec": lambda log, window, out: write_run(joined(log, window), out),
    "qrels": lambda log, window, out: write_qrels(joined(log, window), out),
    "svmlight": lambda log, window, out: write_svmlight(joined(log, window), out),
    "dsjson": lambda log, window, out: write_dsjson(joined(log, window), out),
    "helped": lambda log, window, out: write_useful(joined(log, window), out),
    "obp": lambda log, window, out: write_obp(joined(log, window), out),
}

FORMATS: tuple[str, ...] = tuple(_WRITERS)
"""``trec`` is the run; written to a path, its judgements stand beside it in ``<path>.qrels``."""


def export(log: Log, fmt: str, out: Path | IO[bytes], *, window: float = 1800.0) -> int:
    """Write the log in a format and return how many records; events join searches within ``window`` seconds.

    Raises:
        BadInput: there is no such format.
        StorageError: ``out`` cannot be written.
    """
    writer = _WRITERS.get(fmt)
    if writer is None:
        raise BadInput(f"unknown format {fmt!r}; choose one of {', '.join(FORMATS)}", field="format")
    try:
        with out.open("wb") if isinstance(out, Path) else nullcontext(out) as stream:
            count = writer(log, window, stream)
        if fmt == "trec" and isinstance(out, Path):
            with out.with_name(f"{out.name}.qrels").open("wb") as stream:
                _WRITERS["qrels"](log, window, stream)
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error}; choose another place or free some space") from error
    return count
