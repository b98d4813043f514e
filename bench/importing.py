"""Importing another system's log: rows a second and memory, and how much better the home is afterwards.

`python -m bench.importing --rows 1000000` makes a log of so many rows about the bundled catalogue and imports it;
`python -m bench.importing --quality` imports half a year of Last.fm's tagging, up to June 2010, as searches and clicks,
and asks what was tagged in the eight weeks after that, before and after.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bandstand.catalog.bundled import load_bundled
from bandstand.catalog.readers.base import Rejected
from bandstand.door.facade import Bandstand
from bandstand.door.opening import open as open_home
from bandstand.memory_index.predicted import predicted_queries
from bandstand.replay.datasets.lastfm import LastfmAdapter
from bandstand.replay.stream import Ask
from bandstand.types import Entity
from bandstand.types.times import DAY_S
from bench.figures import Figure

MAP = {"time": "ts", "query": "q", "user": "uid", "clicked": "track", "position": "rank", "dwell": "seconds"}
STARTED = 1_700_000_000.0
ROWS_A_DAY, USERS, CLICKED = 16_667, 20_000, 0.65  # a million in two months
SINCE, CUT = 1_259_625_600.0, 1_275_350_400.0  # 2009-12-01, 2010-06-01
HELD_OUT_DAYS, ASKED = 56, 300

Row = tuple[float, str, str, str, str, str]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.importing", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the log")
    parser.add_argument("--answered", type=int, default=None, help="searches that are answered anew")
    parser.add_argument("--quality", action="store_true", help="before and after, on held-out weeks")
    parser.add_argument("--encoder", default="hashing", help="of the home")
    parser.add_argument("--selfplay", type=int, default=200, help="predicted queries that teach the home before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bandstand-bench-") as scratch:
        chosen = {"encoder": given.encoder, "selfplay_queries": given.selfplay, "query_encoder": "encoder"}
        home = open_home(Path(scratch) / "home", background=False, **chosen)
        with home as music:
            found = (
                quality(music, Path(scratch), given.answered) if given.quality else speed(music, Path(scratch), given)
            )
            for figure in found:
                print(f"{figure.name}: {figure.value:,.4g} {figure.unit} {figure.note}")


def speed(music: Bandstand, folder: Path, given: argparse.Namespace) -> Iterator[Figure]:
    """Seconds of each part of an import of so many rows, here and of a processor, and the largest resident set."""
    rows: int = given.rows
    entities = list(load_bundled())
    music.ingest(entities)
    music.index()
    write(folder / "log.csv", made(entities, rows))
    began: dict[str, float] = {}
    ended: dict[str, float] = {}

    def told(job: str, done: int, of: int | None) -> None:  # noqa: ARG001 - as progress is told
        began.setdefault(job, time.process_time())
        ended[job] = time.process_time()

    started = time.perf_counter()
    report = music.import_log(folder / "log.csv", map=MAP, answered=given.answered, progress=told)
    seconds = time.perf_counter() - started
    name = f"import, {rows:,} rows"
    yield Figure(name=f"{name}: in all", value=seconds, unit="s", note=f"{rows / seconds:,.0f} rows/s")
    yield Figure(name=f"{name}: searches answered anew", value=report.answered, unit="", note=f"of {report.searches:,}")
    yield Figure(name=f"{name}: actions learned", value=report.learned, unit="")
    for job, first in began.items():
        yield Figure(name=f"{name}: {job}", value=ended[job] - first, unit="s of CPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Figure(name=f"{name}: largest resident set", value=peak, unit="MB")
    size = sum(path.stat().st_size for path in music.settings.home.glob("log.sqlite*"))
    yield Figure(name=f"{name}: log", value=size / 1e6, unit="MB")


def made(entities: list[Entity], rows: int) -> Iterator[Row]:
    """Searches for what is predicted for popular entities; two in three lead to a click, half of these to a play."""
    rng = np.random.default_rng(1)
    weights = np.array([0.05 + entity.popularity**2 for entity in entities])
    drawn = rng.choice(len(entities), rows, p=weights / weights.sum())
    users = rng.zipf(1.3, rows) % USERS
    step, count = 1.6 * DAY_S / ROWS_A_DAY, 0
    for number in range(rows):
        entity = entities[drawn[number]]
        phrases = [phrase for phrase, _ in predicted_queries(entity)[:6]]
        query = phrases[int(rng.integers(len(phrases)))] if phrases else entity.title
        now, user = STARTED + number * step, f"u{users[number]}"
        yield now, query, user, "", "", ""
        if (count := count + 1) >= rows:
            return
        if rng.random() < CLICKED:
            yield now + 4, query, user, entity.id, str(1 + number % 5), "90" if rng.random() < 0.5 else ""
            if (count := count + 1) >= rows:
                return


def quality(music: Bandstand, folder: Path, answered: int | None) -> Iterator[Figure]:
    """nDCG@10 and MRR@10 of the default policy and of fusion on held-out weeks, before and after the import."""
    dataset = LastfmAdapter(train="2009-01", start="2010-01", end="2010-07").open(
        Path(os.environ["BANDSTAND_DATA"]) / "lastfm"
    )
    music.ingest(entity for entity in dataset.catalog() if not isinstance(entity, Rejected))
    music.index()
    asks = [moment for moment in dataset.stream() if isinstance(moment, Ask)]
    write(folder / "log.csv", clicked([ask for ask in asks if SINCE <= ask.time < CUT]))
    held_out = [ask for ask in asks if CUT <= ask.time < CUT + HELD_OUT_DAYS * DAY_S and ask.answers]
    some = np.random.default_rng(1).permutation(len(held_out))[:ASKED]
    asked = [
        {"query": held_out[at].text, "user": held_out[at].user, "relevant": [a.entity_id for a in held_out[at].answers]}
        for at in some
    ]
    yield from measured(music, asked, "before")
    started = time.perf_counter()
    report = music.import_log(folder / "log.csv", map=MAP, answered=answered)
    note = f"{report.rows:,} rows, {report.answered:,} of {report.searches:,} searches answered anew"
    yield Figure(name="import", value=time.perf_counter() - started, unit="s", note=note)
    yield from measured(music, asked, "after")


def clicked(asks: list[Ask]) -> Iterator[Row]:
    """What was searched for, and what was chosen then."""
    for ask in asks:
        yield ask.time, ask.text, ask.user or "", "", "", ""
        for answer in ask.answers:
            yield answer.time, ask.text, ask.user or "", answer.entity_id, "", ""


def measured(music: Bandstand, asked: list[dict[str, object]], when: str) -> Iterator[Figure]:
    """What a home answers."""
    found = music.evaluate(asked, policies=("bandit",))
    for ranking in ("bandit", "only:memory", "only:lexical", "rrf:all"):
        if ranking in found.rankings:
            for measure, each in found.rankings[ranking].metrics.items():
                note = f"{each.low:.3f} to {each.high:.3f}"
                yield Figure(name=f"{when}, {ranking}: {measure}", value=each.value, unit="", note=note)


def write(path: Path, rows: Iterator[Row]) -> None:
    """The log as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(MAP.values())
        writer.writerows(rows)


if __name__ == "__main__":
    main()
