"""A log passes through an adapter row by row: what is held does not grow with the log."""

from __future__ import annotations

import gc
import tracemalloc

import orjson
import pytest

from bandstand.catalog.readers.base import Rejected
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.replay.datasets.base import OpenAsks, Timed, sorted_nearly
from bandstand.replay.datasets.registry import adapter_named
from bandstand.replay.run import play
from bandstand.replay.stream import Answer, Ask, in_order
from tests.support.replay_worlds import START, asks, dataset, quick


def log_folder(folder, rows):
    folder.mkdir()
    (folder / "catalog.ndjson").write_bytes(orjson.dumps({"id": "t", "kind": "track", "title": "song"}))
    with (folder / "log.ndjson").open("wb") as file:
        for number in range(rows):
            row = {"time": START + 60 * number, "query": f"q{number % 50}", "user": f"u{number % 40}", "clicked": "t"}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return folder


def peak(folder):
    """Bytes held at most while the whole stream passes."""
    stream = adapter_named("generic").open(folder).stream()
    gc.collect()
    tracemalloc.start()
    count = sum(not isinstance(moment, Rejected) for moment in in_order(stream))
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held, count


def test_more_rows_need_little_more_memory(tmp_path):
    """Beyond the room for what is out of order (10,000 rows) only a number a row is kept, to know it again."""
    peak(log_folder(tmp_path / "first", 10))  # what is made once
    small, large = (peak(log_folder(tmp_path / str(rows), rows)) for rows in (12_000, 18_000))
    assert (small[1], large[1]) == (12_000, 18_000)
    assert (large[0] - small[0]) / 6_000 < 150


def test_no_more_is_read_ahead_than_may_be_out_of_order():
    read = 0

    def rows():
        nonlocal read
        for number in range(1_000):
            read += 1
            yield Timed(float(number), number, number)

    for given, _ in enumerate(sorted_nearly(rows(), room=10), start=1):
        assert read <= given + 10


def test_a_search_is_given_out_as_soon_as_its_window_is_over():
    open_asks, held = OpenAsks(window=100.0), []
    for number in range(200):
        now = 10.0 * number
        held.append(number - sum(1 for _ in open_asks.closed(now)))
        open_asks.ask(number, Ask(id=str(number), time=now, text="x"))
        open_asks.answer(number, Answer("t", 1, now))
    assert len(open_asks._open) <= 11


@pytest.mark.parametrize("learn_every", [3, 1_000])
def test_clicks_late_in_the_window_count_however_much_is_learned_at_once(tmp_path, learn_every):
    """Every search is answered 29 minutes later; with 1,000 at once, a day of searches is logged before the clicks."""
    moments = [
        Ask(
            id=ask.id,
            time=ask.time,
            text=ask.text,
            user=ask.user,
            answers=tuple(answer._replace(time=ask.time + 29 * 60) for answer in ask.answers),
        )
        for ask in asks(40, step=600.0)
    ]
    play(dataset(moments), quick(policies=("lexical",), learn_every=learn_every, judged_deep=False), tmp_path)
    memory = Memory(tmp_path / "policies" / "lexical" / "home" / "memory", settings=MemorySettings(agree_users=1))
    rows = memory.query_rows("night drive")
    finalized = memory.state(b"bandit/settled")
    memory.close()
    assert len(rows) == 1
    assert rows[0].plays == pytest.approx(14, rel=0.01)  # every third of 40; the half-life is 30 days
    assert 37 <= int(finalized) <= 40  # once each; what the last ones led to is not waited for
