"""Off-policy evaluation of a large log: time and memory, and whether the known truth is found.

`python -m bench.big_log --rows 1000000` writes a UBI log of so many searches and evaluates it with `bandstand ope`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from bandstand.feedback.ubi_events import query_to_ubi
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, ArmDecision, Decision, Impression, Query, RetrieverOutcome
from bench.figures import Figure

ARMS = BUILT_IN.expensive
LOGGED = (0.4, 0.2, 0.2, 0.2)
FEATURES = 12
HITS = 10
STARTED = 1_700_000_000.0
_BLOCK = 10_000

_EVALUATED = """
import sys
from pathlib import Path
from bandstand.cli.main import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text().splitlines()
    print("\\n".join(line for line in status if line.startswith(("VmHWM", "RssAnon"))), file=sys.stderr)
"""


class Evaluated(NamedTuple):
    """What `bandstand ope` said, how long it took (s), and its largest resident set (MB)."""

    result: dict[str, object]
    seconds: float
    megabytes: float


def main() -> None:
    """Write the log, evaluate it, print the figures."""
    parser = argparse.ArgumentParser(prog="bench.big_log", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many searches")
    rows = parser.parse_args().rows
    for figure in big_log_figures(rows):
        print(f"{figure.name}: {figure.value:,.4g} {figure.unit} {figure.note}")


def big_log_figures(rows: int) -> list[Figure]:
    """Time, memory and error of the evaluation of a log of ``rows`` searches."""
    with tempfile.TemporaryDirectory(prefix="bandstand-bench-") as scratch:
        log = Path(scratch) / "log.ndjson"
        write_log(log, rows, seed=1)
        megabytes = log.stat().st_size / 1e6
        done = evaluated(log, Path(scratch) / "home")
    name = f"ope, {rows:,} searches"
    metric = done.result["policies"]["random"]["metrics"]["reward"]  # type: ignore[index]
    low, high = metric["ci95"]
    return [
        Figure(name=f"{name}: time", value=done.seconds, unit="s", note=f"a UBI log of {megabytes:,.0f} MB"),
        Figure(name=f"{name}: rate", value=rows / done.seconds, unit="/s"),
        Figure(name=f"{name}: largest resident set", value=done.megabytes, unit="MB"),
        Figure(
            name=f"{name}: estimate less truth",
            value=metric["value"] - truth(),
            unit="",
            note=f"± {(high - low) / 2:.4f}",
        ),
    ]


def truth() -> float:
    """The value of the policy `random`, which draws each depth with the same probability."""
    return 0.2 + 0.1 * len(ARMS) * (1 - 1 / len(DEPTHS))


def write_log(path: Path, rows: int, *, seed: int) -> None:
    """``rows`` searches in which five retrievers explored; each that played makes a play likelier by 0.1."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as out:
        for start in range(0, rows, _BLOCK):
            count = min(_BLOCK, rows - start)
            choices = rng.choice(len(DEPTHS), (count, len(ARMS)), p=LOGGED)
            contexts = rng.random((count, len(ARMS), FEATURES)).round(4)
            played = rng.random(count) < 0.2 + 0.1 * (choices > 0).sum(axis=1)
            for number in range(count):
                out.write(_search(start + number, choices[number], contexts[number]))
                if played[number]:
                    out.write(_play(start + number))


def evaluated(log: Path, home: Path) -> Evaluated:
    """`bandstand ope LOG --policy random --json` in a process of its own."""
    words = [sys.executable, "-c", _EVALUATED, "ope", str(log), "--policy", "random", "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        words, check=True, capture_output=True, text=True, env={**os.environ, "BANDSTAND_HOME": str(home)}
    )
    seconds = time.perf_counter() - started
    peak = next(line for line in done.stderr.splitlines() if line.startswith("VmHWM"))
    return Evaluated(orjson.loads(done.stdout), seconds, int(peak.split()[1]) / 1024)


def _search(number: int, choices: NDArray[np.int64], contexts: NDArray[np.float64]) -> bytes:
    arms = tuple(
        ArmDecision(
            arm=arm,
            depth=DEPTHS[choice],
            propensity=LOGGED[choice],
            probabilities=LOGGED,
            context=tuple((f"feature_{place}", value) for place, value in enumerate(context)),
        )
        for arm, choice, context in zip(ARMS, choices.tolist(), contexts.tolist(), strict=True)
    )
    query = Query(id=f"q{number}", text="abba", normalized="abba", user_id=f"u{number // 5}", time=STARTED + number)
    impression = Impression(
        query=query,
        decision=Decision(policy="explore", version="1", arms=arms),
        outcomes=tuple(RetrieverOutcome(retriever=arm.arm, took_ms=0.01 * arm.depth, status="ok") for arm in arms),
        entity_ids=tuple(f"track:{hit}" for hit in range(HITS)),
        ordinals=np.arange(HITS, dtype=np.int32),
        scores=np.ones(HITS, np.float32),
        features=np.zeros((HITS, 0), np.float32),
        feature_names=(),
        shown=HITS,
    )
    return orjson.dumps(query_to_ubi(impression), option=orjson.OPT_APPEND_NEWLINE)


def _play(number: int) -> bytes:
    event = {
        "action_name": "play",
        "event_id": f"e{number}",
        "query_id": f"q{number}",
        "timestamp": (STARTED + number + 1) * 1000,
        "event_attributes": {"object": {"object_id": "track:0"}, "position": {"ordinal": 1}, "play_seconds": 60},
    }
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    main()
