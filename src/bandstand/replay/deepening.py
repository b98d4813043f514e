"""Beyond the logged head of a ranking: what a replay judges, and what it lets the ranker learn from."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.engine.search import Answer
from bandstand.ranker.page import Rows, fold
from bandstand.types import LOGGED_DEPTH, Impression, Ordinals

HEAD, SAMPLED = 60, 100
"""How many hits of the head, and how many of the rest, a judged search is learned from."""


def whole_ranking(answer: Answer, columns: Columns) -> Rows:
    """Rows of ``answer.head.whole``, best first, duplicates folded: the ranking that the logged head is the top of."""
    whole = answer.head.whole
    return fold(whole.ordinals, whole.scores, columns.fold_key[whole.ordinals])


def ranking_to(answer: Answer, columns: Columns, depth: int) -> Ordinals:
    """The ranking down to ``depth``, which may be deeper than what is logged."""
    if depth <= LOGGED_DEPTH:
        return answer.impression.ordinals[:depth]
    return answer.head.whole.ordinals[whole_ranking(answer, columns)[:depth]]


def judged(answer: Answer, columns: Columns, right: Ordinals) -> Impression:
    """The impression with other rows: the head, all that is ``right`` (ordinals) wherever it stands, and some others.

    Where people chose from the world and not from a page, every candidate is judged. A ranker that only saw the head
    would not know why the rest is not there (Yilmaz & Robertson 2009: what is sampled deep makes the better training
    set). The sample depends on the search alone. Nobody has seen any of it: the page begins below.
    """
    whole, rows = answer.head.whole, whole_ranking(answer, columns)
    kept = np.zeros(len(rows), np.bool_)
    kept[:HEAD] = True
    kept |= np.isin(columns.fold_key[whole.ordinals[rows]], columns.fold_key[right])
    rest = np.flatnonzero(~kept)
    rng = np.random.default_rng(crc32(answer.query.id.encode("utf-8", "replace")))
    kept[rng.permutation(rest)[:SAMPLED]] = True
    rows = rows[kept]
    ordinals = whole.ordinals[rows]
    return replace(
        answer.impression,
        query=replace(answer.query, offset=len(rows)),
        entity_ids=tuple(columns.ids[ordinals].tolist()),
        ordinals=ordinals,
        scores=whole.scores[rows],
        features=whole.features[rows],
        shown=0,
    )
