"""What actions are worth: by the reward model that the log names, else by constants; within an actor's budget."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bandstand.errors import ModelError
from bandstand.feedback.behaviour import Interaction
from bandstand.feedback.reward_model import MODEL_FILE, RewardModel
from bandstand.feedback.rewards import Budget, RateGuard
from bandstand.learner.open_searches import KeyValue, OpenSearch
from bandstand.models.registry import ModelVersion
from bandstand.types import Impression

REWARD_MODEL = "reward_model"
"""Control record: ``{"version": ..., "model": ...}``, both null for the constants. From this place of the log on,
what people do is judged by that model. The model itself is in the record: the same log teaches the same, whatever the
registry holds by then."""

_PINNED = b"reward/pinned"


class RewardProvider:
    """The reward model as the learner's state pins it. Not for several threads."""

    def __init__(self) -> None:
        self._pinned: bytes | None = None
        self.version: str | None = None
        self.model: RewardModel | None = None

    def restore(self, get: Callable[[bytes], bytes | None]) -> None:
        """Continue by the committed state; what is loaded already is not loaded again."""
        pinned = get(_PINNED)
        if pinned != self._pinned:
            self._load(pinned)

    def handle(self, state: KeyValue, payload: Mapping[str, Any]) -> None:
        """Judge by the model of a control record from now on."""
        version, model = payload.get("version"), payload.get("model")
        pinned = f"{version}\n{model}".encode() if isinstance(version, str) and isinstance(model, str) else None
        if pinned is None:
            state.delete(_PINNED)
        else:
            state.put(_PINNED, pinned)
        self._load(pinned)

    def goals(self, impression: Impression, interactions: tuple[Interaction, ...]) -> dict[int, float] | None:
        """P(goal) by ordinal of every touched hit; None where the constants judge."""
        if self.model is None:
            return None
        ordinals = impression.ordinals.tolist()
        return {ordinals[row]: p for row, p in self.model.goals(impression, interactions).items() if p > 0}

    def grades(self, impression: Impression, search: OpenSearch) -> Mapping[int, float]:
        """Satisfaction in (0, 1] by ordinal, of a search that is finalized."""
        goals = self.goals(impression, search.interactions)
        return search.grades() if goals is None else goals

    def trust(self, impression: Impression, interaction: Interaction, interactions: tuple[Interaction, ...]) -> float:
        """P(goal) of the hit that an action was on, given all ``interactions`` so far; 1 where the constants judge.

        They do so too where nobody's page was acted on: a play from elsewhere says what it says.
        """
        if self.model is None:
            return 1.0
        goals = self.model.goals(
            impression, interactions if interaction in interactions else (*interactions, interaction)
        )
        most = max(other.weight for other in (*interactions, interaction) if other.row == interaction.row)
        return goals[interaction.row] / most

    def _load(self, pinned: bytes | None) -> None:
        self._pinned, self.version, self.model = pinned, None, None
        if pinned is None:
            return
        version, _, model = pinned.decode().partition("\n")
        self.version = version
        try:
            self.model = RewardModel.from_bytes(zlib.decompress(base64.b64decode(model)))
        except (ModelError, zlib.error, binascii.Error) as error:  # of another version of this program, say
            structlog.get_logger("learner").error("reward_by_constants", version=version, reason=str(error))


def order_of(model: ModelVersion | None) -> dict[str, str | None]:
    """The control record that lets a model judge; None is back to the constants."""
    if model is None:
        return {"version": None, "model": None}
    packed = base64.b64encode(zlib.compress(model.read(MODEL_FILE), 9)).decode()
    return {"version": model.version, "model": packed}


_PREFIX = b"rate/"
_VALUE = struct.Struct(">dd")


class RateBudgets:
    """Budgets by actor (a hash, see `bandstand.learner.relabelling.hashed`), under a prefix of the learner's state."""

    def __init__(self, state: KeyValue, guard: RateGuard, prefix: bytes = _PREFIX) -> None:
        self._state, self._guard, self._prefix = state, guard, prefix

    def weight(self, who: str, now: float) -> float:
        """The weight in [0, 1] of one more event of the actor."""
        key = self._prefix + who.encode()
        raw = self._state.get(key)
        budget = None if raw is None else Budget(*_VALUE.unpack(raw))
        weight, left = self._guard.spend(budget, now)
        self._state.put(key, _VALUE.pack(*left))
        return weight

    def forget(self, *who: str) -> None:
        """Drop the budgets of actors, and those whose names begin with theirs."""
        for each in who:
            for key, _ in self._state.scan(self._prefix + each.encode()):
                self._state.delete(key)

    def expire(self, before: float) -> int:
        """Drop budgets last touched before a time: they are full again by now. Returns how many."""
        old = [key for key, raw in self._state.scan(self._prefix) if _VALUE.unpack(raw)[1] < before]
        for key in old:
            self._state.delete(key)
        return len(old)
