"""What reading the log for training takes: `python -m bench.training_reads HOME [--searches 50000]`.

A log of so many searches, copies of some that are made over an indexed home, three in ten of them clicked, one in fifty
recorded; written once, then read as `bandstand train` reads it. Printed are seconds of CPU and the peak of memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from bandstand.backend import Paths
from bandstand.feedback.ablation import Ablation, ablation_event
from bandstand.feedback.commit import CommitSettings
from bandstand.feedback.joined import joined
from bandstand.feedback.reward_model import BY_CONSTANTS
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.learner.lessons import lessons
from bandstand.learner.train_ranker import clicks_set
from bandstand.ranker.features import FeatureSet
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Event, Impression
from bench.log_size import searches

CLICKED, RECORDED = 0.3, 0.02
_APART_S = 20.0


def main() -> None:
    """Write the log where there is none, then read it in a process of its own."""
    parser = argparse.ArgumentParser(prog="bench.training_reads", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--searches", type=int, default=50_000)
    parser.add_argument("--read", type=Path, help="only read this log, of another home")
    given = parser.parse_args()
    if given.read is not None:
        read(given.read)
        return
    path = Paths(given.home.with_name(f"{given.home.name}-{given.searches}")).log
    if not path.exists():
        path.parent.mkdir()
        made = [impression for impressions in searches(given.home, 450).values() for impression in impressions]
        write(path, made, given.searches)
    print(f"the log: {path.stat().st_size / given.searches:,.0f} bytes a search", flush=True)
    subprocess.run([sys.executable, "-m", "bench.training_reads", str(given.home), "--read", str(path)], check=True)


def write(path: Path, made: Sequence[Impression], count: int) -> None:
    """A log of so many searches, one every twenty seconds until now."""
    rng, start = np.random.default_rng(1), time.time() - count * _APART_S
    with closing(SqliteLog(path, clock=time.time, settings=CommitSettings(durable=False))) as log:
        for number in range(count):
            like, when = made[number % len(made)], start + number * _APART_S
            query = replace(like.query, id=f"{number:032x}", session_id=f"s{number // 3}", time=when)
            log.append_impression(replace(like, query=query))
            log.append_events([*_done(replace(like, query=query), rng)])


def _done(impression: Impression, rng: np.random.Generator) -> Iterator[Event]:
    query, shown = impression.query, impression.shown
    if shown and rng.random() < CLICKED:
        row = min(int(rng.geometric(0.5)) - 1, shown - 1)
        yield Event(
            id=f"e{query.id}",
            action="click",
            time=query.time + 5,
            query_id=query.id,
            user_id=query.user_id,
            object_id=impression.entity_ids[row],
        )
    if shown and rng.random() < RECORDED:
        page = impression.entity_ids[:shown]
        pages = {frozenset[str](): page, frozenset({"dense"}): page}
        record = Ablation(query_id=query.id, retrievers=("dense",), pages=pages, context=(), hit_rates={"dense": 0.5})
        yield ablation_event(record, query, now=query.time + 1)


def read(path: Path) -> None:
    """One pass, then the ranker's rows; the models themselves are not trained."""
    before, started = _peak_mb(), time.process_time()
    with closing(SqliteLog(path, clock=time.time)) as log:
        kept = lessons(joined(log), BUILT_IN)
    read_s, kept_mb = time.process_time() - started, _peak_mb()
    clicks, _ = clicks_set(kept.graded(BY_CONSTANTS), FeatureSet(BUILT_IN).layout)
    rows = 0 if clicks is None else len(clicks.grades)
    print(f"read once: {read_s:.1f} s of CPU; {len(kept.recent):,} recent, {len(kept.clicked):,} clicked")
    print(f"with {len(kept.labels):,} labels and the ranker's {rows:,} rows: {time.process_time() - started:.1f} s")
    print(f"memory above {before:,.0f} MB: {kept_mb - before:,.0f} MB read, {_peak_mb() - before:,.0f} MB at most")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
