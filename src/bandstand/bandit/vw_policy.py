"""The bandit as a policy: the model's best depth, a floor of exploration, and a start until people have taught it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from bandstand.bandit.context import Context
from bandstand.bandit.cost import FREE
from bandstand.bandit.policy import FULL_DEPTH, draw, known_arm
from bandstand.bandit.selective import SelectivePolicy
from bandstand.bandit.vw_model import VwModel
from bandstand.errors import BadInput
from bandstand.types import DEPTHS, ArmDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """How the bandit explores.

    ``floor`` is the share of decisions that are drawn uniformly, so that every depth has at least
    ``floor / len(DEPTHS)``. ``warmup`` is after how many labels of an arm, from people's searches, the model alone
    decides about it. ``always`` are the arms that play at full depth with propensity 1: they are nearly free, and what
    they find is the context of the others (ADR 3).
    """

    floor: float = 0.02
    warmup: int = 900
    always: tuple[str, ...] = FREE

    def __post_init__(self) -> None:
        if not 0.0 < self.floor <= 1.0:
            raise BadInput(
                f"floor must be in (0, 1], got {self.floor}: without it nothing can be learned", field="floor"
            )
        if self.warmup < 0:
            raise BadInput(f"warmup must be 0 or more labels, got {self.warmup}", field="warmup")
        for arm in self.always:
            known_arm(arm)


class BanditPolicy:
    """One immutable version of the learned policy; any number of threads may decide with it.

    It starts with what its ``fallback`` would choose, and with n labels of people's searches learned, the model's
    distribution has the weight min(1, n / warmup) and that start the rest. Self-play teaches the model, but does not
    let it decide: a thousand posed queries tell which arm helps where far better to a calibrated score than to a linear
    model whose errors are as large as an arm's price (ADR 23). An arm of which the fallback knows nothing is played to
    full depth: quality first, and a deep choice shows what every shallower one would have earned.
    """

    name = "bandit"
    sequential = True

    def __init__(
        self,
        model: bytes,
        *,
        version: str,
        settings: BanditSettings | None = None,
        fallback: SelectivePolicy | None = None,
    ) -> None:
        """Open a copy of the model at once, so that a damaged one is refused before the first search.

        Raises:
            ModelError: As `VwModel.from_bytes`.
        """
        self.version = version
        self.settings = settings or BanditSettings()
        self._fallback = fallback or SelectivePolicy()
        self._model = model
        self._copies = threading.local()
        self._trained = self._copy().trained

    def decide(self, arm: str, context: Context, u: float) -> ArmDecision:
        """See `Policy.decide`; the propensity is that of the distribution with floor and warm-up mixed in."""
        if known_arm(arm) in self.settings.always:
            return ArmDecision(arm=arm, depth=FULL_DEPTH)
        return draw(arm, self.probabilities(arm, context), context, u)

    def probabilities(self, arm: str, context: Context) -> tuple[float, ...]:
        """The distribution over `DEPTHS` that the depth of an arm outside ``always`` is drawn from."""
        trained = self._trained.get(arm, 0)
        confidence = min(1.0, trained / self.settings.warmup) if self.settings.warmup else 1.0
        start = self._fallback.likely(arm, context)
        learned = self._copy().predict(arm, context.features) if confidence else start
        return mix(learned, start, confidence=confidence, floor=self.settings.floor)

    def _copy(self) -> VwModel:
        """This thread's own workspace: Vowpal Wabbit's are not thread-safe."""
        copy: VwModel | None = getattr(self._copies, "model", None)
        if copy is None:
            copy = self._copies.model = VwModel.from_bytes(self._model)
        return copy


def mix(learned: Sequence[float], start: Sequence[float], *, confidence: float, floor: float) -> tuple[float, ...]:
    """P(depth) = floor / n + (1 - floor) (confidence * learned + (1 - confidence) * start), summing to 1.

    Args:
        learned: The model's distribution over the n `DEPTHS`.
        start: What is done before anything is learned, summing to 1.
        confidence: The model's weight against the start, in [0, 1].
        floor: The share that is spread evenly, in (0, 1].
    """
    total = sum(learned)
    return tuple(
        floor / len(DEPTHS) + (1 - floor) * (confidence * share / total + (1 - confidence) * first)
        for share, first in zip(learned, start, strict=True)
    )
