"""The figures of a replay: tables, intervals, differences, curves, and which code made them, as plain JSON values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.replay.conclusion import question_and_answer, refusals
from bandstand.replay.metrics import MEASURES
from bandstand.replay.run import PlayedRun
from bandstand.replay.stream import Provenance
from bandstand.replay.table import BINS, FEW, Table, oracle, parts
from bandstand.retrievers.registry import BUILT_IN
from bandstand.statistics import ClusterBootstrap


@cache
def code_version() -> str:
    """``0.1.0 (source 0123456789ab)``; the same wherever the same files are installed."""
    try:
        released = version("bandstand")
    except PackageNotFoundError:
        released = "unreleased"
    return f"{released} (source {_digest(Path(str(files('bandstand'))))})"


def _digest(package: Path) -> str:
    """12 hexadecimal digits of the SHA-256 over the names and contents of all modules."""
    whole = hashlib.sha256()
    for folder, _, names in sorted(os.walk(package, followlinks=True)):
        for name in sorted(names):
            if name.endswith(".py"):
                path = Path(folder, name)
                whole.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


Json = dict[str, Any]

FORMAT = 2
"""Of results: in 2 selective retrieval has the shape of all others. Older results lack the key, and are read alike."""

COMPARED = ("MRR@10", "nDCG@10", "R@100")
"""Measures whose single values are kept (up to `KEPT` searches), so that two reports can be compared pair by pair."""

KEPT = 50_000

_SEGMENT_RESAMPLES = 200


def summarize(run: PlayedRun, tables: Mapping[str, Table]) -> Json:
    """Everything that the report says; the keys of the fixed shape (``result.schema.json``), and more beside them."""
    played = [tables[name] for name in (*run.policies, *run.baselines)]
    choice: dict[str, str] = {}
    if run.statics:
        best, choice = oracle([tables[name] for name in run.statics])
        played.append(best)
    first, policies = played[0], played[: len(run.policies)]
    bootstrap = ClusterBootstrap(first.users.tolist(), resamples=run.resamples, seed=run.seed)
    small = bootstrap.fewer(_SEGMENT_RESAMPLES)
    result: Json = {
        **provenance(run.data, seed=run.seed),
        "n_searches": len(first),
        "n_users": bootstrap.clusters,
        "resamples": run.resamples,
        "leaks": run.data.leaks,
        "settings": _plain(run.settings),
        "seconds": {name: round(seconds, 1) for name, seconds in run.seconds.items()},
        "rejected": {"rows": run.rejected, "reasons": list(run.reasons)},
        "oracle_choice": choice,
        "policies": {
            table.name: {
                "kind": "policy" if table.name in run.policies else "baseline",
                **_figures(table, bootstrap, small),
            }
            for table in played
        },
        "differences": _differences(first, played[1:], bootstrap),
        "curves": {table.name: _curve(table) for table in policies},
        "choices": {table.name: _choices(table) for table in policies},
        "calibration": {table.name: _calibration(table) for table in policies if table.claims[0].any()},
    }
    if len(first) <= KEPT:
        result["searches"] = {"ids": first.ids.tolist(), "users": first.users.tolist()}
        for table in played:
            result["policies"][table.name]["values"] = {
                name: np.round(table.values[name], 5).tolist() for name in COMPARED
            }
    result["question"], result["answer"] = question_and_answer(result)
    result["refused"] = refusals(result)
    return result


def provenance(data: Provenance, *, seed: int) -> Json:
    """What every result begins with: its format, and the data, the seed and the code that it is of."""
    return {
        "format": FORMAT,
        "dataset": data.name,
        "protocol": data.protocol,
        "data_sha256": data.sha256,
        "seed": seed,
        "version": code_version(),
    }


def _figures(table: Table, bootstrap: ClusterBootstrap, small: ClusterBootstrap) -> Json:
    segments: Json = {}
    for name, value, rows in parts(table):
        segments.setdefault(name, {})[value] = {
            "n": int(rows.sum()),
            "few": bool(rows.sum() < FEW),
            "metrics": {"MRR@10": figure(table.values["MRR@10"], small, rows)}
            | {other: {"value": float(table.values[other][rows].mean())} for other in ("nDCG@10", "R@100")},
            "cost_ms": float(table.cost_ms[rows].mean()),
        }
    return {
        "metrics": {name: figure(table.values[name], bootstrap) for name in MEASURES},
        "cost_ms": float(table.cost_ms.mean()),
        "cost_ci95": figure(table.cost_ms, bootstrap)["ci95"],
        "real_ms": float(table.real_ms.mean()) or None,
        "retrievers": float((table.depths > 0).sum(axis=1).mean()) if table.depths[0, 0] >= 0 else None,
        "pool_recall": float(table.pooled.mean()) if not np.isnan(table.pooled).any() else None,
        "segments": segments,
    }


def figure(values: ArrayLike, bootstrap: ClusterBootstrap, rows: NDArray[np.bool_] | None = None) -> Json:
    """A mean with its 95 % interval, as every result tells it."""
    found = bootstrap.interval(values, rows)
    return {"value": found.value, "ci95": [found.low, found.high]}


def _differences(first: Table, others: Sequence[Table], bootstrap: ClusterBootstrap) -> list[Json]:
    """The first policy less every other one; corrected within each measure."""
    rows: list[Json] = []
    for measure in COMPARED:
        found = bootstrap.differences({o.name: (first.values[measure], o.values[measure]) for o in others})
        rows += [
            {"measure": measure, "first": first.name, "second": name, **asdict(each)} for name, each in found.items()
        ]
    return rows


def _curve(table: Table) -> list[Json]:
    """Means by stretches of the stream: its months where it has any, else twenty equal parts."""
    if "month" in table.labels:
        labels = table.labels["month"].tolist()
    else:
        labels = [
            _day(table.times[place * len(table) // 20]) for place in np.arange(len(table)) * 20 // max(len(table), 1)
        ]
    curve, names = [], np.array(labels, object)
    for label in dict.fromkeys(labels):
        rows = names == label
        point = {name: float(table.values[name][rows].mean()) for name in COMPARED}
        curve.append({"at": label, "searches": int(rows.sum()), **point, "cost_ms": float(table.cost_ms[rows].mean())})
    return curve


def _choices(table: Table) -> list[Json]:
    """The share of searches in which each retriever played, by stretch and by class of query."""
    by_class = [("all", np.ones(len(table), np.bool_))]
    labels = table.classes
    by_class += [(value, labels == value) for value in sorted(set(labels.tolist()) - {""})]
    stretches = np.arange(len(table)) * 10 // max(len(table), 1)
    played = table.depths > 0
    return [
        {
            "class": value,
            "stretch": int(stretch) + 1,
            "searches": int(rows.sum()),
            "played": {retriever: float(played[rows, place].mean()) for place, retriever in enumerate(BUILT_IN.names)},
        }
        for value, members in by_class
        for stretch in range(10)
        if (rows := members & (stretches == stretch)).any()
    ]


def _calibration(table: Table) -> list[Json]:
    """Bins of what the memory believed of hits on the page, and the share of them that were answers."""
    counts, believed, right = table.claims
    return [
        {"believed": float(believed[b] / counts[b]), "right": float(right[b] / counts[b]), "hits": int(counts[b])}
        for b in range(BINS)
        if counts[b]
    ]


def _day(time: float) -> str:
    return datetime.fromtimestamp(float(time), UTC).date().isoformat()


def _plain(settings: Mapping[str, object]) -> Json:
    """Settings by part, tuples as lists."""
    return {
        part: {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        for part, values in settings.items()
        if isinstance(values, Mapping)
    }
