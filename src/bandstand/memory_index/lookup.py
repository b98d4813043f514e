"""Reading what a query led to: its own record, near spellings, other word orders, shared answers; curated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.spoken import spoken
from bandstand.memory_index import near_queries
from bandstand.memory_index.curation import Curation
from bandstand.memory_index.environment import items_under, values_of
from bandstand.memory_index.keys import ordinal_key, query_key
from bandstand.memory_index.posterior import decay, decays, posterior_mean
from bandstand.memory_index.query_records import SHARED, StoredQuery, StoredRows, worth
from bandstand.memory_index.relations import LikeQueries
from bandstand.memory_index.rows import (
    ANSWER,
    COANSWER,
    EXACT,
    REORDERED,
    Answers,
    LikeAnswers,
    QueryRow,
    Rows,
    merge,
)
from bandstand.memory_index.settings import MemorySettings
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Databases, ReadTransaction


_PIN_STEP = np.float32(1e-4)
"""How far the scores of two pins that follow each other lie apart; beliefs stay below 1 less a few of these."""


def curated(rows: Rows, curation: Curation) -> Rows:
    """The rows with what an operator decided: pins stand first, in their order, with scores from 1 down.

    What the memory does not hold joins without counts, as if the query itself had led to it.
    """
    wanted = {**curation.scores, **{o: 1.0 - float(_PIN_STEP) * at for at, o in enumerate(curation.pinned)}}
    new = np.array([ordinal for ordinal in wanted if ordinal not in rows.ordinals], np.int32)
    joined = _joined(rows, new)
    scores = joined.scores.copy()
    for ordinal, score in wanted.items():
        scores[joined.ordinals == ordinal] = score
    keep = ~np.isin(joined.ordinals, list(curation.blocked))
    order = np.lexsort((joined.ordinals[keep], -scores[keep]))
    at = np.flatnonzero(keep)[order]
    return _changed(replace(joined, scores=scores), lambda _, column: column[at])


def _joined(rows: Rows, new: Ordinals) -> Rows:
    """The rows with more entities at the end, of which nothing is known."""
    known = {"predicted": np.nan, "distance": EXACT}
    return _changed(
        rows, lambda name, column: np.concatenate([column, _more(name, new, known.get(name, 0.0))], dtype=column.dtype)
    )


def _more(name: str, new: Ordinals, value: float) -> NDArray[Any]:
    return new if name == "ordinals" else np.full(len(new), value, np.float32)


def _changed(rows: Rows, change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> Rows:
    """The rows with every column changed alike."""
    columns = {field.name: getattr(rows, field.name) for field in fields(rows) if field.name != "corrected"}
    changed: dict[str, Any] = {name: change(name, column) for name, column in columns.items()}
    return replace(rows, **changed)


_COUNTS = ("clicks", "plays", "impressions")

_SEEDS, _LINKED = 5, 8
"""Co-answers: of how many best rows, and over how many other queries each."""


class Lookup:
    """One look-up inside one read transaction, for one user (None: nobody in particular) at one time."""

    def __init__(
        self, dbs: Databases, txn: ReadTransaction, settings: MemorySettings, *, user: bytes | None, now: float
    ) -> None:
        self._dbs, self._txn, self._settings = dbs, txn, settings
        self._user, self._now = user, now

    def exact_rows(self, normalized: str) -> Rows:
        """What the memory has to say on a query by its own record alone, or that of the same query as it is spoken."""
        return self._own_record(normalized)[0].rows()

    def rows(self, normalized: str) -> Rows:
        """Everything the memory has to say on a query."""
        exact, learned = self._own_record(normalized)
        tables, corrected = [exact], None
        if not learned:
            tables += self._reordered(normalized)
            near = self._near(normalized) if len(tables) == 1 else None
            if near is not None:
                edits, text = near
                answers, _ = self._answers(query_key(text))
                tables.append(answers.discounted(self._settings.edit_discount**edits, edits))
                corrected = None if len(exact) else text
        found = merge(tables)
        if 0 < len(found) < self._settings.expand_below:
            found = merge([found, *self._coanswers(query_key(normalized), found)])
        return found.rows(corrected)

    def _own_record(self, normalized: str) -> tuple[Answers, bool]:
        """Rows of a query, written or spoken, and whether any of them was learned rather than predicted."""
        answers, learned = self._answers(query_key(normalized))
        if learned or (said := spoken(normalized)) == normalized:
            return answers, learned
        others, learned = self._answers(query_key(said))
        return merge([answers, others]), learned

    def believed_rows(self, record: StoredQuery) -> tuple[QueryRow, ...]:
        """The record's visible rows, best first, one by one."""
        rows = self._believed(record).rows()
        shared = np.isin(rows.ordinals, record.rows["ordinal"][record.rows["state"] == SHARED])
        return tuple(
            QueryRow(
                ordinal=int(rows.ordinals[at]),
                score=float(rows.scores[at]),
                impressions=float(rows.impressions[at]),
                clicks=float(rows.clicks[at]),
                plays=float(rows.plays[at]),
                predicted=None if np.isnan(rows.predicted[at]) else float(rows.predicted[at]),
                shared=bool(shared[at]),
            )
            for at in range(len(rows))
        )

    def like_answers(self, found: LikeQueries) -> LikeAnswers:
        """What like queries led to, by everybody's choices; all their records are read as one table."""
        values = ((at, self._txn.get(key.tobytes(), db=self._dbs["queries"])) for at, key in enumerate(found.keys))
        held = {at: StoredQuery(value) for at, value in values if value is not None}
        if not held:
            return LikeAnswers.empty()
        known, records = list(held), list(held.values())
        sizes = [len(record.visible) for record in records]
        ages = np.array([self._now - record.updated for record in records])
        left = np.repeat(decays(ages, self._settings.half_life), sizes)
        answers = self._belief(StoredRows.joined([record.visible for record in records]), left)
        table, likeness = answers.table[answers.chosen], np.repeat(found.likeness[known], sizes)
        return LikeAnswers(
            ordinals=table["ordinals"].copy(),
            likeness=likeness[answers.chosen],
            scores=table["scores"].copy(),
            clicks=table["clicks"] + table["plays"],
        )

    def _answers(self, key: bytes) -> tuple[Answers, bool]:
        """Rows of one stored query, and whether any of them was learned rather than predicted."""
        value = self._txn.get(key, db=self._dbs["queries"])
        answers, learned = Answers.empty(), False
        if value is not None:
            record = StoredQuery(value)
            answers, learned = self._believed(record), record.shared > 0
        value = None if self._user is None else self._txn.get(self._user + key, db=self._dbs["own"])
        return (answers, learned) if value is None else (self._with_own(answers, StoredQuery(value)), True)

    def _believed(self, record: StoredQuery) -> Answers:
        """Rows that everybody may see: shared ones, and predicted ones without what a single user did there."""
        left = np.float32(decay(self._now - record.updated, self._settings.half_life))
        return self._belief(record.visible, left)

    def _belief(self, rows: StoredRows, left: np.float32 | Scores) -> Answers:
        """Stored rows as believed, ``left`` being what is left of their counts, for all or (n,)."""
        table = np.zeros(len(rows), ANSWER)
        table["ordinals"], table["predicted"] = rows["ordinal"], rows["predicted"]
        for name in _COUNTS:
            table[name] = rows[name] * left
        prior = np.fmax(table["predicted"], np.float32(self._settings.base_rate))  # of NaN and a number, the number
        gained = self._gained(table["clicks"], table["plays"])
        table["scores"] = posterior_mean(prior, gained, rows["unclicked"] * left, self._settings.prior_strength)
        return Answers(table)

    def _gained(self, clicks: Scores, plays: Scores) -> Scores:
        """Clicks and plays as one number (n,), each weighted."""
        return np.float32(self._settings.click_weight) * clicks + np.float32(self._settings.play_weight) * plays

    def _with_own(self, shared: Answers, own: StoredQuery) -> Answers:
        """The user's own evidence on top: what everybody believes is the prior of what this user does."""
        left = np.float32(decay(self._now - own.updated, self._settings.half_life))
        rows = own.rows
        clicks, plays, impressions = (rows[name] * left for name in ("raw_clicks", "raw_plays", "impressions"))
        answers = self._widened(shared, rows["ordinal"])
        table, at = answers.table, np.searchsorted(answers.table["ordinals"], rows["ordinal"])
        table["scores"][at] = posterior_mean(
            table["scores"][at], self._gained(clicks, plays), rows["unclicked"] * left, self._settings.own_strength
        )
        for name, counts in zip(_COUNTS, (clicks, plays, impressions), strict=True):
            table[name][at] = np.maximum(table[name][at], counts)
        table["own"][at] = 1
        return answers

    def _widened(self, shared: Answers, ordinals: Ordinals) -> Answers:
        """Answers that hold ``ordinals`` too, at the base rate where they are new."""
        every = np.union1d(shared.table["ordinals"], ordinals)
        if len(every) == len(shared):
            return shared
        table = np.zeros(len(every), ANSWER)
        table["ordinals"], table["scores"], table["predicted"] = every, self._settings.base_rate, np.nan
        table[np.searchsorted(every, shared.table["ordinals"])] = shared.table
        return Answers(table)

    def _reordered(self, normalized: str) -> list[Answers]:
        keys = near_queries.reordered(self._txn, self._dbs["near"], normalized)
        return [self._answers(key)[0].discounted(self._settings.reorder_discount, REORDERED) for key in keys]

    def _near(self, normalized: str) -> tuple[int, str] | None:
        """Edits and text of the nearest learned query: the user's own before others', then the more chosen one."""
        if not near_queries.edits_allowed(normalized):
            return None
        near = [
            (edits, not own, -evidence, text)
            for own, evidence, text in chain(self._own_queries(), self._shared_queries(normalized))
            if (edits := near_queries.edits_between(normalized, text)) is not None
        ]
        if not near:
            return None
        edits, _, _, text = min(near)
        return edits, text

    def _shared_queries(self, normalized: str) -> Iterator[tuple[bool, float, str]]:
        for key in near_queries.nearby(self._txn, self._dbs["near"], normalized):
            value = self._txn.get(key, db=self._dbs["queries"])
            if value is not None:
                yield False, worth(value)[0], StoredQuery(value).text

    def _own_queries(self) -> Iterator[tuple[bool, float, str]]:
        if self._user is not None:
            for _, value in items_under(self._txn, self._dbs["own"], self._user):
                yield True, worth(value)[0], StoredQuery(value).text

    def _coanswers(self, key: bytes, found: Answers) -> list[Answers]:
        """Shared rows of other queries that led to the best rows; a score is a product along the path."""
        answers: dict[bytes, Answers] = {}
        for at in np.argsort(-found.table["scores"], kind="stable")[:_SEEDS]:
            weight = self._settings.coanswer_discount * float(found.table["scores"][at])
            for other in values_of(self._txn, self._dbs["links"], ordinal_key(found.table["ordinals"][at])):
                if len(answers) == _LINKED:
                    break
                value = self._txn.get(other, db=self._dbs["queries"]) if other != key and other not in answers else None
                if value is not None:
                    answers[other] = self._shared_only(value).discounted(weight, COANSWER)
        return list(answers.values())

    def _shared_only(self, value: memoryview) -> Answers:
        answers = self._believed(StoredQuery(value))
        return Answers(answers.table[answers.chosen])
