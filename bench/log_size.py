"""Bytes of the log a search: `python -m bench.log_size HOME [--searches 450]`, over an indexed home.

By policy, what a record takes, and what it would take less without one of its parts; and what the log's file takes.
`--dictionary FILE` trains the dictionary of such records and writes it: a new one needs a new version of records.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import zstandard

from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest
from bandstand.feedback.codec import encode_impression
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.packed import packed
from bandstand.feedback.reduced import reduced
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.settings import load_settings
from bandstand.types import Decision, Impression
from bench.half_typed import half_titles
from bench.searches import known_items

POLICIES = ("bandit", "all", "lexical")
DICTIONARY_BYTES = 16_384


def main() -> None:
    """Search, encode, and print the table; or train a dictionary."""
    parser = argparse.ArgumentParser(prog="bench.log_size", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--searches", type=int, default=450)
    parser.add_argument("--dictionary", type=Path)
    given = parser.parse_args()
    logged = searches(given.home, given.searches)
    if given.dictionary is not None:
        bodies = [packed(impression) for impressions in logged.values() for impression in impressions]
        given.dictionary.write_bytes(zstandard.train_dictionary(DICTIONARY_BYTES, bodies).as_bytes())
        return
    print("| | bytes a search |\n| --- | ---: |")
    for policy, impressions in logged.items():
        print(f"| {policy}: a record | {_mean(impressions):,.0f} |")
        print(f"| {policy}: the log's file | {_file_bytes(impressions):,.0f} |")
    for part, rest in _without(logged["bandit"]).items():
        print(f"| bandit: of a record, {part} | {_mean(logged['bandit']) - _mean(rest):,.0f} |")


def searches(home: Path, count: int) -> Mapping[str, list[Impression]]:
    """So many searches by policy, as they are logged: two thirds whole titles, a third such as are being typed."""
    with Platform(load_settings(home=home, ablation_share=0.0)) as platform:
        searching = platform.searching
        searching.freeze()
        whole = [text for _, text, _ in known_items(searching, count * 2 // 3)]
        texts = whole + [text for text, _ in half_titles(searching, count - len(whole))]
        found: dict[str, list[Impression]] = {policy: [] for policy in POLICIES}
        for number, at in enumerate(np.random.default_rng(1).permutation(len(texts)).tolist()):
            policy, who = POLICIES[number % len(POLICIES)], number % 50
            request = SearchRequest(query=texts[at], policy=policy, user_id=f"u{who}", session_id=f"s{number}")
            found[policy].append(reduced(searching.engine.search(request).impression))
        return found


def _mean(impressions: Sequence[Impression]) -> float:
    return float(np.mean([len(encode_impression(impression)) for impression in impressions]))


def _without(impressions: Sequence[Impression]) -> Mapping[str, list[Impression]]:
    """The same searches without one part each, by part."""

    def each(**empty: object) -> list[Impression]:
        return [replace(impression, **empty) for impression in impressions]  # type: ignore[arg-type]

    nothing = np.empty(0, np.float32)
    return {
        "ids and features": each(entity_ids=(), features=nothing.reshape(0, 0), feature_names=()),
        "ids": [replace(one, entity_ids=("",) * len(one.entity_ids)) for one in impressions],
        "features": [replace(one, features=np.full_like(one.features, np.nan)) for one in impressions],
        "scores": [replace(one, scores=np.zeros_like(one.scores)) for one in impressions],
        "ordinals": [replace(one, ordinals=np.zeros_like(one.ordinals)) for one in impressions],
        "the decision": each(decision=Decision(policy="", version="")),
        "outcomes": each(outcomes=()),
    }


def _file_bytes(impressions: Sequence[Impression]) -> float:
    """What searches add to a log that holds nothing else, by search."""
    with tempfile.TemporaryDirectory(prefix="bandstand-bench-") as folder:
        path = Path(folder) / "log.sqlite"
        empty = _written(path, ())
        return (_written(path, impressions) - empty) / len(impressions)


def _written(path: Path, impressions: Sequence[Impression]) -> int:
    """Bytes of a log's file once impressions were appended and it was closed."""
    with closing(SqliteLog(path, clock=time.time, settings=CommitSettings(durable=False))) as log:
        for impression in impressions:
            log.append_impression(impression)
    return path.stat().st_size


if __name__ == "__main__":
    main()
