"""Teaches the bandit from finalized searches; its whole state is bytes, kept in the learner's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import structlog

from bandstand.bandit.cost import ArmStats
from bandstand.bandit.reward import DepthLabel, Scorer, impression_labels, recorded_differences
from bandstand.bandit.vw import VwModel
from bandstand.errors import ModelError, StorageError
from bandstand.feedback.ablation import Ablation
from bandstand.learner.open_searches import KeyValue
from bandstand.ranker.features import FeatureSet
from bandstand.types import Impression, Matrix, Scores
from bandstand.types.features import RANK

_MODEL = b"bandit/model"
_STATS = b"bandit/stats"
STATE: Mapping[bytes, str] = {_MODEL: "model.vw", _STATS: "stats.json"}
"""Its keys in the learner's state, and the files of a published version that hold the same."""

ScorerOf = Callable[[str], Scorer]
"""The ranker of a version (the one that served the page), or the nearest that can still be loaded."""


class BanditLearner:
    """A Vowpal Wabbit model and the retrievers' statistics, learning from one search after another.

    Searches that were logged with other retrievers or features teach as well: what they say of a retriever that is gone
    is passed over, and the ranker sees their rows in today's columns.

    Not for several threads. After a failed transaction, `restore` goes back to what was committed.
    """

    def __init__(self, features: FeatureSet, *, scorer_of: ScorerOf, cost_weight: float) -> None:
        """``scorer_of`` reads the layout of ``features``, whose roster is decided about."""
        self._features, self._roster = features, features.roster
        self._scorer_of = scorer_of
        self._cost_weight = cost_weight
        self._model = VwModel()
        self._stats = ArmStats(self._roster)
        self._changed: set[bytes] = set()

    def restore(self, get: Callable[[bytes], bytes | None]) -> None:
        """Continue from the committed state; from the beginning where there is none, or none that can be read."""
        model, stats = get(_MODEL), get(_STATS)
        self._changed.clear()
        try:
            self._model = VwModel.from_bytes(model) if model else VwModel()
            self._stats = ArmStats.from_json(stats, self._roster) if stats else ArmStats(self._roster)
        except (ModelError, StorageError) as error:  # left by another version, say: memory must go on learning
            structlog.get_logger("learner").error("bandit_begins_anew", reason=str(error))
            self._model, self._stats = VwModel(), ArmStats(self._roster)

    def save(self, state: KeyValue) -> None:
        """Put what has changed into the transaction that holds what it was learned from."""
        for key in sorted(self._changed):
            state.put(key, self._dumped(key))
        self._changed.clear()

    def files(self) -> dict[str, bytes]:
        """What a published version of the bandit consists of."""
        return {name: self._dumped(key) for key, name in STATE.items()}

    def observe_costs(self, impression: Impression) -> None:
        """Learn what the retrievers cost from the times that a search logged.

        A late one cost at least what was waited for it; one that was not even begun cost nothing and says nothing.
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
        would have been without each expensive one, where that was looked into: exact, where the logged head is not.
        ``sampled`` says that self-play asked, and nobody did.
        A search that logged no feature in common with today's teaches nothing: no ranker could order its page again.
        """
        if not self._features.layout.shares(impression.rows.layout):
            return []
        impression = self._known(impression)
        score = self._scorer_for(impression)
        exact = {} if record is None else recorded_differences(record, impression, grades)
        labels = impression_labels(
            impression, grades, score, cost_weight=self._cost_weight, cost=self._stats.cost, exact=exact
        )
        if labels:
            self._model.learn_labels(impression.decision.arms, labels, sampled=sampled)
            self._changed.add(_MODEL)
        self._record_hits(impression, grades)
        return labels

    def _known(self, impression: Impression) -> Impression:
        """The search without what concerns retrievers that are gone, or that left no trace in its features."""
        features = set(impression.feature_names)
        known = {name for name in self._roster.names if f"{name}.{RANK}" in features}
        arms = tuple(arm for arm in impression.decision.arms if arm.arm in known)
        outcomes = tuple(outcome for outcome in impression.outcomes if outcome.retriever in known)
        return replace(impression, decision=replace(impression.decision, arms=arms), outcomes=outcomes)

    def _scorer_for(self, impression: Impression) -> Scorer:
        """The ranker of the search's page, for features in the columns in which it was logged; found once asked for."""

        def score(features: Matrix) -> Scores:
            ranker = self._scorer_of(impression.models.get("ranker", ""))
            return ranker(self._features.layout.aligned(features, impression.rows.layout))

        return score

    def _record_hits(self, impression: Impression, grades: Mapping[int, float]) -> None:
        if not grades:
            return
        featured = impression.ordinals[: len(impression.features)].tolist()
        rows = [row for row, ordinal in enumerate(featured) if grades.get(ordinal, 0.0) > 0]
        if not rows:
            return
        for outcome in impression.outcomes:
            if outcome.status == "ok":
                ranks = impression.rows.rank(outcome.retriever)[rows]
                self._stats.record_hit(outcome.retriever, useful=bool((~np.isnan(ranks)).any()))
        self._changed.add(_STATS)

    def _dumped(self, key: bytes) -> bytes:
        return self._model.to_bytes() if key == _MODEL else self._stats.to_json().encode()
