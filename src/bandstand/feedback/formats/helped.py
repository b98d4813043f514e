"""Which expensive retriever helped which search, as NDJSON: the labels that the abstention score learns from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

import orjson

from bandstand.feedback.joined import Joined
from bandstand.feedback.labelled import labelled


def write_helped(searches: Iterable[Joined], out: IO[bytes]) -> int:
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
                "helped": verdict.helped,
                "gain": verdict.gain,
                "weight": search.weight,
                "context": dict(search.ablation.context),
            }
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count
