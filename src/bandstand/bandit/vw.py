"""The bandit: a Vowpal Wabbit model of what each depth will cost, and the policy that explores around its best."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from bandstand.bandit.context import Context, Features
from bandstand.bandit.policy import FULL_DEPTH, draw
from bandstand.bandit.reward import DepthLabel
from bandstand.bandit.selective import SelectivePolicy
from bandstand.errors import BadInput, MissingDependency, ModelError
from bandstand.types import DEPTHS, ArmDecision, RetrieverSpec

_ARGUMENTS = (
    # Explores a depth the more, the less dearer it looks (Foster & Rakhlin 2020). In a simulation of five query classes
    # (4 seeds of 14,000 searches) it netted 0.0774 a search to epsilon-greedy's 0.0756, which is within the seeds'
    # spread, and spent 2.8 ms to its 3.4. Rewards are differences of hundredths, hence the large scale of gamma; they
    # are rare and noisy, hence the step below the default.
    "--cb_explore_adf --squarecb --gamma_scale 1000 --cb_type mtr -l 0.25"
    # Context x {arm at this depth, arm played, depth}: the second and third let depths and arms learn from each other.
    " -q sa -q sp -q sd"
    # Context alone cannot tell depths apart. Without it and without a constant, skipping costs exactly 0.
    " --ignore_linear s --ignore_linear z --noconstant"
    " -b 18 --random_seed 1"
)
_ALWAYS = "--quiet --save_resume --preserve_performance_counters"
_SKIP = "|z skip"
_BINNED = ("lexical_top", "lexical_gap2", "lexical_exact", "memory_top", "agreement", "helps")
_BINS = 5
"""These numbers in [0, 1] also count by fifths: a straight line cannot say "worth it below one half, and not above",
and what one line gets wrong is easily more than an arm's price."""
_MAGIC = "bandstand-vw-1"


class VwModel:
    """Predicts the cost (reward with its sign turned) of each depth of an arm and learns it online.

    The regression is multi-task (``--cb_type mtr``: Bietti, Agarwal & Langford 2021, "A contextual bandit
    bake-off"): only seen depths are updated, weighted by 1 / probability. Depth 0 earns and costs nothing by
    definition, so its prediction is fixed at 0 and learning it does nothing.

    Arms are known by their names alone: one that is new begins without weights of its own, and what was learned of one
    that is gone stays, in case it comes back.

    A workspace is not thread-safe, and so neither is this: give each thread its own copy, made from `to_bytes`.
    """

    def __init__(self) -> None:
        self._workspace = _open(_ARGUMENTS)
        self._trained: dict[str, int] = {}

    @property
    def trained(self) -> Mapping[str, int]:
        """How many labels of depths above 0, of people's searches, each arm has learned from."""
        return MappingProxyType(self._trained)

    def predict(self, arm: str, features: Features) -> tuple[float, ...]:
        """Probabilities, one for each of `DEPTHS`: the cheaper a depth is predicted to be, the larger.

        Raises:
            BadInput: The name of the arm, or of a feature, cannot be written.
            ModelError: Vowpal Wabbit fails.
        """
        try:
            found: Sequence[float] = self._workspace.predict(self._lines(arm, features))
        except RuntimeError as error:
            raise ModelError(f"the bandit model cannot predict for {arm!r}: {error}") from error
        return tuple(found)

    def learn(self, arm: str, features: Features, depth_index: int, cost: float, probability: float) -> None:
        """Learn that depth number ``depth_index`` cost ``cost``, seen with ``probability``.

        Raises:
            BadInput: The depth is unknown, the cost is not finite, the probability is not in (0, 1], or the name of
                the arm or of a feature cannot be written.
            ModelError: Vowpal Wabbit fails.
        """
        self._learn(arm, self._lines(arm, features), depth_index, cost, probability)

    def learn_labels(
        self, decisions: Sequence[ArmDecision], labels: Sequence[DepthLabel], *, sampled: bool = False
    ) -> None:
        """Learn the labels of one search, each in the context that its arm's decision logged, all with the same weight.

        A ``sampled`` search was self-play's: it is learned like any other, and is not counted in `trained`.

        SquareCB asks for plain regression (Foster & Rakhlin 2020): what a depth earned does not depend on how likely it
        was to be seen. Weighted by 1 / probability, a label seen with 0.015 counts 67 times: in the closed loop one
        published version then played dense in two thirds of all searches, and the cost rose again after falling.
        """
        labelled = {label.arm for label in labels}
        lines = {each.arm: self._lines(each.arm, each.context) for each in decisions if each.arm in labelled}
        for label in labels:
            self._learn(label.arm, lines[label.arm], label.depth_index, -label.reward, 1.0, sampled=sampled)

    def _lines(self, arm: str, features: Features) -> list[str]:
        """An example in Vowpal Wabbit's text format: the context, then one line for each depth."""
        return [_shared(features), _SKIP, *_actions(arm)]

    def _learn(
        self,
        arm: str,
        lines: Sequence[str],
        depth_index: int,
        cost: float,
        probability: float,
        *,
        sampled: bool = False,
    ) -> None:
        if not 0 <= depth_index < len(DEPTHS):
            raise BadInput(f"depth_index must be 0 to {len(DEPTHS) - 1}, got {depth_index}", field="depth_index")
        if not math.isfinite(cost):
            raise BadInput(f"the cost must be a finite number, got {cost}", field="cost")
        if not 0.0 < probability <= 1.0:
            raise BadInput(f"the probability must be in (0, 1], got {probability}", field="probability")
        if depth_index == 0:
            return
        labelled = [*lines]
        labelled[1 + depth_index] = f"0:{cost:.8g}:{probability:.8g} {lines[1 + depth_index]}"
        try:
            _learn_from("\n".join(labelled), self._workspace)
        except RuntimeError as error:
            raise ModelError(f"the bandit model cannot learn about {arm!r}: {error}") from error
        if not sampled:
            self._trained[arm] = self._trained.get(arm, 0) + 1

    def to_bytes(self) -> bytes:
        """Weights, learning rates and counts: a copy made by `from_bytes` goes on learning exactly as this one."""
        with tempfile.TemporaryDirectory(prefix="bandstand-", dir=_SCRATCH) as folder:
            path = Path(folder, "model.vw")
            self._workspace.save(str(path))
            weights = path.read_bytes()
        header = _Header(sha256=hashlib.sha256(weights).hexdigest(), trained=self._trained)
        return msgspec.json.encode(header) + b"\n" + weights

    @classmethod
    def from_bytes(cls, data: bytes) -> VwModel:
        """A model in the state that `to_bytes` saved.

        Raises:
            ModelError: The bytes are damaged, or were saved by a version that learns otherwise.
        """
        trained, weights = _unpack(data)
        model = cls.__new__(cls)
        with tempfile.TemporaryDirectory(prefix="bandstand-", dir=_SCRATCH) as folder:
            path = Path(folder, "model.vw")
            path.write_bytes(weights)
            model._workspace = _open(f"-i {path}")  # noqa: SLF001  an alternative constructor
        model._trained = trained  # noqa: SLF001
        return model


_SCRATCH = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108 - each use makes one of its own
"""Vowpal Wabbit reads and writes files alone: in memory where there is such a folder, as the disk may be full."""


def _learn_from(example: str, workspace: Any) -> None:  # noqa: ANN401  vowpalwabbit is untyped
    """What `Workspace.learn` does, without the Python objects that it wraps around each line: half of its time."""
    import pylibvw

    lines = workspace._parse(example)  # noqa: SLF001  only the wrapping one is public
    pylibvw.vw.learn_multi(workspace, lines)
    pylibvw.vw._finish_example_multi_ex(workspace, lines)  # noqa: SLF001


def _open(arguments: str) -> Any:  # noqa: ANN401  vowpalwabbit is untyped
    try:
        from vowpalwabbit import Workspace
    except ImportError as error:
        raise MissingDependency("the bandit needs Vowpal Wabbit: pip install vowpalwabbit") from error
    try:
        return Workspace(f"{arguments} {_ALWAYS}")
    except RuntimeError as error:
        raise ModelError(f"Vowpal Wabbit cannot open the bandit model: {error}") from error


def _unpack(data: bytes) -> tuple[dict[str, int], bytes]:
    """Check the header before Vowpal Wabbit sees a byte: it does not survive every damaged file."""
    line, _, weights = data.partition(b"\n")
    damaged = ModelError("the bandit model is damaged: restore an earlier one, or start a new one")
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, ValueError) as error:
        raise damaged from error
    if (header.format, header.arguments) != (_MAGIC, _ARGUMENTS):
        raise ModelError("the bandit model was saved by another version of Bandstand: train it again from the log")
    if header.sha256 != hashlib.sha256(weights).hexdigest():
        raise damaged
    return header.trained, weights


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """The line before Vowpal Wabbit's own bytes."""

    format: str = _MAGIC
    arguments: str = _ARGUMENTS
    sha256: str
    trained: dict[str, int]


def _shared(features: Features) -> str:
    """The context as a line of Vowpal Wabbit's text format; zeros say nothing and are left out."""
    known = dict(features)
    words = [f"{name}:{value:.5g}" for name, value in features if value]
    words += [f"{name}_{int(known[name] * _BINS)}" for name in _BINNED if name in known]
    text = " ".join(words)
    if any(mark in text for mark in "|\n\r"):
        raise BadInput("a feature's name must not hold a bar or a line break", field="features")
    return "shared |s " + text


def _actions(arm: str) -> list[str]:
    if not arm.isidentifier():
        raise BadInput(f"no arm can be called {arm!r}: use letters, digits and underscores", field="arm")
    return [f"|a {arm}_{depth} |p {arm} |d {depth}" for depth in DEPTHS[1:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditSettings:
    """How the bandit explores.

    ``epsilon`` is the share of decisions that are drawn uniformly, so that every depth has at least
    ``epsilon / len(DEPTHS)``. ``warmup`` is after how many labels of an arm, from people's searches, the model alone
    decides about it. ``always`` are the arms that play at full depth with propensity 1; by default those that are
    nearly free: what they find is the context of the others (ADR 3).
    """

    epsilon: float = 0.02
    warmup: int = 900
    always: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.epsilon <= 1.0:
            raise BadInput(
                f"epsilon must be in (0, 1], got {self.epsilon}: without it nothing can be learned", field="epsilon"
            )
        if self.warmup < 0:
            raise BadInput(f"warmup must be 0 or more labels, got {self.warmup}", field="warmup")

    def plays_always(self, arm: RetrieverSpec) -> bool:
        """Whether nothing is to be decided about an arm."""
        return not arm.expensive if self.always is None else arm.name in self.always


class BanditPolicy:
    """One immutable version of the learned policy; any number of threads may decide with it.

    It starts with what its ``fallback`` would choose, and with n labels of people's searches learned, the model's
    distribution has the weight min(1, n / warmup) and that start the rest. Self-play teaches the model, but does not
    let it decide: a thousand posed queries tell which arm helps where far better to a calibrated score than to a linear
    model whose errors are as large as an arm's price (ADR 23). An arm of which the fallback knows nothing, as of all
    before people have searched (ADR 26), is played to full depth: quality first, and a deep choice shows what every
    shallower one would have earned.
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

    def decide(self, arm: RetrieverSpec, context: Context, u: float) -> ArmDecision:
        """See `Policy.decide`; the propensity is that of the distribution with floor and warm-up mixed in."""
        if self.settings.plays_always(arm):
            return ArmDecision(arm=arm.name, depth=FULL_DEPTH)
        return draw(arm.name, self.probabilities(arm.name, context), context, u)

    def probabilities(self, arm: str, context: Context) -> tuple[float, ...]:
        """The distribution over `DEPTHS` that the depth of an arm that does not always play is drawn from."""
        trained = self._trained.get(arm, 0)
        confidence = min(1.0, trained / self.settings.warmup) if self.settings.warmup else 1.0
        start = self._fallback.likely(arm, context)
        learned = self._copy().predict(arm, context.features) if confidence else start
        return mix(learned, start, confidence=confidence, epsilon=self.settings.epsilon)

    def _copy(self) -> VwModel:
        """This thread's own workspace: Vowpal Wabbit's are not thread-safe."""
        copy: VwModel | None = getattr(self._copies, "model", None)
        if copy is None:
            copy = self._copies.model = VwModel.from_bytes(self._model)
        return copy


def mix(learned: Sequence[float], start: Sequence[float], *, confidence: float, epsilon: float) -> tuple[float, ...]:
    """P(depth) = epsilon / n + (1 - epsilon) (confidence * learned + (1 - confidence) * start), summing to 1.

    Args:
        learned: The model's distribution over the n `DEPTHS`.
        start: What is done before anything is learned, summing to 1.
        confidence: The model's weight against the start, in [0, 1].
        epsilon: The share that is spread evenly, in (0, 1].
    """
    total = sum(learned)
    return tuple(
        epsilon / len(DEPTHS) + (1 - epsilon) * (confidence * share / total + (1 - confidence) * first)
        for share, first in zip(learned, start, strict=True)
    )
