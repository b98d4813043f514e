"""The log as arrays: what was chosen, with which probability, what the policy would do, what it earned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bandstand.bandit.context import Features
from bandstand.errors import BadInput
from bandstand.replay.ope.estimate import (
    Floats,
    Ints,
    choices,
    distributions,
    numbers,
    probabilities,
    propensities,
    taken,
)

BLOCK = 8_192
"""Rows that wait in memory before they are written."""

Singles = NDArray[np.float32]
_Packed = tuple[tuple[str, ...], list[float]]


class Spool:
    """Blocks (rows, width) of one type in an unnamed temporary file, read back as one array mapped from it.

    Later blocks may be wider: what an earlier row lacks is 0.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115  lives as long as the mapped array needs it
        self._shapes: list[tuple[int, int]] = []

    def append(self, block: NDArray[Any]) -> None:
        """One more block."""
        self._file.write(np.ascontiguousarray(block, self._dtype).tobytes())
        self._shapes.append((block.shape[0], block.shape[1]))

    def array(self) -> NDArray[Any]:
        """Everything, (all rows, the largest width), read-only; the system pages it in and out."""
        rows, width = sum(rows for rows, _ in self._shapes), max((width for _, width in self._shapes), default=0)
        if not rows or not width:
            return np.empty((rows, width), self._dtype)
        if any(each != width for _, each in self._shapes):
            self._widen(width)
        self._file.flush()
        return np.memmap(self._file, self._dtype, "r", shape=(rows, width))

    def _widen(self, width: int) -> None:
        """The same rows, all of one width."""
        wide = Spool(self._dtype)
        self._file.seek(0)
        for rows, narrow in self._shapes:
            block = np.frombuffer(self._file.read(rows * narrow * self._dtype.itemsize), self._dtype)
            wide.append(np.pad(block.reshape(rows, narrow), ((0, 0), (0, width - narrow))))
        self._file, self._shapes = wide._file, wide._shapes


class ContextSpool:
    """One arm's contexts, a row for each search, by the names of their features; 0 where a search has none."""

    def __init__(self) -> None:
        self._spool = Spool(np.float32)
        self._places: dict[str, int] = {}
        self._columns: dict[tuple[str, ...], list[int]] = {}
        self._waiting: list[_Packed] = []

    def add(self, context: Features) -> None:
        """The next search's context; empty where it has none."""
        self._waiting.append((tuple(name for name, _ in context), [value for _, value in context]))
        if len(self._waiting) == BLOCK:
            self._flush()

    def array(self) -> Singles:
        """All contexts, (n, d), read-only; columns in the order in which their names were first met."""
        self._flush()
        return self._spool.array()

    def _flush(self) -> None:
        for names in dict.fromkeys(names for names, _ in self._waiting):
            self._columns[names] = [self._places.setdefault(name, len(self._places)) for name in names]
        self._spool.append(self._block(self._waiting))
        self._waiting = []

    def _block(self, waiting: Sequence[_Packed]) -> Singles:
        block = np.zeros((len(waiting), len(self._places)), np.float32)
        for row, (names, values) in zip(block, waiting, strict=True):
            row[self._columns[names]] = values
        return np.nan_to_num(block)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feedback:
    """n rounds of m decisions (arms, in the order in which they were taken) between k options; m = 1 for plain bandits.

    ``reward`` (n,), ``choice`` (n, m) indices of options, ``logged`` and ``target`` (n, m) the probabilities of the
    chosen option under the logging and the evaluation policy, given what earlier decisions led to. Known for logs
    that keep distributions: ``logged_all`` and ``target_all`` (n, m, k). Optional: ``predicted`` and ``direct``
    (n, m) from a reward model as in `sequential_dr`; ``context`` one (n, d) array for each arm; ``cost`` (n, m);
    ``clusters`` (n,) numbers of the users. ``left_out`` counts the rounds that could not be used, ``unused`` the
    events that belong to no round and the searches of another system, both by reason.
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
