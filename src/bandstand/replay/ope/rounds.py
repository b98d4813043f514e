"""The log as arrays: what was chosen, with which probability, what the evaluation policy would do, what it earned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import (
    Floats,
    Ints,
    choices,
    distributions,
    numbers,
    probabilities,
    propensities,
    taken,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feedback:
    """n rounds of m decisions (arms, in the order in which they were taken) between k options; m = 1 for plain bandits.

    ``reward`` (n,), ``choice`` (n, m) indices of options, ``logged`` and ``target`` (n, m) the probabilities of the
    chosen option under the logging and the evaluation policy, given what earlier decisions led to. Known for logs
    that keep distributions: ``logged_all`` and ``target_all`` (n, m, k). Optional: ``predicted`` and ``direct``
    (n, m) from a reward model as in `sequential_dr`; ``context`` one (n, d) array for each arm; ``cost`` (n, m);
    ``clusters`` (n,) numbers of the users. ``left_out`` counts the rounds that could not be used, ``unused`` the
    events that belong to no round, both by reason.
    """

    arms: tuple[str, ...] = ("action",)
    reward: Floats
    choice: Ints
    logged: Floats
    target: Floats
    logged_all: Floats | None = None
    target_all: Floats | None = None
    predicted: Floats | None = None
    direct: Floats | None = None
    context: tuple[NDArray[np.floating], ...] | None = None
    cost: Floats | None = None
    clusters: Ints | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    unused: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = len(numbers(self.reward, "reward")), len(self.arms)
        propensities(self.logged, "logged", ndim=2, rows=n)
        probabilities(self.target, "target", ndim=2, rows=n)
        for name, table in (("logged_all", self.logged_all), ("target_all", self.target_all)):
            if table is not None:
                distributions(table, name, ndim=3, rows=n)
        for name in ("choice", "logged", "target", "logged_all", "target_all", "predicted", "direct", "cost"):
            table = getattr(self, name)
            if table is not None and table.shape[:2] != (n, m):
                raise BadInput(f"{name} has shape {table.shape}: give ({n}, {m}, ...)", field=name)
        if self.logged_all is not None and not np.allclose(taken(self.logged_all, self.choice), self.logged):
            raise BadInput(
                "logged is not what logged_all gives the chosen option: one of them is wrong", field="logged"
            )

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def weights(self) -> Floats:
        """Joint importance weights, (n,)."""
        return np.asarray((self.target / self.logged).prod(axis=1))

    @classmethod
    def single(
        cls,
        *,
        reward: ArrayLike,
        action: ArrayLike,
        logged: ArrayLike,
        target_all: ArrayLike,
        logged_all: ArrayLike | None = None,
        predicted_all: ArrayLike | None = None,
    ) -> Feedback:
        """Rounds of one decision, as the Open Bandit Pipeline logs them.

        Args:
            reward: (n,).
            action: Index of the chosen action, (n,).
            logged: Its propensity, (n,).
            target_all: The evaluation policy's distributions, (n, k).
            logged_all: The logging policy's, (n, k), where they are known.
            predicted_all: A reward model's predictions for every action, (n, k).

        Raises:
            BadInput: Arrays that do not fit together, or probabilities out of their range.
        """
        rewards = numbers(reward, "reward")
        n = len(rewards)
        target = distributions(target_all, "target_all", rows=n)
        chosen = choices(action, "action", options=target.shape[1], rows=n)
        base = None if logged_all is None else distributions(logged_all, "logged_all", rows=n)
        table = None if predicted_all is None else numbers(predicted_all, "predicted_all", ndim=2, rows=n)
        for name, values in (("logged_all", base), ("predicted_all", table)):
            if values is not None and values.shape != target.shape:
                raise BadInput(f"{name} has shape {values.shape}, target_all {target.shape}", field=name)
        return cls(
            reward=rewards,
            choice=chosen[:, None],
            logged=propensities(logged, "logged", rows=n)[:, None],
            target=taken(target, chosen)[:, None],
            target_all=target[:, None],
            logged_all=None if base is None else base[:, None],
            predicted=None if table is None else taken(table, chosen)[:, None],
            direct=None if table is None else (target * table).sum(axis=1)[:, None],
        )

    def with_model(self, predicted: Floats, direct: Floats) -> Feedback:
        """The same rounds with a reward model's values, both (n, m)."""
        same = {each.name: getattr(self, each.name) for each in fields(self)}
        return Feedback(**same | {"predicted": predicted, "direct": direct})
