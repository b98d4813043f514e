"""Online experiments: traffic split between two policies with known probabilities, and a test that may be watched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

from bandstand.errors import BadInput
from bandstand.statistics import LowerBound
from bandstand.types.hashing import fraction
from bandstand.types.times import DAY_S, HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a search was assigned to: the experiment, the policy, and the probability of that policy."""

    experiment: str
    policy: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An online experiment: visitors get policy ``b`` with probability ``share``, else ``a``.

    ``alpha`` is the error that the test may make, ever; ``window_s`` for how many seconds after a visitor's first
    search in it what this visitor does counts; ``started`` is in seconds since 1970.

    Raises:
        BadInput: a value is out of range.
    """

    id: str
    a: str
    b: str
    share: float = 0.5
    alpha: float = 0.05
    window_s: float = HOUR_S
    started: float = 0.0

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise BadInput("an experiment compares two different policies", field="b")
        for name, low, high in (("share", 0.01, 0.99), ("alpha", 1e-6, 0.5), ("window_s", 0.0, 30 * DAY_S)):
            if not low <= getattr(self, name) <= high:
                raise BadInput(f"{name} must be from {low:g} to {high:g}", field=name)

    def assign(self, actor: str) -> Assignment:
        """The policy of an actor: by a hash of the experiment and the actor, so that it never changes meanwhile."""
        u = fraction(blake2b(actor.encode("utf-8", "replace"), key=self.id.encode()[:64], digest_size=8).digest())
        chosen, probability = (self.b, self.share) if u < self.share else (self.a, 1.0 - self.share)
        return Assignment(experiment=self.id, policy=chosen, probability=probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many visitors a policy had, and the sum of their rewards."""

    n: int = 0
    total: float = 0.0

    def with_value(self, reward: float) -> Tally:
        """With one more visitor."""
        return Tally(n=self.n + 1, total=self.total + reward)

    @property
    def mean(self) -> float | None:
        """The mean reward; None where nobody came."""
        return self.total / self.n if self.n else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """The difference of two policies' mean rewards, B less A, over visitors that were assigned at random.

    A visitor with reward y in [0, 1], assigned to B with probability p, gives z = (y - c) (1{B} / p - 1{A} / (1 - p)),
    whose mean is the difference whatever the constant c (here 1/2) and whatever changes with time (inverse propensity
    weighting as in Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences", section 4.2, there with running means for c). z lies within +- 1 / (2 q), q = min(p, 1 - p), and is
    scaled to [0, 1]. One `LowerBound` each of it and of its opposite, with alpha / 2, give the interval. With
    probability 1 - alpha it holds the true difference at all times, so one may look after every visitor and stop at
    will; it is a mean over those who came, should the difference change.
    """

    share: float
    alpha: float
    above: LowerBound
    below: LowerBound
    a: Tally = Tally()
    b: Tally = Tally()

    @classmethod
    def begin(cls, *, share: float, alpha: float) -> SequentialTest:
        """Nobody has come yet."""
        side = LowerBound(alpha=alpha / 2.0)
        return cls(share=share, alpha=alpha, above=side, below=side)

    def with_visitor(self, reward: float, *, in_b: bool) -> SequentialTest:
        """With one more visitor, whose mean reward in [0, 1] is known now."""
        weight = 1.0 / self.share if in_b else -1.0 / (1.0 - self.share)
        scaled = 0.5 + (reward - 0.5) * weight / (2.0 * self._reach)
        return replace(
            self,
            a=self.a if in_b else self.a.with_value(reward),
            b=self.b.with_value(reward) if in_b else self.b,
            above=self.above.with_value(scaled),
            below=self.below.with_value(1.0 - scaled),
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the difference B - A, within [-1, 1]."""
        low, high = self._back(self.above.low), self._back(1.0 - self.below.low)
        return max(low, -1.0), min(high, 1.0)

    @property
    def better(self) -> str | None:
        """Which one, a or b, once the interval has left zero, which it never takes back; None before."""
        low, high = self.interval
        if low > 0.0:
            return "b"
        return "a" if high < 0.0 else None

    @property
    def _reach(self) -> float:
        """How far from zero z can be."""
        return 0.5 / min(self.share, 1.0 - self.share)

    def _back(self, scaled: float) -> float:
        return (scaled - 0.5) * 2.0 * self._reach
