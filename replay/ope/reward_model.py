"""A cross-fitted model of the reward after each arm's decision: ridge regression, fitted backwards over the arms."""

from __future__ import annotations

import numpy as np

from bandstand.errors import BadInput
from bandstand.replay.ope.checks import Floats, Ints, taken
from bandstand.replay.ope.rounds import Feedback

_PENALTY = 1.0


def fit_values(feedback: Feedback, *, folds: int = 3, seed: int = 0) -> Feedback:
    """The same rounds with ``predicted`` and ``direct`` (n, m): fitted Q evaluation, one ridge model for each arm.

    The last arm's model predicts the reward from its context and depth; an earlier arm's predicts what the
    evaluation policy makes of the next arm's. No round is predicted by a model that saw it or its cluster. Values
    are kept within the range of the rewards. Le, Voloshin & Yue 2019; cross-fitting: Chernozhukov et al. 2018.

    Raises:
        BadInput: The evaluation policy's distributions are not known.
    """
    policy = feedback.target_all
    if policy is None:
        raise BadInput("a reward model needs the evaluation policy's distributions", field="target_all")
    predicted, direct = np.zeros_like(feedback.logged), np.zeros_like(feedback.logged)
    fold = _folds(feedback, folds, seed)
    low, high = float(feedback.reward.min()), float(feedback.reward.max())
    for number in range(int(fold.max()) + 1):
        held = fold == number
        seen = ~held if (~held).any() else held
        following = feedback.reward
        for place in reversed(range(len(feedback.arms))):
            model = _ArmModel(_context(feedback, place), feedback.choice[:, place], policy.shape[2])
            table = np.clip(model.fit_predict(following, seen), low, high)
            following = (policy[:, place] * table).sum(axis=1)
            predicted[held, place] = taken(table, feedback.choice[:, place])[held]
            direct[held, place] = following[held]
    return feedback.with_model(predicted, direct)


class _ArmModel:
    """Ridge of an outcome on one arm's context: a part shared by all options, and each option's departure from it."""

    def __init__(self, context: Floats, choice: Ints, options: int) -> None:
        scale = context.std(axis=0)
        varying = scale > 0.0
        centred = (context[:, varying] - context[:, varying].mean(axis=0)) / scale[varying]
        self._rows = np.column_stack([np.ones(len(context)), centred])
        self._choice, self._options = choice, options

    def fit_predict(self, outcome: Floats, seen: np.typing.NDArray[np.bool_]) -> Floats:
        """Predictions (n, options) for all rounds from the rounds ``seen``."""
        mean = float(outcome[seen].mean())
        shared = mean + self._rows @ _ridge(self._rows[seen], outcome[seen] - mean)
        table = np.repeat(shared[:, None], self._options, axis=1)
        for option in range(self._options):
            mine = seen & (self._choice == option)
            if mine.any():
                table[:, option] += self._rows @ _ridge(self._rows[mine], (outcome - shared)[mine])
        return table


def _ridge(rows: Floats, outcome: Floats) -> Floats:
    """The b of least |rows b - outcome|^2 + width |b|^2: few rounds move a wide model little."""
    width = rows.shape[1]
    return np.asarray(np.linalg.solve(rows.T @ rows + _PENALTY * width * np.eye(width), rows.T @ outcome))


def _context(feedback: Feedback, place: int) -> Floats:
    if feedback.context is None:
        return np.empty((len(feedback), 0))
    return np.asarray(feedback.context[place], np.float64)


def _folds(feedback: Feedback, folds: int, seed: int) -> Ints:
    """The fold (n,) of each round, evenly many units in each; a cluster lies in one."""
    units = np.arange(len(feedback)) if feedback.clusters is None else feedback.clusters
    _, number = np.unique(units, return_inverse=True)
    count = int(number.max()) + 1
    return np.asarray(np.random.default_rng(seed).permutation(count)[number] % min(folds, count))
