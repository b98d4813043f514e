"""The learned parts that serve: follows the model registry and swaps ranker and bandit when another version does."""

from __future__ import annotations

import threading

import structlog

from bandstand.bandit.cost import ArmStats
from bandstand.bandit.policy import Policy, RandomSubsetPolicy, fixed_policies
from bandstand.bandit.vw_model import VwModel
from bandstand.bandit.vw_policy import BanditPolicy, BanditSettings
from bandstand.engine.search import Brains
from bandstand.errors import ModelError, StorageError
from bandstand.models import ModelRegistry, ModelVersion, Stamp
from bandstand.ranker.base import Scorer
from bandstand.ranker.model import LambdaMartScorer
from bandstand.ranker.plain import PlainScorer

UNTRAINED = "untrained"


def promote_model(models: ModelRegistry, name: str, version: str) -> None:
    """Let a version serve from now on, once it has shown that this program can load it.

    Raises:
        NotFound: no such model or version.
        ModelError: it is damaged, or was trained on other features; what served before serves on.
    """
    model = models.get(name, version)
    if name == "ranker":
        LambdaMartScorer(model)
    else:
        _bandit(model, BanditSettings())
    models.promote(name, version)


class BrainsKeeper:
    """Holds the `Brains` of this process. A version that cannot be used is refused; what served before serves on.

    ``refused`` says by model why the version that should serve does not.
    """

    def __init__(self, models: ModelRegistry, settings: BanditSettings) -> None:
        self._models = models
        self._settings = settings
        self._stamps: dict[str, Stamp | None] = {}
        self._lock = threading.Lock()
        self._scorer: Scorer = PlainScorer()
        self._bandit = BanditPolicy(VwModel().to_bytes(), version=UNTRAINED, settings=settings)
        self._stats = ArmStats()
        self._brains = self._assembled()
        self.refused: dict[str, str] = {}
        self.refresh()

    def __call__(self) -> Brains:
        """What serves now."""
        return self._brains

    def refresh(self) -> bool:
        """Look whether other versions were promoted; returns whether something changed."""
        with self._lock:
            changed = [self._follow("ranker"), self._follow("bandit")]
            if any(changed):
                self._brains = self._assembled()
            return any(changed)

    def _follow(self, name: str) -> bool:
        """Take over the model that the pointer names if it was written since; whether that succeeded."""
        stamp = self._models.stamp(name)
        if stamp == self._stamps.get(name):
            return False
        try:
            self._load_ranker() if name == "ranker" else self._load_bandit()
        except (ModelError, StorageError) as error:
            self._refuse(name, str(error))
            if isinstance(error, ModelError):  # else it may be readable the next time
                self._stamps[name] = stamp
            return False
        self._stamps[name] = stamp
        self.refused.pop(name, None)
        return True

    def _load_ranker(self) -> None:
        model = self._models.current("ranker")
        self._scorer = PlainScorer() if model is None else LambdaMartScorer(model)

    def _load_bandit(self) -> None:
        model = self._models.current("bandit")
        if model is not None:
            self._bandit, self._stats = _bandit(model, self._settings)

    def _refuse(self, name: str, reason: str) -> None:
        if self.refused.get(name) != reason:
            structlog.get_logger("models").error("model_refused", model=name, reason=reason)
        self.refused = {**self.refused, name: reason}

    def _assembled(self) -> Brains:
        policies: dict[str, Policy] = {"bandit": self._bandit, **fixed_policies(), "random": RandomSubsetPolicy()}
        return Brains(scorer=self._scorer, policies=policies, stats=self._stats, bandit_version=self._bandit.version)


def _bandit(model: ModelVersion, settings: BanditSettings) -> tuple[BanditPolicy, ArmStats]:
    policy = BanditPolicy(model.read("model.vw"), version=model.version, settings=settings)
    return policy, ArmStats.from_json(model.read("stats.json"))
