"""One door to every format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from bandstand.errors import BadInput, StorageError
from bandstand.feedback.formats.dsjson import write_dsjson
from bandstand.feedback.formats.helped import write_helped
from bandstand.feedback.formats.obp import write_obp
from bandstand.feedback.formats.svmlight import write_svmlight
from bandstand.feedback.formats.trec import write_qrels, write_run
from bandstand.feedback.formats.ubi import write_ubi
from bandstand.feedback.joined import entries, joined
from bandstand.feedback.log import Log

_Writer = Callable[[Log, float, IO[bytes]], int]

_WRITERS: dict[str, _Writer] = {
    "ubi": lambda log, _, out: write_ubi(entries(log), out),
    "trec": lambda log, window, out: write_run(joined(log, window), out),
    "qrels": lambda log, window, out: write_qrels(joined(log, window), out),
    "svmlight": lambda log, window, out: write_svmlight(joined(log, window), out),
    "dsjson": lambda log, window, out: write_dsjson(joined(log, window), out),
    "helped": lambda log, window, out: write_helped(joined(log, window), out),
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
