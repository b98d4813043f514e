"""A new reward model from the log: trained, published, promoted; the learner then names it in the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bandstand.errors import BadInput
from bandstand.feedback.joined import Joined
from bandstand.feedback.reward_model import FEATURE_HASH, MODEL_FILE
from bandstand.feedback.reward_training import train_reward
from bandstand.models import ModelCard, ModelRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardReport:
    """Which version was trained, whether it serves now, and its metrics (`TrainedReward`)."""

    version: str
    promoted: bool
    metrics: dict[str, float]


def new_reward(models: ModelRegistry, searches: Iterable[Joined], *, seed: int, keep: int) -> RewardReport:
    """Train on the log, publish, and promote unless an operator pinned the version that serves.

    Raises:
        BadInput: the log holds too little; the constants, or the model that serves, go on judging.
    """
    trained = train_reward(searches, seed=seed)
    serving = models.pointer("reward")
    card = ModelCard(
        data_range=trained.data_range,
        feature_hash=FEATURE_HASH,
        metrics=trained.metrics,
        parent=serving.current if serving else None,
    )
    version = models.publish("reward", {MODEL_FILE: trained.model.to_bytes()}, card)
    promoted = models.promote("reward", version, automatic=True)
    models.prune("reward", keep)
    return RewardReport(version=version, promoted=promoted, metrics=trained.metrics)


def renewed_reward(models: ModelRegistry, searches: Iterable[Joined], *, seed: int, keep: int) -> RewardReport | None:
    """As `new_reward`; None where there is too little to learn from, as in a young log."""
    try:
        return new_reward(models, searches, seed=seed, keep=keep)
    except BadInput:
        return None
