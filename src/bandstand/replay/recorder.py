"""Turns answered searches into rows: of the policy itself, and of the baselines that are read off its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.bandit.policy import FULL_DEPTH
from bandstand.engine.search import Answer
from bandstand.replay.contestants import Baseline
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.replayer import Played, ranking_to
from bandstand.replay.rows import Extra, Row, RowFile, rows_path
from bandstand.replay.stream import Ask, Judge, query_digest
from bandstand.replay.table import PAGE
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import KINDS, LOGGED_DEPTH, Roster


def row_of(
    ask: Ask, answer: Answer, judge: Judge, labels: Mapping[str, str], *, cost_ms: float, extra: Extra | None = None
) -> Row:
    """The row of an answered search; ``cost_ms`` is what its retrieval is modelled to cost."""
    impression, candidates = answer.impression, answer.candidates.ordinals
    depths = {decision.arm: decision.depth for decision in impression.decision.arms}
    return Row(
        **_described(ask, judge, labels),
        found=judge.found(ranking_to(answer, answer.columns, LOGGED_DEPTH + len(ask.known))),
        cost_ms=cost_ms,
        real_ms=sum(outcome.took_ms for outcome in impression.outcomes if outcome.status != "skipped"),
        depths=[depths.get(name, 0) for name in BUILT_IN.names],
        pooled=judge.pooled(candidates[candidates < answer.columns.n]),
        claims=_claims(answer, judge),
        extra=extra or {},
    )


def baseline_row(baseline: Baseline, ask: Ask, answer: Answer, judge: Judge, labels: Mapping[str, str]) -> Row:
    """The row of a baseline, read off an answer in which every retriever played."""
    return Row(
        **_described(ask, judge, labels),
        found=judge.found(baseline.rank(answer, LOGGED_DEPTH + len(ask.known))),
        cost_ms=baseline.cost_ms,
        real_ms=sum(each.took_ms for each in answer.impression.outcomes if each.retriever in baseline.retrievers),
    )


def _described(ask: Ask, judge: Judge, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": ask.id,
        "time": ask.time,
        "user": ask.user or ask.session or ask.id,
        "query": query_digest(ask.text).hex(),
        "labels": labels,
        "grades": judge.grades,
    }


def _claims(answer: Answer, judge: Judge) -> list[tuple[float, int]]:
    """What the memory believed of the hits on the page, rounded, and whether they were answers."""
    impression = answer.impression
    believed = impression.features[:PAGE, impression.feature_names.index("memory.score")]
    right = judge.right(impression.ordinals[:PAGE])
    return [
        (round(float(score), 3), int(hit)) for score, hit in zip(believed, right, strict=True) if not np.isnan(score)
    ]


class Recorder:
    """Writes a row for each counted search into files of a folder, one file a ranking."""

    def __init__(
        self,
        environment: ReplayEnvironment,
        folder: Path,
        name: str,
        baselines: Sequence[Baseline],
        lengths: Mapping[str, int],
    ) -> None:
        self._environment, self._name, self._baselines = environment, name, tuple(baselines)
        names = (name, *(baseline.name for baseline in baselines))
        self._files = {each: RowFile(rows_path(folder, each), length=lengths.get(each, 0)) for each in names}
        self.count = 0

    def add(self, played: Played, judge: Judge, extra: Extra) -> None:
        """One search, judged; ``extra`` is what else is to be kept of the policy's own answer."""
        self.count += 1
        ask, answer = played.ask, played.answer
        labels = {
            "query": "seen" if played.seen_query else "unseen",
            "user": "with past" if played.seen_user else "without past",
            "kind": self._kind(ask.answers[0].entity_id),
            **dict(ask.labels),
        }
        cost = _modelled(answer, self._environment.home.features.roster)
        row = row_of(ask, answer, judge, labels, cost_ms=cost, extra=extra)
        self._files[self._name].append(row)
        for baseline in self._baselines:
            self._files[baseline.name].append(baseline_row(baseline, ask, answer, judge, labels))

    def flush(self) -> dict[str, int]:
        """The files' lengths, once everything is in them."""
        return {name: file.flush() for name, file in self._files.items()}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _kind(self, entity_id: str) -> str:
        columns = self._environment.home.catalog.columns
        ordinal = int(self._environment.storage.store.ordinals([entity_id])[0])
        return KINDS[int(columns.kind[ordinal])] if 0 <= ordinal < columns.n else "unknown"


def _modelled(answer: Answer, roster: Roster) -> float:
    """Modelled milliseconds of the retrievers that were asked, those that stepped in for others at full depth."""
    depths = {decision.arm: decision.depth for decision in answer.impression.decision.arms}
    asked = [each.retriever for each in answer.impression.outcomes if each.status != "skipped"]
    return sum(roster.modelled_cost(retriever, depths[retriever] or FULL_DEPTH) for retriever in asked)
