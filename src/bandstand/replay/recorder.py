"""Turns played searches into rows: of the policy itself, and of the baselines that are read off it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.bandit.cost import modelled_cost
from bandstand.bandit.policy import FULL_DEPTH
from bandstand.replay.contestants import Baseline, Seen
from bandstand.replay.environment import ReplayEnvironment
from bandstand.replay.replayer import Played, ranking_to
from bandstand.replay.rows import Row, RowFile
from bandstand.replay.stream import Judge, query_digest
from bandstand.types import ARMS, KINDS, LOGGED_DEPTH, Ordinals

_PAGE = 10


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

    def __call__(self, played: Played) -> None:
        """One search."""
        if not played.ask.counted or not played.ask.answers:
            return
        self.count += 1
        columns = self._environment.home.catalog.columns
        judge = Judge(played.ask, columns, self._environment.storage.store.ordinals)
        base = self._described(played, judge)
        self._files[self._name].append(self._own(played, judge, base))
        if self._baselines:
            seen = self._seen(played)
            for baseline in self._baselines:
                row = Row(**base, found=judge.found(baseline.rank(seen)), cost_ms=baseline.cost_ms, real_ms=0.0)
                self._files[baseline.name].append(row)

    def flush(self) -> dict[str, int]:
        """The files' lengths, once everything is in them."""
        return {name: file.flush() for name, file in self._files.items()}

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _described(self, played: Played, judge: Judge) -> dict[str, Any]:
        ask = played.ask
        labels = {
            "query": "seen" if played.seen_query else "unseen",
            "user": "with past" if played.seen_user else "without past",
            "kind": self._kind(ask.answers[0].entity_id),
            **dict(ask.labels),
        }
        return {
            "id": ask.id,
            "time": ask.time,
            "user": ask.user or ask.session or ask.id,
            "query": query_digest(ask.text).hex(),
            "labels": labels,
            "grades": judge.grades,
        }

    def _own(self, played: Played, judge: Judge, base: dict[str, Any]) -> Row:
        impression = played.answer.impression
        depths = {decision.arm: decision.depth for decision in impression.decision.arms}
        asked = [outcome for outcome in impression.outcomes if outcome.status != "skipped"]
        cost = sum(modelled_cost(outcome.retriever, depths[outcome.retriever] or FULL_DEPTH) for outcome in asked)
        columns = self._environment.home.catalog.columns
        page, candidates = impression.ordinals[:_PAGE], played.answer.candidates.ordinals
        return Row(
            **base,
            found=judge.found(ranking_to(played.answer, columns, LOGGED_DEPTH + len(played.ask.known))),
            cost_ms=cost,
            real_ms=sum(outcome.took_ms for outcome in asked),
            depths=[depths.get(arm, 0) for arm in ARMS],
            pooled=judge.pooled(candidates[candidates < columns.n]),
            claims=self._claims(played, judge, page),
        )

    def _claims(self, played: Played, judge: Judge, page: Ordinals) -> list[tuple[float, int]]:
        """What the memory believed of the hits on the page, rounded, and whether they were answers."""
        impression = played.answer.impression
        believed = impression.features[: len(page), impression.feature_names.index("memory.score")]
        right = judge.right(page)
        return [
            (round(float(score), 3), int(hit))
            for score, hit in zip(believed, right, strict=True)
            if not np.isnan(score)
        ]

    def _seen(self, played: Played) -> Seen:
        home, answer = self._environment.home, played.answer
        columns = home.catalog.columns
        return Seen(
            answer=answer,
            columns=columns,
            scorer=home.serving().scorer,
            features=answer.head.whole.features,
            room=len(played.ask.known),
        )

    def _kind(self, entity_id: str) -> str:
        columns = self._environment.home.catalog.columns
        ordinal = int(self._environment.storage.store.ordinals([entity_id])[0])
        return KINDS[int(columns.kind[ordinal])] if 0 <= ordinal < columns.n else "unknown"


def rows_path(folder: Path, name: str) -> Path:
    """Where the rows of a ranking lie."""
    return folder / f"{name.replace(':', '=')}.ndjson"
