"""What searches were worth, as the settings want it judged: by a learned model, by constants, or by clicks alone."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from bandstand.errors import ModelError
from bandstand.feedback.grading import Grader, by_constants, by_model
from bandstand.feedback.joined import Joined, joined
from bandstand.feedback.reward_model import MODEL_FILE, RewardModel
from bandstand.feedback.rewards import CLICKS_ALONE, DEFAULT_WEIGHTS, RewardWeights
from bandstand.learner.train_reward import RewardReport, new_reward, renewed_reward
from bandstand.settings import Settings
from bandstand.storage import Storage


def weights_of(settings: Settings) -> RewardWeights:
    """The constants that serve until a reward model does, or always."""
    return CLICKS_ALONE if settings.reward_model == "clicks" else DEFAULT_WEIGHTS


def judged(storage: Storage) -> Iterator[Joined]:
    """Every search of the log with its events, graded as the settings want it."""
    return joined(storage.log, storage.settings.join_minutes * 60, grader=grader_of(storage))


def grader_of(storage: Storage) -> Grader:
    """The reward model that serves; the constants where there is none, or none that can be used."""
    if storage.settings.reward_model == "learned":
        try:
            model = storage.models.current("reward")
            if model is not None:
                return by_model(RewardModel.from_bytes(model.read(MODEL_FILE)))
        except ModelError as error:
            structlog.get_logger("models").error("model_refused", model="reward", reason=str(error))
    return by_constants(weights_of(storage.settings))


def train_reward_model(storage: Storage) -> RewardReport:
    """A new reward model from the whole log (raises `BadInput` where that holds too little)."""
    settings = storage.settings
    searches = joined(storage.log, settings.join_minutes * 60)
    return new_reward(storage.models, searches, seed=settings.seed, keep=settings.keep_models)


def renew_reward(storage: Storage) -> RewardReport | None:
    """The same as part of the schedule: None where it is switched off or the log is too young."""
    settings = storage.settings
    if settings.reward_model != "learned":
        return None
    searches = joined(storage.log, settings.join_minutes * 60)
    return renewed_reward(storage.models, searches, seed=settings.seed, keep=settings.keep_models)
