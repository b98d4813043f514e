"""Traffic between two policies: who gets which, always the same one, with a known probability."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from bandstand.errors import BadInput

_STEPS = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a search was assigned to: the experiment, the policy, and the probability of that policy."""

    experiment: str
    policy: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An online experiment: visitors get policy ``b`` with probability ``share``, else ``a``.

    ``alpha`` is the error that the test may make, ever; ``ripens_s`` for how many seconds after a visitor's first
    search in it what this visitor does counts; ``started`` is in seconds since 1970.

    Raises:
        BadInput: a value is out of range.
    """

    id: str
    a: str
    b: str
    share: float = 0.5
    alpha: float = 0.05
    ripens_s: float = 3600.0
    started: float = 0.0

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise BadInput("an experiment compares two different policies", field="b")
        for name, low, high in (("share", 0.01, 0.99), ("alpha", 1e-6, 0.5), ("ripens_s", 0.0, 30 * 86_400.0)):
            if not low <= getattr(self, name) <= high:
                raise BadInput(f"{name} must be from {low:g} to {high:g}", field=name)

    def assign(self, actor: str) -> Assignment:
        """The policy of an actor: by a hash of the experiment and the actor, so that it never changes meanwhile."""
        digest = blake2b(actor.encode("utf-8", "replace"), key=self.id.encode()[:64], digest_size=8).digest()
        u = (int.from_bytes(digest, "big") >> 11) / _STEPS
        chosen, probability = (self.b, self.share) if u < self.share else (self.a, 1.0 - self.share)
        return Assignment(experiment=self.id, policy=chosen, probability=probability)
