"""Judged queries: how good each policy and each retriever is on them, and what that takes here. Nothing is learned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from bandstand.app.searching import SearchingSide
from bandstand.catalog.columns import Columns
from bandstand.catalog.readers.base import Rejected, read_lines
from bandstand.catalog.readers.csv import read_records
from bandstand.catalog.text import normalize
from bandstand.engine.request import SearchRequest
from bandstand.engine.search import Answer
from bandstand.errors import BadInput
from bandstand.feedback.fields import mapping, text
from bandstand.feedback.formats.trec import read_qrels
from bandstand.replay.contestants import Baseline, Contestant, baseline, contestant
from bandstand.replay.metrics import Values, measure
from bandstand.replay.recorder import baseline_row, row_of
from bandstand.replay.rows import Row
from bandstand.replay.stream import Answer as Wanted
from bandstand.replay.stream import Ask, Judge
from bandstand.statistics import ClusterBootstrap, Difference, Floats, Interval
from bandstand.types import LOGGED_DEPTH, Ordinals, Progress

if TYPE_CHECKING:
    from pandas import DataFrame

EVERY, HYBRID, ORACLE = "all", "hybrid", "oracle:retriever"
"""What is always compared: every retriever, the fixed hybrid, and the best single retriever for each query."""

RESAMPLES = 2_000
_LIMIT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """A query and what answers it: ``relevant`` are grades (1 or more) by entity id.

    ``query_class`` is a slice to be reported by itself; ``user`` is who asks, None for nobody in particular.
    """

    text: str
    relevant: Mapping[str, int]
    query_class: str = ""
    user: str | None = None

    @classmethod
    def of(cls, record: Mapping[str, object]) -> JudgedQuery:
        """A record with ``query``, ``relevant`` (ids, or grades by id), and perhaps ``class`` and ``user``.

        Raises:
            BadInput: a field is missing or cannot be used.
        """
        typed, relevant = text(record.get("query"), "query", _LIMIT), record.get("relevant")
        if typed is None:
            raise BadInput("a judged query has no text: give it as query", field="query")
        if isinstance(relevant, Mapping):
            grades = {str(entity): grade for entity, grade in relevant.items()}
        elif isinstance(relevant, Iterable) and not isinstance(relevant, str | bytes):
            grades = {str(entity): 1 for entity in relevant}
        else:
            raise BadInput(f"{typed!r}: relevant must be a list of entity ids, or grades by id", field="relevant")
        if any(not isinstance(grade, int) for grade in grades.values()):
            raise BadInput(f"{typed!r}: grades must be whole numbers", field="relevant")
        return cls(
            text=typed,
            relevant={entity: grade for entity, grade in grades.items() if grade > 0},
            query_class=text(record.get("class"), "class", _LIMIT) or "",
            user=text(record.get("user"), "user", _LIMIT),
        )


def read_judged(path: Path, *, queries: Path | None = None) -> list[JudgedQuery]:
    """The judged queries of a file, plain or gz, in the order in which the queries first stand there.

    CSV has a row a judgement with ``query`` and ``entity_id``, and perhaps ``grade``, ``class`` and ``user``; NDJSON a
    line a query, as `JudgedQuery.of` takes it. With ``queries``, a file of lines ``qid<tab>query``, it is TREC qrels.

    Raises:
        BadInput: the file is missing, or a line of it cannot be used.
    """
    if queries is not None:
        return _from_qrels(path, queries)
    return _from_csv(path) if ".csv" in path.suffixes else list(_from_ndjson(path))


def _from_ndjson(path: Path) -> Iterator[JudgedQuery]:
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            try:
                yield JudgedQuery.of(mapping(orjson.loads(line), "a line"))
            except (BadInput, orjson.JSONDecodeError) as cause:
                raise BadInput(f"{path}, line {number}: {cause}") from cause


def _from_csv(path: Path) -> list[JudgedQuery]:
    relevant: dict[tuple[str, str, str], dict[str, int]] = {}
    for number, record in read_records(path, required=("query", "entity_id")):
        if isinstance(record, Rejected):
            raise BadInput(f"{path}, line {number}: {record.reason}")
        try:
            grade = int(record.get("grade") or 1)
        except ValueError as cause:
            raise BadInput(f"{path}, line {number}: grade must be a whole number", field="grade") from cause
        key = (record["query"].strip(), record.get("class", ""), record.get("user", ""))
        if not key[0] or not record["entity_id"].strip():
            raise BadInput(f"{path}, line {number}: query or entity_id is empty", field="query")
        relevant.setdefault(key, {})[record["entity_id"].strip()] = grade
    return [
        JudgedQuery.of({"query": query, "relevant": grades, "class": query_class, "user": user})
        for (query, query_class, user), grades in relevant.items()
    ]


def _from_qrels(path: Path, queries: Path) -> list[JudgedQuery]:
    texts = dict(line.rstrip("\r\n").split("\t", 1) for line in read_lines(queries) if "\t" in line)
    relevant: dict[str, dict[str, int]] = {}
    for qrel in read_qrels(line.encode("utf-8", "surrogateescape") for line in read_lines(path)):
        relevant.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.grade
    if unknown := [query for query in relevant if query not in texts]:
        raise BadInput(f"{queries} has no query {unknown[0]!r}, which {path} judges", field="queries")
    return [JudgedQuery.of({"query": texts[query], "relevant": grades}) for query, grades in relevant.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingReport:
    """One ranking: means over the judged queries with intervals, also ``by_class``.

    ``retrieval_ms`` is what its retrievers took here, added up; ``search_ms`` the whole search, None for what is read
    off the search in which every retriever played.
    """

    kind: str
    metrics: Mapping[str, Interval]
    by_class: Mapping[str, Mapping[str, Interval]]
    retrieval_ms: Interval
    search_ms: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedReport:
    """What judged queries say of a platform.

    ``rankings`` are the policies (``kind`` "policy") and what is beside them ("baseline"), by name. ``differences`` are
    the first policy's less each other ranking's, by measure and name, on the same queries. ``classes`` counts queries
    by class, ``best_retriever`` those on which a retriever alone was the best. ``left_out`` queries had no relevant
    entity; ``unknown`` relevant entities are not in the catalogue, and count as missed. ``incomplete`` searches lacked
    a retriever that failed or was late.
    """

    queries: int
    left_out: int
    unknown: int
    incomplete: int
    k: int
    seed: int
    classes: Mapping[str, int]
    rankings: Mapping[str, RankingReport]
    differences: Mapping[str, Mapping[str, Difference]]
    best_retriever: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return asdict(self)

    def to_pandas(self) -> DataFrame:
        """One row a ranking, by its name: its kind, the mean of each measure, and milliseconds."""
        import pandas as pd

        rows = {
            name: {
                "kind": each.kind,
                **{measure: interval.value for measure, interval in each.metrics.items()},
                "retrieval_ms": each.retrieval_ms.value,
                "search_ms": math.nan if each.search_ms is None else each.search_ms.value,
            }
            for name, each in self.rankings.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def _repr_html_(self) -> str:
        return str(self.to_pandas().to_html(float_format="{:.3f}".format, na_rep=""))


def evaluate_judged(
    side: SearchingSide,
    judged: Iterable[JudgedQuery | Mapping[str, object]],
    *,
    policies: Sequence[str] = ("bandit",),
    k: int = 10,
    seed: int = 1,
    progress: Progress = lambda *_: None,
) -> JudgedReport:
    """Answer every judged query under each policy, and measure: nDCG, MRR and success at ``k``, recall at 100.

    Beside the policies (named as in `contestant`) stand every retriever, the fixed hybrid, each retriever in its own
    order, reciprocal-rank fusion of all, and the oracle that takes for each query the retriever with the best nDCG.
    What a ranking missed counts as zero. Intervals and differences are by bootstrap of the queries. The order in which
    the policies answer a query is drawn anew for each, so that none always finds things warm. Nothing is logged.

    Raises:
        BadInput: there is no such policy, or no query has a relevant entity.
        MissingDependency: ir-measures is not installed.
    """
    given = [each if isinstance(each, JudgedQuery) else JudgedQuery.of(each) for each in judged]
    queries = [each for each in given if any(grade > 0 for grade in each.relevant.values())]
    if not queries:
        raise BadInput("no judged query has a relevant entity: there is nothing to measure", field="judged")
    if not policies:
        raise BadInput("give at least one policy", field="policies")
    if not 1 <= k <= LOGGED_DEPTH:
        raise BadInput(f"k must be from 1 to {LOGGED_DEPTH}, not {k}", field="k")
    bench = _Bench(side, queries, tuple(policies), k=k, seed=seed)
    for number in range(len(queries)):
        bench.play(number)
        progress("judged", number + 1, len(queries))
    return bench.report(left_out=len(given) - len(queries))


class _Bench:
    """Rows of every ranking, gathered query by query."""

    def __init__(
        self, side: SearchingSide, queries: Sequence[JudgedQuery], policies: tuple[str, ...], *, k: int, seed: int
    ) -> None:
        self._side, self._queries, self._policies, self._k, self._seed = side, queries, policies, k, seed
        self._roster = roster = side.features.roster
        own = side.serving().policies
        self._contestants = [contestant(name, roster, own) for name in dict.fromkeys((*policies, HYBRID, EVERY))]
        self._alone = [f"only:{name}" for name in roster.names]
        self._baselines: list[Baseline] = [baseline(name, roster) for name in (*self._alone, "rrf:all")]
        names = (*(who.name for who in self._contestants), *(each.name for each in self._baselines))
        self._rows: dict[str, list[Row]] = {name: [] for name in names}
        self._known = _places(side.catalog.columns, {entity for each in queries for entity in each.relevant})
        self._random = np.random.default_rng(seed)
        self._incomplete = 0
        self._answer(0, contestant(EVERY, roster))  # what is loaded at the first search is nobody's time

    def play(self, number: int) -> None:
        """Answer one query under every policy."""
        for at in self._random.permutation(len(self._contestants)).tolist():
            who = self._contestants[at]
            answer = self._answer(number, who)
            outcomes = answer.impression.outcomes
            self._incomplete += any(each.status in {"failed", "late"} for each in outcomes)
            ask, judge, labels = self._judged(number, answer)
            took = {"search_ms": answer.impression.took_ms}
            self._rows[who.name].append(row_of(ask, answer, judge, labels, cost_ms=0.0, extra=took))
            if who.name == EVERY:
                for each in self._baselines:
                    self._rows[each.name].append(baseline_row(each, ask, answer, judge, labels))

    def report(self, *, left_out: int) -> JudgedReport:
        """The figures of all rows."""
        values = {name: measure(rows, self._k) for name, rows in self._rows.items()}
        took = {name: np.array([row.real_ms for row in rows]) for name, rows in self._rows.items()}
        alone, at = self._alone, np.arange(len(self._queries))
        ndcg = np.stack([values[name][f"nDCG@{self._k}"] for name in alone])
        best = ndcg.argmax(axis=0)  # of equals the first, which is the cheapest
        values[ORACLE] = {each: np.stack([values[name][each] for name in alone])[best, at] for each in values[EVERY]}
        took[ORACLE] = np.stack([took[name] for name in alone])[best, at]
        texts = [normalize(each.text) for each in self._queries]
        bootstrap = ClusterBootstrap(texts, resamples=RESAMPLES, seed=self._seed)
        return JudgedReport(
            queries=len(self._queries),
            left_out=left_out,
            unknown=len({entity for each in self._queries for entity in each.relevant} - self._known.keys()),
            incomplete=self._incomplete,
            k=self._k,
            seed=self._seed,
            classes=dict(Counter(each.query_class for each in self._queries if each.query_class)),
            rankings={name: self._ranking(name, values[name], took[name], bootstrap) for name in values},
            differences=self._differences(values, bootstrap),
            best_retriever=dict(Counter(self._roster.names[place] for place in best[ndcg.max(axis=0) > 0].tolist())),
        )

    def _answer(self, number: int, who: Contestant) -> Answer:
        engine, asked = self._side.engine, self._queries[number]
        query = engine.query(SearchRequest(query=asked.text, k=self._k, user_id=asked.user))
        return engine.answer(replace(query, id=f"judged-{self._seed}-{number}"), who.policy(engine.policy))

    def _judged(self, number: int, answer: Answer) -> tuple[Ask, Judge, dict[str, str]]:
        asked, query = self._queries[number], answer.query
        answers = tuple(Wanted(entity, grade, query.time) for entity, grade in asked.relevant.items() if grade > 0)
        ask = Ask(id=query.id, time=query.time, text=asked.text, user=asked.user, answers=answers)
        return ask, Judge(ask, answer.columns, self._ordinals), {"class": asked.query_class}

    def _ordinals(self, ids: Sequence[str]) -> Ordinals:
        return np.array([self._known.get(each, -1) for each in ids], np.int32)

    def _ranking(self, name: str, values: Values, took: Floats, bootstrap: ClusterBootstrap) -> RankingReport:
        classes = np.array([each.query_class for each in self._queries], object)
        rows = self._rows.get(name, [])
        whole = [row.extra["search_ms"] for row in rows if "search_ms" in row.extra]
        return RankingReport(
            kind="policy" if name in self._policies else "baseline",
            metrics={measure: bootstrap.interval(each) for measure, each in values.items()},
            by_class={
                query_class: {
                    measure: bootstrap.interval(each, classes == query_class) for measure, each in values.items()
                }
                for query_class in sorted(set(classes.tolist()) - {""})
            },
            retrieval_ms=bootstrap.interval(took),
            search_ms=bootstrap.interval(np.array(whole, np.float64)) if whole else None,
        )

    def _differences(
        self, values: Mapping[str, Values], bootstrap: ClusterBootstrap
    ) -> dict[str, dict[str, Difference]]:
        first = self._policies[0]
        others = {name: each for name, each in values.items() if name != first}
        return {
            name: bootstrap.differences({other: (mine, each[name]) for other, each in others.items()})
            for name, mine in values[first].items()
        }


def _places(columns: Columns, wanted: set[str]) -> dict[str, int]:
    """Ordinals by id of those entities that can be found."""
    live = columns.live.tolist()
    return {entity: at for at, entity in enumerate(columns.ids.tolist()) if entity in wanted and live[at]}
