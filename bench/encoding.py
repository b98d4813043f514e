"""Queries of concurrent searches through the encoder: `python -m bench.encoding HOME [--rounds N]`.

Three ways take turns: calls that meet a running one share the next run; the same with two runs side by side; and every
call by itself. A home with token vectors has a fourth: queries are added up, and those with words that are new to the
vectors go the first way. No query is asked twice, so that no vector comes from the cache. CPU is that of all threads.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.app.platform import Platform
from bandstand.app.storage import Storage
from bandstand.backend import Paths
from bandstand.retrievers.encoder import Encoder, OnnxEncoder
from bandstand.retrievers.encoder_registry import made_in
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.token_table import TokenTable
from bandstand.settings import load_settings

CALLERS = (1, 4, 8)
CALLS = 160
SEED = 11
WAYS = {"one run at a time, shared": 1, "two runs side by side, shared": 2, "every call by itself": max(CALLERS)}
"""How many runs may go side by side: with as many as there are callers, no call ever waits for another's."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="bench.encoding", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    settings = load_settings(home=given.home)
    folder = next(folder for folder, manifest in made_in(given.home) if manifest.runtime == "onnx")
    encoders: dict[str, Encoder] = {way: OnnxEncoder(folder, lanes=lanes) for way, lanes in WAYS.items()}
    if (table := TokenTable.read(Paths(given.home).token_table)) is not None:
        encoders["added up"] = StaticEncoder(OnnxEncoder(folder), table)
    texts = iter(_queries(Platform(settings).storage, given.rounds * len(CALLERS) * len(encoders) * CALLS))
    print("| callers | way | encoded a second | p50, ms | p95, ms | CPU, ms |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for callers in CALLERS:
        found: dict[str, list[_Round]] = {way: [] for way in encoders}
        for turn, way in itertools.product(range(given.rounds), encoders):
            asked = list(itertools.islice(texts, CALLS))
            measured = _round(encoders[way], callers, asked)
            if turn:  # the first warms up
                found[way].append(measured)
        for way, rounds in found.items():
            print(_row(callers, way, rounds), flush=True)


def _queries(storage: Storage, count: int) -> list[str]:
    """Two to four words of the catalogue's titles, drawn at random; all distinct."""
    words = np.array(sorted({word for _, entity in storage.store.scan() for word in entity.title.split()}))
    rng = np.random.default_rng(SEED)
    storage.close()
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choice(words, size=int(rng.integers(2, 5))).tolist())] = None
    return list(found)


class _Round(NamedTuple):
    """Encodings a second, the milliseconds of each call, and those of CPU of one on average."""

    rate: float
    took: NDArray[np.float64]
    cpu: float


def _round(encoder: Encoder, callers: int, texts: Sequence[str]) -> _Round:

    def asked(text: str) -> float:
        started = perf_counter()
        encoder.encode_query(text)
        return (perf_counter() - started) * 1e3

    started, spent = perf_counter(), process_time()
    with ThreadPoolExecutor(callers) as pool:
        took = np.array(list(pool.map(asked, texts)))
    return _Round(len(texts) / (perf_counter() - started), took, (process_time() - spent) * 1e3 / len(texts))


def _row(callers: int, way: str, rounds: Sequence[_Round]) -> str:
    low, middle, high = np.percentile([each.rate for each in rounds], [25, 50, 75])
    p50, p95 = np.percentile(np.concatenate([each.took for each in rounds]), [50, 95])
    cpu = np.median([each.cpu for each in rounds])
    return f"| {callers} | {way} | {middle:.0f} ({low:.0f}–{high:.0f}) | {p50:.2f} | {p95:.2f} | {cpu:.2f} |"


if __name__ == "__main__":
    main()
