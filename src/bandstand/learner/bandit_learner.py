"""Teaches the bandit from finalized searches; its whole state is bytes, kept in the learner's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import structlog

from bandstand.bandit.cost import ArmStats
from bandstand.bandit.reward import RANK_SUFFIX, DepthLabel, Scorer, impression_labels, recorded_differences
from bandstand.bandit.vw import VwModel
from bandstand.errors import ModelError, StorageError
from bandstand.feedback.ablation import Ablation
from bandstand.learner.open_searches import KeyValue
from bandstand.ranker.features import feature_names
from bandstand.types import ARMS, Impression

_MODEL = b"bandit/model"
_STATS = b"bandit/stats"

ScorerOf = Callable[[str], Scorer]
"""The ranker of a version (the one that served the page), or the nearest that can still be loaded."""


class BanditLearner:
    """A Vowpal Wabbit model and the arms' statistics, learning from one search after another.

    Not for several threads. After a failed transaction, `restore` goes back to what was committed.
    """

    def __init__(self, *, scorer_of: ScorerOf, cost_weight: float) -> None:
        self._scorer_of = scorer_of
        self._cost_weight = cost_weight
        self._model = VwModel()
        self._stats = ArmStats()
        self._changed: set[bytes] = set()

    def restore(self, get: Callable[[bytes], bytes | None]) -> None:
        """Continue from the committed state; from the beginning where there is none, or none that can be read."""
        model, stats = get(_MODEL), get(_STATS)
        self._changed.clear()
        try:
            self._model = VwModel.from_bytes(model) if model else VwModel()
            self._stats = ArmStats.from_json(stats) if stats else ArmStats()
        except (ModelError, StorageError) as error:  # left by another version, say: memory must go on learning
            structlog.get_logger("learner").error("bandit_begins_anew", reason=str(error))
            self._model, self._stats = VwModel(), ArmStats()

    def save(self, state: KeyValue) -> None:
        """Put what has changed into the transaction that holds what it was learned from."""
        for key in sorted(self._changed):
            state.put(key, self._dumped(key))
        self._changed.clear()

    def files(self) -> dict[str, bytes]:
        """What a published version of the bandit consists of."""
        return {"model.vw": self._dumped(_MODEL), "stats.json": self._dumped(_STATS)}

    def observe_costs(self, impression: Impression) -> None:
        """Learn what the arms cost from the times that a search logged.

        A late arm cost at least what was waited for it; one that was not even begun cost nothing and says nothing.
        """
        depths = {decision.arm: decision.depth for decision in impression.decision.arms}
        for outcome in impression.outcomes:
            if outcome.status == "ok" or (outcome.status == "late" and outcome.took_ms > 0):
                self._stats.record_cost(outcome.retriever, depths[outcome.retriever], outcome.took_ms)
        self._changed.add(_STATS)

    def learn(
        self,
        impression: Impression,
        grades: Mapping[int, float],
        *,
        record: Ablation | None = None,
        sampled: bool = False,
    ) -> list[DepthLabel]:
        """Learn from a finalized search; returns the labels that it gave.

        ``grades`` maps ordinals to satisfaction in (0, 1]; empty when nobody was satisfied. ``record`` is what the page
        would have been without each expensive arm, where that was looked into: exact, where the logged head is not.
        ``sampled`` says that self-play asked, and nobody did.
        A search that was logged with other features than are computed now teaches nothing: no ranker could order its
        page again.
        """
        if impression.feature_names != feature_names(ARMS):
            return []
        score = self._scorer_of(impression.models.get("ranker", ""))
        exact = {} if record is None else recorded_differences(record, impression, grades)
        labels = impression_labels(
            impression, grades, score, cost_weight=self._cost_weight, cost=self._stats.cost, exact=exact
        )
        self._model.learn_labels(impression.decision.arms, labels, sampled=sampled)
        self._record_hits(impression, grades)
        self._changed |= {_MODEL, _STATS} if labels else {_STATS}
        return labels

    def _record_hits(self, impression: Impression, grades: Mapping[int, float]) -> None:
        rows = [row for row, ordinal in enumerate(impression.ordinals.tolist()) if grades.get(ordinal, 0.0) > 0]
        if not rows:
            return
        for outcome in impression.outcomes:
            if outcome.status == "ok":
                column = impression.features[rows, impression.feature_names.index(outcome.retriever + RANK_SUFFIX)]
                self._stats.record_hit(outcome.retriever, useful=bool((~np.isnan(column)).any()))

    def _dumped(self, key: bytes) -> bytes:
        return self._model.to_bytes() if key == _MODEL else self._stats.to_json().encode()
