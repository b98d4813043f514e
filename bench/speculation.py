"""Real searches under load, with and without speculation: `python -m bench.speculation HOME [--searches N]`.

Both ways are opened over the same home and take turns in blocks of the same queries, so that what else the machine does
meets both alike. ``clients`` ask one search after another; as in service, some run side by side and others wait.
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
from bandstand.app.searching import SearchingSide
from bandstand.app.storage import Storage
from bandstand.engine.request import SearchRequest
from bandstand.settings import load_settings
from bench.searches import known_items

BLOCK = 60
CLIENTS = (1, 2, 4)
RESAMPLES = 1_000


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="bench.speculation", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--searches", type=int, default=600, help="for each policy and number of clients")
    parser.add_argument("--policies", default="selective,bandit")
    given = parser.parse_args()
    platform = Platform(load_settings(home=given.home, ablation_share=0.0))
    served = {way: _Served(platform.storage, speculate=way == "with") for way in ("with", "without")}
    try:
        print("| policy | clients | speculation | p50, ms | p99, ms | mean, ms | early: taken, called off, refused |")
        print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
        policies = given.policies.split(",")
        queries = iter(known_items(served["with"].home, given.searches * len(CLIENTS) * len(policies)))
        for policy, clients in itertools.product(policies, CLIENTS):
            texts = [text for _, text, _ in itertools.islice(queries, given.searches)]
            _measure(served, policy, clients, texts)
    finally:
        for each in served.values():
            each.close()
        platform.close()


class _Served:
    """A home with the threads that its searches run on, as a service has them."""

    def __init__(self, storage: Storage, *, speculate: bool) -> None:
        storage.settings = storage.settings.model_copy(update={"speculate": speculate})
        self.home = SearchingSide(storage)
        self.home.freeze()
        self._threads = ThreadPoolExecutor(self.home.settings.threads)

    def times(self, policy: str, clients: int, texts: Sequence[str]) -> list[float]:
        """Milliseconds from asking to answer, the wait for a thread included."""

        def asked(text: str) -> float:
            started = perf_counter()
            self._threads.submit(self.home.search, SearchRequest(query=text, policy=policy)).result()
            return (perf_counter() - started) * 1e3

        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(asked, texts))

    @property
    def counts(self) -> tuple[int, int, int]:
        """Runs begun early: taken, called off, refused."""
        counts = self.home.speculation.counts
        return counts.taken, counts.cancelled, counts.refused

    def close(self) -> None:
        """End the threads and the home."""
        self._threads.shutdown()
        self.home.close()


def _measure(served: dict[str, _Served], policy: str, clients: int, texts: Sequence[str]) -> None:
    took: dict[str, list[float]] = {way: [] for way in served}
    before = {way: each.counts for way, each in served.items()}
    for number, start in enumerate(range(0, len(texts), BLOCK)):
        for way in list(served) if number % 2 else list(served)[::-1]:
            times = served[way].times(policy, clients, texts[start : start + BLOCK])
            took[way] += times if number else []  # the first block warms up
    for way, times in took.items():
        counts = [now - then for now, then in zip(served[way].counts, before[way], strict=True)]
        found = np.array(times)
        cells = (_bounded(found, 50), _bounded(found, 99), f"{found.mean():.1f}", ", ".join(map(str, counts)))
        print(f"| {policy} | {clients} | {way} | {' | '.join(cells)} |", flush=True)


def _bounded(times: NDArray[np.float64], percentile: float) -> str:
    """A percentile with its 95 % bootstrap interval."""
    rng = np.random.default_rng(1)
    draws = np.percentile(rng.choice(times, size=(RESAMPLES, len(times))), percentile, axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{np.percentile(times, percentile):.1f} ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    main()
