"""What understanding does for the whole platform: `python -m bench.understood [--queries N] [--parts ...]`."""

from __future__ import annotations

import argparse
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bandstand.app.learning import LearningSide
from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.app.searching import SearchingSide
from bandstand.bandit.policy import FULL_DEPTH, FixedPolicy, Policy
from bandstand.catalog.bundled import load_bundled
from bandstand.engine.request import SearchRequest
from bandstand.learner.selfplay import misspell
from bandstand.settings import load_settings
from bandstand.types import Entity, Event, Query
from bench import attributes
from bench.attributes import NOW, Asked, ndcg
from bench.catalogue import build, dataset, entities
from bench.searches import in_first_ten
from bench.visits import Visits

OUT = Path(__file__).parent / "out" / "understood"
SEED = 12
LISTENERS = ("ann", "bob", "cem")

Values = np.ndarray[tuple[int], np.dtype[np.float64]]


def fixed(*arms: str) -> FixedPolicy:
    """These arms at full depth, and the ranker that serves."""
    return FixedPolicy(name=" + ".join(arms), depths=dict.fromkeys(arms, FULL_DEPTH))


@contextmanager
def opened(folder: Path, clock: Callable[[], float] = lambda: NOW) -> Iterator[tuple[SearchingSide, LearningSide]]:
    """Both sides of a home, with ids that count: decisions depend on them. No retriever is late on a busy machine."""
    numbers = itertools.count()
    options = Options(clock=clock, new_id=lambda: f"b{next(numbers)}", durable=False)
    with Platform(load_settings(home=folder, deadline_ms=10_000.0), options) as platform:
        platform.learning.prepare()
        yield platform.searching, platform.learning


@contextmanager
def copied(folder: Path, clock: Callable[[], float] = lambda: NOW) -> Iterator[tuple[SearchingSide, LearningSide]]:
    """A copy of a home, which is taught and thrown away."""
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "home"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.lock", "lock.mdb"))
        with opened(copy, clock) as both:
            yield both


def known(home: SearchingSide, count: int) -> list[str]:
    """Hit@10 of known items, clean and misspelt, with correction and without, and how long a search takes."""
    rng, columns = np.random.default_rng(SEED), home.catalog.columns
    picked = rng.choice(np.flatnonzero(columns.live & (columns.kind == 0)), size=count, replace=False).tolist()
    rows = ["| known items | policy | n | hit@10 | against no correction |", "| --- | --- | ---: | --- | --- |"]
    took: dict[str, list[float]] = {}
    for form, some in (("title", picked[::2]), ("artist + title", picked[1::2])):
        texts = [str((columns.titles if form == "title" else columns.names)[ordinal]) for ordinal in some]
        typed = [misspell(text, 2 if len(text) > 9 else 1, rng) for text in texts]
        for state, asked in (("clean", texts), ("1-2 edits", typed)):
            for name in ("all", "bandit"):
                values = _with_and_without(home, list(zip(asked, some, strict=True)), home.engine.policy(name), took)
                rows += [f"| {form}, {state} {row}" for row in attributes.table(values, f"{name}, not corrected")]
    return [*rows, "", *_times(took)]


def _with_and_without(
    home: SearchingSide, asked: Sequence[tuple[str, int]], policy: Policy, took: dict[str, list[float]]
) -> dict[str, Values]:
    """Hits of the same searches with the speller's correction and without."""
    corrected, typed = list[float](), list[float]()
    for text, ordinal in asked:
        query = home.engine.query(SearchRequest(query=text))
        impression = home.engine.answer(query, policy).impression
        took.setdefault(policy.name, []).append(impression.took_ms)
        corrected.append(float(in_first_ten(home, impression.ordinals, ordinal)))
        same = query.correction is None
        plain = impression if same else home.engine.answer(replace(query, correction=None), policy).impression
        typed.append(float(in_first_ten(home, plain.ordinals, ordinal)))
    return {f"{policy.name}, not corrected": np.array(typed), f"{policy.name}, corrected": np.array(corrected)}


def _times(took: dict[str, list[float]]) -> list[str]:
    rows = ["| search, ms | p50 | p95 |", "| --- | ---: | ---: |"]
    return rows + [f"| {name} | {np.median(ms):.2f} | {np.percentile(ms, 95):.2f} |" for name, ms in took.items()]


def facts(home: SearchingSide, asked: Sequence[Asked]) -> list[str]:
    """nDCG@10 of attribute queries, ranked by the platform, by which arms play."""
    policies = [fixed("lexical"), fixed("structured", "lexical"), fixed("dense"), *_served(home)]
    rows = ["| queries | arms | n | nDCG@10 | against lexical |", "| --- | --- | ---: | --- | --- |"]
    for group in dict.fromkeys(one.group for one in asked):
        some = [one for one in asked if one.group == group]
        values = {policy.name: _scores(home, some, policy) for policy in policies}
        rows += [f"| {group} {row}" for row in attributes.table(values, "lexical")]
    return rows


def clicks(folder: Path, asked: Sequence[Asked]) -> list[str]:
    """What is gained when three listeners have each chosen an answer to every second query."""
    seen, unseen = asked[::2], asked[1::2]
    visits = Visits()
    with copied(folder, visits) as (home, learning_side):
        before = _of_both(home, seen, unseen)
        for one in seen:
            for listener in LISTENERS:
                visits.next()
                _choose(home, one, listener)
        learning_side.learner.catch_up()
        home.refresh()
        after = _of_both(home, seen, unseen)
    rows = ["| queries | state | n | nDCG@10 | against before |", "| --- | --- | ---: | --- | --- |"]
    for name, values in before.items():
        table = attributes.table({"before": values, "after clicks": after[name]}, "before")
        rows += [f"| {name} {row}" for row in table]
    return rows


def _of_both(home: SearchingSide, seen: Sequence[Asked], unseen: Sequence[Asked]) -> dict[str, Values]:
    policies = [fixed("structured", "lexical"), home.engine.policy("all")]
    return {
        f"{policy.name}, {'chosen from' if some is seen else 'others'}": _scores(home, some, policy)
        for policy in policies
        for some in (seen, unseen)
    }


def _choose(home: SearchingSide, one: Asked, listener: str) -> None:
    """A listener chooses the first right answer of a page of twenty, if there is one."""
    request = SearchRequest(query=one.text, kinds=("track",), user_id=listener, k=20)
    result = home.search(request)
    right = [hit for hit in result.hits if int(home.store.ordinals([hit.entity.id])[0]) in one.relevant]
    query = result.impression.query
    for hit in right[:1]:
        event = Event(
            id=f"{query.id}-{listener}", action="click", time=query.time, query_id=query.id, user_id=listener,
            session_id=query.session_id, object_id=hit.entity.id, position=hit.position,
        )  # fmt: skip
        home.log.append_events([event])


def _served(home: SearchingSide) -> list[Policy]:
    return [home.engine.policy("all"), home.engine.policy("bandit")]


def _scores(home: SearchingSide, asked: Sequence[Asked], policy: Policy) -> Values:
    def found(one: Asked) -> list[int]:
        query: Query = home.engine.query(SearchRequest(query=one.text, kinds=("track",)))
        ordinals: list[int] = home.engine.answer(query, policy).impression.ordinals[:10].tolist()
        return ordinals

    return np.array([ndcg(found(one), one.relevant) for one in asked])


def _built(name: str, found: list[Entity]) -> Path:
    folder = OUT / name
    build(load_settings(home=folder), found)
    return folder


def _facts_of(home: SearchingSide, count: int) -> list[Asked]:
    columns, rng = home.catalog.columns, np.random.default_rng(SEED)
    makers = (attributes.artist_era, attributes.genre_era, attributes.live)
    return [one for make in makers for one in islice(make(columns, rng), count)]


def _languages(_: int) -> list[str]:
    """Language and genre, of which only the bundled catalogue has facts."""
    with opened(_built("bundled", list(load_bundled()))) as (home, _learning_side):
        return facts(home, list(attributes.language_genre(home.catalog.columns)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="bench.understood", description=__doc__)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--parts", nargs="*", default=["known", "facts", "clicks", "languages"])
    given = parser.parse_args()
    folder = _built("spotify_songs" if dataset() else "catalogue", entities())
    with opened(folder) as (home, _):
        asked = _facts_of(home, given.queries * 3 // 10)
        parts: dict[str, Callable[[], list[str]]] = {
            "known": partial(known, home, given.queries),
            "facts": partial(facts, home, asked),
        }
        for part in given.parts:
            if part in parts:
                print("", *parts[part](), sep="\n", flush=True)
    if "clicks" in given.parts:
        print("", *clicks(folder, asked), sep="\n", flush=True)
    if "languages" in given.parts:
        print("", *_languages(given.queries), sep="\n", flush=True)


if __name__ == "__main__":
    main()
