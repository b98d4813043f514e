"""A cross-fitted model of the reward after each arm's decision: ridge regression, fitted backwards over the arms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import Floats, Ints, taken
from bandstand.replay.ope.feedback import Feedback

_PENALTY = 1.0
_BLOCK = 16_384
_CONSTANT = 1e-7
"""Standard deviations up to this are rounding: the column says nothing."""


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
    models = [
        _ArmModel(_context(feedback, place), feedback.choice[:, place], policy.shape[2], fold)
        for place in range(len(feedback.arms))
    ]
    for number in range(int(fold.max()) + 1):
        held = fold == number
        following = feedback.reward
        for place in reversed(range(len(feedback.arms))):
            table = np.clip(models[place].fit_predict(following, number), low, high)
            following = (policy[:, place] * table).sum(axis=1)
            predicted[held, place] = taken(table, feedback.choice[:, place])[held]
            direct[held, place] = following[held]
    return feedback.with_model(predicted, direct)


class _ArmModel:
    """Ridge of an outcome on one arm's context: a part shared by all options, and each option's departure from it.

    The contexts (n, d) are read block by block. What depends on them alone, the products X'X of each fold and option,
    is summed once: the rounds of an option in all folds but one are the sum over those folds.
    """

    def __init__(self, context: NDArray[np.floating], choice: Ints, options: int, fold: Ints) -> None:
        self._context, self._choice, self._options, self._fold = context, choice, options, fold
        self._mean = _column_means(context)
        deviation = np.sqrt(_column_means(context, self._mean))
        self._varying = deviation > _CONSTANT
        self._scale = deviation[self._varying]
        width = 1 + len(self._scale)
        self._products = np.zeros((int(fold.max()) + 1, options, width, width))
        for part, rows in self._blocks():
            for number in range(len(self._products)):
                for option in range(options):
                    mine = rows[(fold[part] == number) & (choice[part] == option)]
                    self._products[number, option] += mine.T @ mine

    def fit_predict(self, outcome: Floats, held: int) -> Floats:
        """Predictions (n, options) for all rounds from those of every fold but ``held`` (of it, where it is alone)."""
        alone = len(self._products) == 1
        products = self._products.sum(axis=0) - (0.0 if alone else self._products[held])
        seen = (self._fold != held) | alone
        mean = float(outcome[seen].mean())
        moments = np.zeros((products.shape[1], self._options))
        for part, rows in self._blocks():
            chose = (self._choice[part, None] == np.arange(self._options)) & seen[part, None]
            moments += rows.T @ (chose * (outcome[part] - mean)[:, None])
        shared = _ridge(products.sum(axis=0), moments.sum(axis=1))
        own = [_ridge(products[at], moments[:, at] - products[at] @ shared) for at in range(self._options)]
        slopes = shared[:, None] + np.stack(own, axis=1)
        return mean + np.concatenate([rows @ slopes for _, rows in self._blocks()])

    def _blocks(self) -> Iterator[tuple[slice, Floats]]:
        """(which rounds, an intercept and their standardised contexts)."""
        for part in _parts(len(self._context)):
            block = np.asarray(self._context[part], np.float64)[:, self._varying]
            centred = (block - self._mean[self._varying]) / self._scale
            yield part, np.column_stack([np.ones(len(block)), centred])


def _parts(n: int) -> Iterator[slice]:
    for start in range(0, n, _BLOCK):
        yield slice(start, min(start + _BLOCK, n))


def _column_means(context: NDArray[np.floating], around: Floats | None = None) -> Floats:
    """The mean of each column of (n, d), or of its squared distance from ``around`` (d,)."""
    total = np.zeros(context.shape[1])
    for part in _parts(len(context)):
        block = np.asarray(context[part], np.float64)
        total += block.sum(axis=0) if around is None else np.square(block - around).sum(axis=0)
    return np.asarray(total / len(context))


def _ridge(products: Floats, moments: Floats) -> Floats:
    """The b of least |X b - y|^2 + width |b|^2 from X'X and X'y: few rounds move a wide model little."""
    width = len(products)
    return np.asarray(np.linalg.solve(products + _PENALTY * width * np.eye(width), moments))


def _context(feedback: Feedback, place: int) -> NDArray[np.floating]:
    return np.empty((len(feedback), 0)) if feedback.context is None else feedback.context[place]


def _folds(feedback: Feedback, folds: int, seed: int) -> Ints:
    """The fold (n,) of each round, evenly many units in each; a cluster lies in one."""
    units = np.arange(len(feedback)) if feedback.clusters is None else feedback.clusters
    _, number = np.unique(units, return_inverse=True)
    count = int(number.max()) + 1
    return np.asarray(np.random.default_rng(seed).permutation(count)[number] % min(folds, count))
