"""The measures of a replay, by ir-measures, over every judged search: what a ranking missed counts as zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import MissingDependency
from bandstand.replay.rows import Row

if TYPE_CHECKING:
    from ir_measures import Qrel, ScoredDoc


def measures(k: int = 10) -> dict[str, str]:
    """Names in reports of the measures with cut-off ``k``, and what ir-measures calls the value of one search."""
    return {f"MRR@{k}": f"RR@{k}", **{name: name for name in (f"nDCG@{k}", "R@100", "Success@1", f"Success@{k}")}}


MEASURES = measures()

_CHUNK = 5_000

Values = dict[str, NDArray[np.float64]]
"""By name of the measure, one value a search (n,), in the order of the rows."""


def measure(rows: Iterable[Row], k: int = 10) -> Values:
    """Every measure of every search, with cut-off ``k``. A search without answers has no value: leave it out before.

    The ranking is rebuilt from the ranks of its answers, the other hits standing in as unjudged: no measure here looks
    at anything else. nDCG has linear gains and the discount 1 / log2(rank + 1); recall is over all answers.

    Raises:
        MissingDependency: ir-measures is not installed.
    """
    try:
        import ir_measures
    except ImportError as cause:
        raise MissingDependency("replay measures with ir-measures: pip install ir-measures") from cause
    names = measures(k)
    parsed = {ir_measures.parse_measure(native): name for name, native in names.items()}
    chunks: list[Values] = []
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        values = {name: np.zeros(len(chunk)) for name in names}
        evaluator = ir_measures.evaluator(list(parsed), list(_qrels(chunk)))
        for metric in evaluator.iter_calc(_run(chunk)):
            values[parsed[metric.measure]][int(metric.query_id)] = metric.value
        chunks.append(values)
    return {name: np.concatenate([values[name] for values in chunks] or [np.empty(0)]) for name in names}


def _qrels(rows: Sequence[Row]) -> Iterator[Qrel]:
    from ir_measures import Qrel

    for number, row in enumerate(rows):
        # Found answers take the grades that they were found with; the missed ones what is left.
        left = sorted(row.grades, reverse=True)
        for rank, grade in row.found:
            left.remove(grade)
            yield Qrel(str(number), f"rank{rank}", grade)
        for place, grade in enumerate(left):
            yield Qrel(str(number), f"missed{place}", grade)


def _run(rows: Sequence[Row]) -> Iterator[ScoredDoc]:
    from ir_measures import ScoredDoc

    for number, row in enumerate(rows):
        last = max((rank for rank, _ in row.found), default=0)
        for rank in range(1, last + 1):
            yield ScoredDoc(str(number), f"rank{rank}", -float(rank))
