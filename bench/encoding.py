"""Queries of concurrent searches through the encoder: `python -m bench.encoding HOME [--rounds N]`.

Three ways take turns: calls that meet a running one share the next run; the same with two runs side by side; and every
call by itself. No query is asked twice, so that no vector comes from the cache.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bandstand.app.platform import Platform
from bandstand.app.storage import Storage
from bandstand.retrievers.encoder import OnnxEncoder
from bandstand.retrievers.encoder_registry import made_in
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
    encoders = {way: OnnxEncoder(folder, lanes=lanes) for way, lanes in WAYS.items()}
    texts = iter(_queries(Platform(settings).storage, given.rounds * len(CALLERS) * len(WAYS) * CALLS))
    print("| callers | way | encoded a second | p50, ms | p95, ms |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for callers in CALLERS:
        found: dict[str, list[tuple[float, NDArray[np.float64]]]] = {way: [] for way in WAYS}
        for turn, way in itertools.product(range(given.rounds), WAYS):
            asked = list(itertools.islice(texts, CALLS))
            measured = _round(encoders[way], callers, asked)
            if turn:  # the first warms up
                found[way].append(measured)
        for way, rounds in found.items():
            print(_row(callers, way, rounds), flush=True)


def _queries(storage: Storage, count: int) -> list[str]:
    """Two to four words of the catalogue's titles, drawn at random; all distinct."""
    words = sorted({word for _, entity in storage.store.scan() for word in entity.title.split()})
    rng = np.random.default_rng(SEED)
    storage.close()
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(rng.choice(words, size=int(rng.integers(2, 5))).tolist())] = None
    return list(found)


def _round(encoder: OnnxEncoder, callers: int, texts: Sequence[str]) -> tuple[float, NDArray[np.float64]]:
    """Encodings a second, and the milliseconds of each call."""

    def asked(text: str) -> float:
        started = perf_counter()
        encoder.encode_query(text)
        return (perf_counter() - started) * 1e3

    started = perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        took = np.array(list(pool.map(asked, texts)))
    return len(texts) / (perf_counter() - started), took


def _row(callers: int, way: str, rounds: Sequence[tuple[float, NDArray[np.float64]]]) -> str:
    rates = [rate for rate, _ in rounds]
    low, middle, high = np.percentile(rates, [25, 50, 75])
    p50, p95 = np.percentile(np.concatenate([took for _, took in rounds]), [50, 95])
    return f"| {callers} | {way} | {middle:.0f} ({low:.0f}–{high:.0f}) | {p50:.1f} | {p95:.1f} |"


if __name__ == "__main__":
    main()
