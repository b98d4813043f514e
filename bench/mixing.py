"""What mixing kinds does to known items, where it must do no harm, and to names that several kinds bear."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bandstand.app.searching import SearchingSide
from bandstand.catalog.columns import Columns
from bandstand.engine.request import SearchRequest
from bandstand.learner.selfplay import TARGET_GRADE, SelfPlay
from bandstand.ranker.page import kind_likelihoods, mixed_order
from bandstand.types import Ordinals
from bench.attributes import table
from bench.searches import known_items

Values = Mapping[str, NDArray[np.float64]]
OFF, ON = "as ranked", "mixed"


def known(home: SearchingSide, count: int, policy: str) -> list[str]:
    """Hit@10 and MRR@10 of titles, and artist and title, clean and misspelt: the same rankings, mixed and not."""
    asked = known_items(home, count)
    keys = home.catalog.columns.dedupe_key
    rows = ["| known items | order | n | value | against as ranked |", "| --- | --- | ---: | --- | --- |"]
    ranks: dict[str, list[tuple[float, float]]] = {}
    for name, text, ordinal in asked:
        pages = _pages(home, text, policy)
        ranks.setdefault(name, []).append(
            tuple(_rank(keys[pages[order][:10]] == keys[ordinal]) for order in (OFF, ON))  # type: ignore[arg-type]
        )
    for name, found in ranks.items():
        reciprocal = 1 / np.array(found)
        values = {OFF: reciprocal[:, 0], ON: reciprocal[:, 1]}
        rows += [f"| {name}, MRR@10 {row}" for row in table(values, OFF)]
        rows += [f"| {name}, hit@10 {row}" for row in table({k: (v > 0).astype(float) for k, v in values.items()}, OFF)]
    return rows


def ambiguous(home: SearchingSide, count: int, policy: str, seed: int) -> list[str]:
    """Names that entities of several kinds bear: kinds on the page, and whether each that is meant is there."""
    columns = home.catalog.columns
    named = _shared_names(columns)
    rng = np.random.default_rng(seed)
    picked = [named[place] for place in rng.permutation(len(named))[:count].tolist()]
    figures: dict[str, dict[str, list[float]]] = {}
    for text, by_kind in picked:
        for order, page in _pages(home, text, policy).items():
            for name, value in _figures(columns, page, by_kind).items():
                figures.setdefault(name, {}).setdefault(order, []).append(value)
    rows = [f"{len(named)} names are borne by several kinds", ""]
    rows += ["| ambiguous names | order | n | value | against as ranked |", "| --- | --- | ---: | --- | --- |"]
    for name, values in figures.items():
        rows += [f"| {name} {row}" for row in table({order: np.array(found) for order, found in values.items()}, OFF)]
    return [*rows, "", f"mixing 100 hits takes {_cost():.3f} ms"]


def calibration(home: SearchingSide, count: int, seed: int) -> list[str]:
    """How likely the scores, divided by a temperature, make the kind that was meant, on self-play of another seed."""
    play = SelfPlay(engine=home.engine, catalog=home.catalog, memory=home.memory)
    examples = [each for each in play.examples(count, seed=seed) if (each.grades == TARGET_GRADE).any()]
    kinds = home.catalog.columns.kind
    rows = [f"{len(examples)} lessons", "", "| temperature | mean log P(kind) |", "| ---: | ---: |"]
    for temperature in (0.5, 1.0, 1.5, 2.0):
        logs = []
        for example in examples:
            own = kinds[example.impression.ordinals]
            likelihoods = kind_likelihoods(example.impression.scores / np.float32(temperature), own)
            meant = own[example.grades == TARGET_GRADE][0]
            logs.append(np.log(max(likelihoods[meant], 1e-12)))
        rows.append(f"| {temperature} | {np.mean(logs):.3f} |")
    return rows


def _figures(columns: Columns, page: Ordinals, by_kind: Sequence[Ordinals]) -> dict[str, float]:
    ranks = [_rank(np.isin(page[:10], own)) for own in by_kind]
    kinds = columns.kind[page[:10]]
    return {
        "kinds among ten": float(len(set(kinds.tolist()))),
        "share of the commonest kind among ten": float(np.bincount(kinds).max(initial=0) / max(len(kinds), 1)),
        "every kind that bears the name is among ten": float(all(np.isfinite(ranks))),
        "MRR@10, each kind as likely to be meant": float(np.mean(1 / np.array(ranks))),
    }


def _pages(home: SearchingSide, text: str, policy: str) -> dict[str, Ordinals]:
    """One ranking in both orders."""
    head = home.engine.answer(home.engine.query(SearchRequest(query=text)), home.engine.policy(policy)).head
    return {OFF: head.ordinals, ON: head.ordinals[mixed_order(head.scores, home.catalog.columns.kind[head.ordinals])]}


def _rank(right: NDArray[np.bool_]) -> float:
    """The place (from 1) of the first right one; infinite without."""
    return float(np.argmax(right)) + 1 if right.any() else np.inf


def _shared_names(columns: Columns) -> list[tuple[str, list[Ordinals]]]:
    """Normalised titles of live entities of several kinds, with these by kind."""
    live = np.flatnonzero(columns.live)
    bearers: dict[str, dict[int, list[int]]] = {}
    for ordinal, title, kind in zip(live.tolist(), columns.titles[live], columns.kind[live].tolist(), strict=True):
        bearers.setdefault(title, {}).setdefault(kind, []).append(ordinal)
    several = sorted((title, kinds) for title, kinds in bearers.items() if len(kinds) > 1 and title)
    return [(title, [np.array(own, np.int32) for own in kinds.values()]) for title, kinds in several]


def _cost(runs: int = 200) -> float:
    """Milliseconds of one call on a head of 100."""
    rng = np.random.default_rng(0)
    scores, kinds = np.sort(rng.normal(size=100).astype(np.float32))[::-1], rng.integers(0, 6, 100).astype(np.int8)
    started = time.perf_counter()
    for _ in range(runs):
        mixed_order(scores, kinds)
    return (time.perf_counter() - started) / runs * 1e3
