"""Decides and runs the arms of one search: in order where a decision reads earlier answers, else side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from rapidfuzz import fuzz, process

from bandstand.bandit.context import Context, ContextBuilder
from bandstand.bandit.cost import EXPENSIVE
from bandstand.bandit.policy import Policy
from bandstand.catalog.columns import Columns
from bandstand.engine.runner import Load, RetrieverAnswer, Runner
from bandstand.engine.serving import ServingModels
from bandstand.engine.speculation import Ahead, Speculation
from bandstand.errors import BandstandError
from bandstand.types import ARMS, ArmDecision, Candidates, Decision, Query, RetrieverOutcome
from bandstand.types.hashing import uniform

FALLBACK_RETRIEVERS = ("lexical", "trigram")
FALLBACK_DEPTH = 50
UNASKED_ARMS = ("personal", "fresh")
"""Arms that find something whatever the query says."""
_HEAD = 3
"""How many lexical hits are compared with the query for the `lexical_exact` context feature."""


@dataclass(slots=True)
class Retrieved:
    """What the arms of one search decided and found; filled arm by arm."""

    decisions: dict[str, ArmDecision] = field(default_factory=dict)
    outcomes: dict[str, RetrieverOutcome] = field(default_factory=dict)
    found: dict[str, Candidates] = field(default_factory=dict)

    def add(self, decision: ArmDecision, answer: RetrieverAnswer) -> None:
        """One more arm."""
        self.decisions[decision.arm] = decision
        self.found[decision.arm], self.outcomes[decision.arm] = answer

    def decision(self, policy: Policy) -> Decision:
        """The joint decision, in the order of `ARMS`."""
        arms = tuple(self.decisions[arm] for arm in ARMS if arm in self.decisions)
        return Decision(policy=policy.name, version=policy.version, arms=arms)

    def candidates(self) -> list[Candidates]:
        """The non-empty answers."""
        return [answer for answer in self.found.values() if len(answer)]

    @property
    def answers(self) -> bool:
        """Whether anything found has to do with the query: what is new, or one's own, is there whatever was typed."""
        return any(len(answer) for arm, answer in self.found.items() if arm not in UNASKED_ARMS)

    @property
    def corrected(self) -> str | None:
        """The query that a retriever answered instead of the typed one, if one did."""
        return next((answer.corrected for answer in self.found.values() if answer.corrected), None)


class _Searched(NamedTuple):
    """What one search is decided by."""

    query: Query
    policy: Policy
    columns: Columns
    serving: ServingModels


class Retrieval:
    """Plays a policy over the arms; ``has_history`` says whether anything is known of an actor's past."""

    def __init__(
        self,
        runner: Runner,
        *,
        has_history: Callable[[str], bool],
        seed: int,
        deadline_ms: float,
        speculation: Speculation | None = None,
    ) -> None:
        self._runner = runner
        self._speculation = speculation or Speculation(runner, Load(1), places=0)
        self._arms = tuple(arm for arm in ARMS if arm in runner.arms)
        self._has_history = has_history
        self._seed = seed
        self._deadline_ms = deadline_ms

    def run(self, query: Query, policy: Policy, columns: Columns, serving: ServingModels) -> Retrieved:
        """Every arm's decision and answer; where what a learning policy chose found nothing for the query, a fallback.

        The fallback has a deadline of its own: a late arm must not empty the page.
        """
        deadline = self._runner.deadline(self._deadline_ms)
        if not policy.sequential:
            return self._side_by_side(query, policy, deadline)
        with self._speculation.search(query) as ahead:
            retrieved = self._one_by_one(_Searched(query, policy, columns, serving), ahead, deadline)
        if query.normalized and not retrieved.answers:
            self._fall_back(query, retrieved, self._runner.deadline(self._deadline_ms))
        return retrieved

    def _side_by_side(self, query: Query, policy: Policy, deadline: float) -> Retrieved:
        retrieved = Retrieved()
        decisions = {arm: policy.decide(arm, Context(), self._uniform(query.id, arm)) for arm in self._arms}
        answers = self._runner.run_all({arm: decision.depth for arm, decision in decisions.items()}, query, deadline)
        for arm, decision in decisions.items():
            retrieved.add(decision, answers[arm])
        return retrieved

    def _one_by_one(self, searched: _Searched, ahead: Ahead, deadline: float) -> Retrieved:
        query, policy, columns, serving = searched
        retrieved, exact, stats = Retrieved(), 0.0, serving.stats
        p_useful: Mapping[str, float] | None = None
        builder = ContextBuilder(query, has_history=self._knows(query.actor))
        for arm in self._arms:
            build = partial(
                builder.build, retrieved.found, lexical_exact=exact, cost_ms=stats.cost(arm),
                past_yield=stats.past_yield(arm),
            )  # fmt: skip
            if arm in EXPENSIVE and p_useful is None:  # every free arm has answered
                p_useful = serving.p_useful(build().features)
            context = build(p_useful=(p_useful or {}).get(arm, 0.0))
            decision = policy.decide(arm, context, self._uniform(query.id, arm))
            early = ahead.take(arm, decision.depth, deadline)
            retrieved.add(decision, early or self._runner.run(arm, query, decision.depth, deadline))
            if arm == "memory" and self._speculation.possible:
                known = builder.build(retrieved.found, cost_ms=0.0, past_yield=0.0)
                ahead.begin(serving.likely(known.features))
            if arm == "lexical":
                exact = best_similarity(query, retrieved.found[arm], columns)
        return retrieved

    def _fall_back(self, query: Query, retrieved: Retrieved, deadline: float) -> None:
        """Saving never empties a page: ask the robust arms that were not asked."""
        wanted = {
            arm: FALLBACK_DEPTH
            for arm in FALLBACK_RETRIEVERS
            if arm in self._arms and not retrieved.decisions[arm].depth
        }
        for arm, (found, outcome) in self._runner.run_all(wanted, query, deadline).items():
            retrieved.found[arm] = found
            retrieved.outcomes[arm] = replace(outcome, status="rescue") if outcome.status == "ok" else outcome

    def _knows(self, actor: str | None) -> bool:
        """Whether the actor has a past; where that cannot be read, the memory's own arms will say so."""
        try:
            return actor is not None and self._has_history(actor)
        except BandstandError:
            return False

    def _uniform(self, query_id: str, arm: str) -> float:
        """A number in [0, 1) that depends on nothing but seed, search and arm: any decision can be repeated."""
        return uniform(self._seed, query_id, arm)


def best_similarity(query: Query, lexical: Candidates, columns: Columns) -> float:
    """How well the best of the first lexical hits matches the words that it was looked up by, in [0, 1]."""
    head = lexical.ordinals[:_HEAD]
    head = head[head < columns.n]  # the index may be a moment ahead of this search's snapshot
    if not len(head) or not query.meant:
        return 0.0
    texts: Sequence[str] = [*columns.titles[head], *columns.names[head]]
    return float(np.max(process.cdist([query.meant[:256]], texts, scorer=fuzz.ratio))) / 100.0
