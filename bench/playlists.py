"""Playlists' names as queries, the playlists hidden: what arms and the platform find, before and after clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandstand.app.learning import LearningSide
from bandstand.app.searching import SearchingSide
from bandstand.bandit.policy import Policy
from bandstand.catalog.text import normalize
from bandstand.engine.request import SearchRequest
from bandstand.types import Entity, Event
from bench.attributes import ndcg, table
from bench.understood import fixed
from bench.visits import Visits

ROUNDS, USERS = 3, 3
SHARE = 0.5
"""The share of the names under which listeners search; the other names are only asked before and after."""

STATES = ("before", "after clicks", "after clicks, ranker trained again")

_PAGE = 10

Found = dict[str, list[int]]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A playlist's name and the ordinals of its tracks; same names are one query, their tracks together."""

    text: str
    relevant: frozenset[int]


def named(home: SearchingSide, playlists: Sequence[Entity]) -> list[Named]:
    """Every distinct name with the tracks that the catalogue knows."""
    members: dict[str, set[int]] = {}
    for playlist in playlists:
        ordinals = home.store.ordinals(playlist.members)
        members.setdefault(normalize(playlist.title), set()).update(ordinals[ordinals >= 0].tolist())
    return [Named(text=text, relevant=frozenset(found)) for text, found in sorted(members.items()) if text and found]


def compared(home: SearchingSide, asked: Sequence[Named]) -> list[str]:
    """nDCG@10 and hit@10 of single arms and of the platform, tracks asked for."""
    pages = _pages(home, asked)
    found = {name: _measured(asked, page) for name, page in pages.items()}
    rows = ["| playlist names | n | nDCG@10 | against lexical |", "| --- | ---: | --- | --- |"]
    rows += table({name: values for name, (values, _) in found.items()}, "lexical")
    rows += ["", "| playlist names | n | hit@10 | against lexical |", "| --- | ---: | --- | --- |"]
    return rows + table({name: hits for name, (_, hits) in found.items()}, "lexical")


def clicked(
    home: SearchingSide, learning_side: LearningSide, asked: Sequence[Named], visits: Visits, rng: np.random.Generator
) -> list[str]:
    """The platform before and after listeners searched under half of the names, on these and on the others.

    A listener looks down a page of ten, at place p with probability 1 / p, and chooses what is in the playlist. On the
    searched names, tracks that were chosen by anybody are also left out of rankings and judgements ("the rest"): what
    is left is what the platform did not simply remember.
    """
    order = rng.permutation(len(asked))
    searched = [asked[place] for place in order[: int(SHARE * len(asked))].tolist()]
    others = [asked[place] for place in order[int(SHARE * len(asked)) :].tolist()]
    before = _platform(home, searched), _platform(home, others)
    chosen: dict[str, set[int]] = {}
    for number in range(ROUNDS):
        for one in searched:
            for user in range(USERS):
                visits.next()
                chosen.setdefault(one.text, set()).update(_listen(home, one, f"u{user}-{number}", rng))
        learning_side.learner.catch_up()
        home.refresh()
    after = _platform(home, searched), _platform(home, others)
    learning_side.train(home)
    trained = _platform(home, searched), _platform(home, others)
    clicks = sum(map(len, chosen.values()))
    rows = [f"{ROUNDS * USERS * len(searched)} searches led to {clicks} different choices", ""]
    rows += ["| playlist names | n | nDCG@10 | against before |", "| --- | ---: | --- | --- |"]
    states = [dict(zip(STATES, found, strict=True)) for found in zip(before, after, trained, strict=True)]
    rows += _rows("searched", searched, states[0], {})
    rows += _rows("searched, the rest", searched, states[0], chosen)
    return rows + _rows("never searched", others, states[1], {})


def _rows(name: str, asked: Sequence[Named], states: Mapping[str, Found], without: Mapping[str, set[int]]) -> list[str]:
    judged = [Named(text=one.text, relevant=one.relevant - without.get(one.text, set())) for one in asked]
    judged = [one for one in judged if one.relevant]

    def values(found: Found) -> Values:
        left = {one.text: [o for o in found[one.text] if o not in without.get(one.text, ())] for one in judged}
        return _measured(judged, left)[0]

    rows = table({state: values(found) for state, found in states.items()}, STATES[0])
    return [f"| {name}, {row.removeprefix('| ')}" for row in rows]


def _listen(home: SearchingSide, one: Named, user: str, rng: np.random.Generator) -> list[int]:
    """One search and its clicks; what was chosen."""
    request = SearchRequest(query=one.text, kinds=("track",), user_id=user, k=_PAGE)
    result = home.search(request)
    places = np.flatnonzero(rng.random(len(result.hits)) < 1 / np.arange(1, len(result.hits) + 1))
    shown = result.impression.ordinals[: len(result.hits)].tolist()
    taken = [place for place in places.tolist() if shown[place] in one.relevant]
    events = [
        Event(
            id=f"{result.impression.query.id}-{place}", action="click", time=home.clock(), user_id=user,
            query_id=result.impression.query.id, object_id=result.hits[place].entity.id, position=place + 1,
        )
        for place in taken
    ]  # fmt: skip
    home.log.append_events(events)
    return [shown[place] for place in taken]


def _pages(home: SearchingSide, asked: Sequence[Named]) -> dict[str, Found]:
    engine = home.engine
    policies = [
        fixed("lexical"),
        fixed("dense"),
        fixed("lexical", "dense"),
        fixed("lexical", "fresh"),
        engine.policy("all"),
        engine.policy("bandit"),
    ]
    return {policy.name: {one.text: _ranking(home, one, policy) for one in asked} for policy in policies}


def _platform(home: SearchingSide, asked: Sequence[Named]) -> Found:
    policy = home.engine.policy("all")
    return {one.text: _ranking(home, one, policy) for one in asked}


def _ranking(home: SearchingSide, one: Named, policy: Policy) -> list[int]:
    query = home.engine.query(SearchRequest(query=one.text, kinds=("track",)))
    ordinals: list[int] = home.engine.answer(query, policy).impression.ordinals.tolist()
    return ordinals


def _measured(asked: Sequence[Named], found: Found) -> tuple[Values, Values]:
    """nDCG@10 and hit@10 of each query."""
    gains = [ndcg(found[one.text][:_PAGE], one.relevant) for one in asked]
    hits = [float(bool(one.relevant & set(found[one.text][:_PAGE]))) for one in asked]
    return np.array(gains), np.array(hits)
