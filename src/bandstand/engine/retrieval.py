"""Decides and runs the retrievers of one search: in order where a decision reads earlier answers, else side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from rapidfuzz import fuzz, process

from bandstand.bandit.context import Context, ContextBuilder
from bandstand.bandit.policy import Policy
from bandstand.catalog.columns import Columns
from bandstand.engine.runner import Load, RetrieverAnswer, Runner
from bandstand.engine.serving import ServingModels
from bandstand.engine.speculation import Ahead, Speculation
from bandstand.errors import BandstandError
from bandstand.types import ArmDecision, Candidates, Decision, Query, RetrieverOutcome, Roster
from bandstand.types.hashing import uniform

MEMORY, LEXICAL = "memory", "lexical"
"""After the answer of the one, what will be needed can be guessed; that of the other is compared with the query."""

FALLBACK_DEPTH = 50
_HEAD = 3
"""How many lexical hits are compared with the query for the `lexical_exact` context feature."""


@dataclass(slots=True)
class Retrieved:
    """What was decided about the retrievers of a roster in one search, and what they found; filled one by one."""

    roster: Roster
    decisions: dict[str, ArmDecision] = field(default_factory=dict)
    outcomes: dict[str, RetrieverOutcome] = field(default_factory=dict)
    found: dict[str, Candidates] = field(default_factory=dict)

    def add(self, decision: ArmDecision, answer: RetrieverAnswer) -> None:
        """One more retriever."""
        self.decisions[decision.arm] = decision
        self.found[decision.arm], self.outcomes[decision.arm] = answer

    def decision(self, policy: Policy) -> Decision:
        """The joint decision, in the order of the roster."""
        arms = tuple(self.decisions[name] for name in self.roster.names if name in self.decisions)
        return Decision(policy=policy.name, version=policy.version, arms=arms)

    def candidates(self) -> list[Candidates]:
        """The non-empty answers."""
        return [answer for answer in self.found.values() if len(answer)]

    @property
    def answers(self) -> bool:
        """Whether anything found has to do with the query: what is new, or one's own, is there whatever was typed."""
        return any(len(answer) for name, answer in self.found.items() if self.roster[name].answers_query)

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
    """Plays a policy over a roster; ``has_history`` says whether anything is known of an actor's past."""

    def __init__(
        self,
        runner: Runner,
        roster: Roster,
        *,
        has_history: Callable[[str], bool],
        seed: int,
        deadline_ms: float,
        speculation: Speculation | None = None,
    ) -> None:
        self._runner = runner
        self._roster = roster
        self._speculation = speculation or Speculation(runner, Load(1), places=0)
        self._has_history = has_history
        self._seed = seed
        self._deadline_ms = deadline_ms
        self._encoding = roster.having(lambda spec: spec.encodes)

    def run(self, query: Query, policy: Policy, columns: Columns, serving: ServingModels) -> Retrieved:
        """Every decision and answer; where what a learning policy chose found nothing for the query, a fallback.

        The fallback has a deadline of its own: a late retriever must not empty the page.
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
        retrieved = Retrieved(self._roster)
        decisions = {
            spec.name: policy.decide(spec, Context(), self._uniform(query.id, spec.name)) for spec in self._roster
        }
        answers = self._runner.run_all({name: decision.depth for name, decision in decisions.items()}, query, deadline)
        for name, decision in decisions.items():
            retrieved.add(decision, answers[name])
        return retrieved

    def _one_by_one(self, searched: _Searched, ahead: Ahead, deadline: float) -> Retrieved:
        query, policy, columns, serving = searched
        retrieved, exact, stats = Retrieved(self._roster), 0.0, serving.stats
        p_useful: Mapping[str, float] | None = None
        builder = ContextBuilder(query, self._roster, has_history=self._knows(query.actor))
        for spec in self._roster:
            build = partial(
                builder.build, lexical_exact=exact, cost_ms=stats.cost(spec.name),
                past_yield=stats.past_yield(spec.name),
            )  # fmt: skip
            if spec.expensive and p_useful is None:
                p_useful = serving.p_useful(build().features)
            context = build(p_useful=(p_useful or {}).get(spec.name, 0.0))
            decision = policy.decide(spec, context, self._uniform(query.id, spec.name))
            early = ahead.take(spec.name, decision.depth, deadline)
            retrieved.add(decision, early or self._runner.run(spec.name, query, decision.depth, deadline))
            builder.add(spec.name, retrieved.found[spec.name])
            if spec.name == MEMORY and self._speculation.possible:
                known = builder.build(cost_ms=0.0, past_yield=0.0)
                ahead.begin(serving.likely(known.features, self._encoding))
            if spec.name == LEXICAL:
                exact = best_similarity(query, retrieved.found[LEXICAL], columns)
        return retrieved

    def _fall_back(self, query: Query, retrieved: Retrieved, deadline: float) -> None:
        """Saving never empties a page: ask the robust retrievers that were not asked."""
        robust = self._roster.having(lambda spec: spec.fallback)
        wanted = {name: FALLBACK_DEPTH for name in robust if not retrieved.decisions[name].depth}
        for name, (found, outcome) in self._runner.run_all(wanted, query, deadline).items():
            retrieved.found[name] = found
            retrieved.outcomes[name] = replace(outcome, status="rescue") if outcome.status == "ok" else outcome

    def _knows(self, actor: str | None) -> bool:
        """Whether the actor has a past; where that cannot be read, the memory's retrievers will say so."""
        try:
            return actor is not None and self._has_history(actor)
        except BandstandError:
            return False

    def _uniform(self, query_id: str, name: str) -> float:
        """A number in [0, 1) that depends on nothing but seed, search and retriever: any decision can be repeated."""
        return uniform(self._seed, query_id, name)


def best_similarity(query: Query, lexical: Candidates, columns: Columns) -> float:
    """How well the best of the first lexical hits matches the words that it was looked up by, in [0, 1]."""
    head = lexical.ordinals[:_HEAD]
    head = head[head < columns.n]  # the index may be a moment ahead of this search's snapshot
    if not len(head) or not query.named:
        return 0.0
    texts: Sequence[str] = [*columns.titles[head], *columns.names[head]]
    return float(np.max(process.cdist([query.named[:256]], texts, scorer=fuzz.ratio))) / 100.0
