"""What retrievers are decided to do, and what they bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from bandstand.types.arrays import Matrix, Ordinals, Scores

DEPTHS: tuple[int, ...] = (0, 10, 50, 200)
"""The depths between which the bandit chooses, ascending; 0 skips the retriever."""

RetrieverStatus = Literal["ok", "skipped", "late", "failed", "rescue"]
"""`rescue`, a fallback: not chosen, but asked because the chosen ones found nothing for the query."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """One retriever's answer, best first: ordinals int32 (n,) without repeats, scores float32 (n,) descending.

    ``columns`` holds further float32 (n,) facts by name (``clicks``, ``recency``, ...) that the ranker reads as
    features of this retriever; NaN where unknown. ``corrected`` is the query that was answered instead of the
    typed one, when that is what happened. ``shared_ms`` corrects what the call cost where retrievers share a request:
    this one's share of its milliseconds, less those that the call itself waited for it.
    """

    retriever: str
    ordinals: Ordinals
    scores: Scores
    columns: Mapping[str, Scores] = field(default_factory=dict)
    shared_ms: float = 0.0
    corrected: str | None = None

    def __len__(self) -> int:
        return len(self.ordinals)

    @classmethod
    def empty(cls, retriever: str) -> Candidates:
        """The answer of a retriever that found nothing."""
        return cls(retriever=retriever, ordinals=np.empty(0, np.int32), scores=np.empty(0, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmDecision:
    """How deep one arm may go, and how that was chosen.

    ``propensity`` is the probability, in (0, 1], with which ``depth`` was chosen; ``probabilities`` is the whole
    distribution over `DEPTHS` (empty for policies that do not choose). ``context`` holds the named numbers that
    the policy saw, exactly as it saw them: learning reads these and never recomputes them.
    """

    arm: str
    depth: int
    propensity: float = 1.0
    probabilities: tuple[float, ...] = ()
    context: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverOutcome:
    """What came of a retriever: candidates brought, milliseconds taken, and how it ended."""

    retriever: str
    candidates: int = 0
    took_ms: float = 0.0
    status: RetrieverStatus = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The joint choice of one search; the joint propensity, given the policy, is the product over arms.

    ``experiment`` names the online experiment that chose the policy for this visitor, with probability ``assigned``;
    it is empty where somebody asked for the policy, or the server is set to it.
    """

    policy: str
    version: str
    arms: tuple[ArmDecision, ...] = ()
    experiment: str = ""
    assigned: float = 1.0

    @property
    def known(self) -> bool:
        """Whether it made the page that people acted on: else with which probability that was made is unknown."""
        return self.policy != IMPORTED


IMPORTED = "imported"
"""The policy of searches of another system: what retrieved them there is unknown, and every retriever was asked again
when they were imported. Nobody saw the ranking that is logged, and no off-policy estimate may use it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateSet:
    """The union of the retrievers' answers.

    ``ordinals`` int32 (m,) ascending; ``ranks`` and ``scores`` float32 (m, len(retrievers)), rank from 1, NaN where
    one did not bring the candidate; ``columns`` maps "retriever.name" to float32 (m,), NaN where absent.
    """

    retrievers: tuple[str, ...]
    ordinals: Ordinals
    ranks: Matrix
    scores: Matrix
    columns: Mapping[str, Scores] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ordinals)
