"""The learned parts that serve: follows the model registry, and swaps each model when another version of it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from bandstand.bandit.cost import ArmStats
from bandstand.bandit.gate import RetrievalGate
from bandstand.bandit.policy import Policy, RandomSubsetPolicy, fixed_policies
from bandstand.bandit.selective import EXPLORES, SelectivePolicy, SelectiveSettings, thresholds
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel
from bandstand.engine.serving import ServingModels
from bandstand.errors import BadInput, ModelError, StorageError
from bandstand.feedback.reward_model import MODEL_FILE, RewardModel
from bandstand.memory_index.generator import GENERATOR_FILE, Generator
from bandstand.models.registry import MODEL_NAMES, ModelRegistry, ModelVersion, Stamp
from bandstand.ranker.features import FeatureSet
from bandstand.ranker.scorers import LambdaMartScorer, PlainScorer, Scorer

UNTRAINED = "untrained"
_BANDIT, _STATS = "model.vw", "stats.json"

_LEARNERS: Mapping[str, Callable[[ModelVersion], object]] = {
    "reward": lambda model: RewardModel.from_bytes(model.read(MODEL_FILE)),
    "generator": lambda model: Generator.from_bytes(model.read(GENERATOR_FILE)),
}
"""Models that serve the learning side alone: looked at here, so that everybody hears of a damaged one."""


def promote_model(models: ModelRegistry, name: str, version: str, features: FeatureSet) -> None:
    """Let a version serve from now on, once it has shown that it can be used where these features are computed.

    Raises:
        NotFound: no such model or version.
        ModelError: it is damaged, or was trained on none of these features; what served before serves on.
    """
    model = models.get(name, version)
    if name == "ranker":
        LambdaMartScorer(model, features.layout)
    elif name == "abstention":
        RetrievalGate(model)
    elif name in _LEARNERS:
        _LEARNERS[name](model)
    else:
        BanditPolicy(model.read(_BANDIT), version=model.version)
        ArmStats.from_json(model.read(_STATS), features.roster)
    models.promote(name, version)


class ModelFollower:
    """The `ServingModels` of this process. A version that cannot be used is refused; what served before serves on.

    ``refused`` says by model why the version that should serve does not. ``policies`` may be asked for beside the
    platform's own.

    Raises:
        BadInput: one of the policies has the name of another.
    """

    def __init__(
        self,
        models: ModelRegistry,
        features: FeatureSet,
        settings: BanditSettings,
        selective: SelectiveSettings | None = None,
        policies: Sequence[Policy] = (),
    ) -> None:
        self._models = models
        self._features = features
        self._settings = settings
        self._selective = selective or SelectiveSettings()
        self._extra = tuple(policies)
        self._stamps: dict[str, Stamp | None] = {}
        self._lock = threading.Lock()
        self._scorer: Scorer = PlainScorer(features)
        self._bandit, self._bandit_version = VwModel().to_bytes(), UNTRAINED
        self._stats = ArmStats(features.roster)
        self._gate: RetrievalGate | None = None
        self._serving = self._assembled()
        self.refused: dict[str, str] = {}
        self.refresh()

    def __call__(self) -> ServingModels:
        """What serves now."""
        return self._serving

    def refresh(self) -> bool:
        """Look whether other versions were promoted; returns whether something changed."""
        with self._lock:
            changed = [self._follow(name) for name in MODEL_NAMES]
            if any(changed):
                self._serving = self._assembled()
            return any(changed)

    def _follow(self, name: str) -> bool:
        """Take over the model that the pointer names if it was written since; whether that succeeded."""
        stamp = self._models.stamp(name)
        if stamp == self._stamps.get(name):
            return False
        try:
            self._load(name, self._models.current(name))
        except (ModelError, StorageError) as error:
            self._refuse(name, str(error))
            if isinstance(error, ModelError):  # else it may be readable the next time
                self._stamps[name] = stamp
            return False
        self._stamps[name] = stamp
        self.refused.pop(name, None)
        return True

    def _load(self, name: str, model: ModelVersion | None) -> None:
        if name == "ranker":
            features = self._features
            self._scorer = PlainScorer(features) if model is None else LambdaMartScorer(model, features.layout)
        elif name == "abstention":
            self._gate = None if model is None else RetrievalGate(model)
        elif name in _LEARNERS:
            if model is not None:
                _LEARNERS[name](model)
        elif model is not None:
            weights = model.read(_BANDIT)
            stats = ArmStats.from_json(model.read(_STATS), self._features.roster)
            BanditPolicy(weights, version=model.version)  # refused here if it is damaged
            self._bandit, self._bandit_version, self._stats = weights, model.version, stats

    def _refuse(self, name: str, reason: str) -> None:
        if self.refused.get(name) != reason:
            structlog.get_logger("models").error("model_refused", model=name, reason=reason)
        self.refused = {**self.refused, name: reason}

    def _assembled(self) -> ServingModels:
        selective = self._selective_policy()
        proven = self._gate is not None and self._gate.proven
        bandit = BanditPolicy(
            self._bandit,
            version=self._bandit_version,
            settings=self._settings,
            fallback=selective if proven else None,
        )
        policies: dict[str, Policy] = {
            "bandit": bandit,
            "selective": selective,
            **fixed_policies(),
            "random": RandomSubsetPolicy(always=self._features.roster.free),
        }
        for policy in self._extra:
            if policy.name in policies:
                raise BadInput(f"there is a policy {policy.name!r} already: give yours another name", field="policies")
            policies[policy.name] = policy
        return ServingModels(
            scorer=self._scorer,
            policies=policies,
            stats=self._stats,
            bandit_version=self._bandit_version,
            gate=self._gate,
            worth=selective.thresholds,
        )

    def _selective_policy(self) -> SelectivePolicy:
        """Thresholds that were set, else those at which an arm is worth its measured time."""
        epsilon = self._settings.epsilon * EXPLORES
        if self._gate is None:
            return SelectivePolicy(epsilon=epsilon)
        worth = thresholds(self._gate, cost_weight=self._selective.cost_weight, cost=self._stats.cost)
        chosen = {arm: value for arm, value in self._selective.thresholds.items() if arm in worth}
        return SelectivePolicy(
            thresholds=worth | chosen,
            epsilon=epsilon,
            version=f"{self._gate.version}/{self._bandit_version}",
        )
