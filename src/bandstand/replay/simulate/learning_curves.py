"""A closed loop in one call: played, measured like every replay, and with the figures that only it can have."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandstand.replay.run import kept_or_scratch
from bandstand.replay.simulate.closed_loop import Simulated, simulate
from bandstand.replay.simulate.experiments import Experiment, SimulateSettings
from bandstand.replay.simulate.world import spotify_songs
from bandstand.replay.summary import Json, summarize
from bandstand.replay.table import Table
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Progress

RECOVERED = 0.02
"""A class counts as recovered when its MRR@10 is no further than this below what it was."""

_ASKS = 20
_BLOCK = 500


def series(table: Table, window: int) -> list[Json]:
    """One point every ``window`` searches, of these searches; a shorter rest makes the last point."""
    return [
        {"searches": min(start + window, len(table)), **_point(table.rows(slice(start, start + window)))}
        for start in range(0, len(table), window)
    ]


def nicknames(table: Table) -> Json:
    """How fast nicknames are learned: MRR@10 of the first, second, ... time that one is asked, over all nicknames.

    ``asks_to_first_place`` is the median number of askings up to the first that shows the right track on top, over the
    nicknames that got there; ``learned`` is their share of those that were asked at all.
    """
    mine = table.rows(table.classes == "nickname")
    keys = mine.column("key").astype(np.int64)
    asked = _ordinals_of_asks(keys)
    curve = [float(mine.reciprocal_ranks[asked == ask].mean()) for ask in range(1, _ASKS + 1) if (asked == ask).any()]
    first = asked[mine.first == 1]
    top = {int(key): int(first[keys[mine.first == 1] == key].min()) for key in np.unique(keys[mine.first == 1])}
    nicknames_asked = len(np.unique(keys))
    return {
        "asked": nicknames_asked,
        "learned": len(top) / nicknames_asked if nicknames_asked else None,
        "asks_to_first_place": float(np.median(list(top.values()))) if top else None,
        "MRR@10_by_asking": curve,
    }


def satisfaction(table: Table, window: int) -> Json:
    """Share of searches whose first page met the need, of the last ``window`` and by class; how right relabels were.

    ``relabel_precision`` is the share of relabelled searches that wanted what they were credited with, None without
    any; weighted, by the weight that it taught with.
    """
    last = table.rows(slice(max(len(table) - window, 0), None))
    relabelled = table.column("relabelled")
    relabelled = relabelled[relabelled != 0]
    return {
        "satisfied": _mean(last.column("satisfied")),
        "satisfied_by_class": {name: _mean(last.column("satisfied")[kept]) for name, kept in _by_class(last)},
        "relabelled": len(relabelled),
        "relabel_precision": _mean((relabelled > 0).astype(np.float64)),
        "relabel_precision_weighted": float(relabelled[relabelled > 0].sum() / np.abs(relabelled).sum())
        if len(relabelled)
        else None,
    }


def recovery(table: Table, changes_at: int, window: int) -> Json:
    """By class, and over all: MRR@10 in the ``window`` before a drift, in the worst 500 searches after it, in the last.

    ``last`` is over as many searches as ``before``. ``recovered_after`` is how many searches after the drift the first
    of two blocks of 500 in a row ends that are both within `RECOVERED` of the earlier quality: one alone may be luck.
    None where there are none, or where the class is new.
    """
    return {
        name: _recovery(table.reciprocal_ranks, kept, changes_at, window)
        for name, kept in (("all", np.ones(len(table), np.bool_)), *_by_class(table))
    }


def exploration(table: Table) -> Json:
    """What drawing at random costs a search (expected, modelled milliseconds), and how far the oracle is ahead.

    ``regret`` is in reciprocal rank, milliseconds priced by the platform's cost weight; None where nothing was audited.
    """
    regret = table.column("regret")
    audited = ~np.isnan(regret)
    return {
        "exploring_ms": _mean(table.column("exploring_ms")),
        "audited": int(audited.sum()),
        "regret": _mean(regret[audited]),
        "oracle_ms": _mean(table.column("oracle_ms")[audited]),
    }


def _point(part: Table) -> Json:
    return {
        "MRR@10": _mean(part.reciprocal_ranks),
        "cost_ms": _mean(part.cost_ms),
        "real_ms": _mean(part.real_ms),
        "search_ms": _mean(part.column("search_ms")),
        **exploration(part),
        "by_class": {name: _class_point(part.rows(kept)) for name, kept in _by_class(part)},
    }


def _class_point(part: Table) -> Json:
    played = (part.depths > 0).mean(axis=0).tolist()
    return {
        "searches": len(part),
        "MRR@10": _mean(part.reciprocal_ranks),
        "cost_ms": _mean(part.cost_ms),
        "played": dict(zip(BUILT_IN.names, played, strict=True)),
    }


def _by_class(part: Table) -> list[tuple[str, NDArray[np.bool_]]]:
    return [(name, part.classes == name) for name in np.unique(part.classes).tolist()]


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _ordinals_of_asks(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each search, the how-manieth it is of its query, from 1; (n,)."""
    order = np.argsort(keys, kind="stable")
    _, starts = np.unique(keys[order], return_index=True)
    counted = np.empty(len(keys), np.int64)
    firsts = np.repeat(starts, np.diff([*starts, len(keys)]))
    counted[order] = np.arange(len(keys)) - firsts + 1
    return counted


def _recovery(values: NDArray[np.float64], kept: NDArray[np.bool_], changes_at: int, window: int) -> Json:
    def level(start: int, stop: int) -> float | None:
        return _mean(values[start:stop][kept[start:stop]])

    before = level(max(changes_at - window, 0), changes_at)
    starts = range(changes_at, len(values), _BLOCK)
    blocks = [(at - changes_at + _BLOCK, mean) for at in starts if (mean := level(at, at + _BLOCK)) is not None]
    back = [at for at, mean in blocks if before is not None and mean >= before - RECOVERED]
    return {
        "before": before,
        "worst": min((mean for _, mean in blocks), default=None),
        "last": level(max(len(values) - window, changes_at), len(values)),
        "recovered_after": next((at for at, following in pairwise(back) if following == at + _BLOCK), None),
    }


def simulated(
    data: Path,
    experiment: Experiment,
    settings: SimulateSettings,
    *,
    folder: Path | None = None,
    jobs: int = 1,
    progress: Progress = lambda *_: None,
) -> Json:
    """Play an experiment in the music of ``data`` and return the summary; ``folder`` keeps homes and figures.

    ``jobs`` policies are played at a time, see `simulate`.

    Raises:
        BadInput: the data or the settings cannot be used.
        Conflict: ``folder`` holds another experiment.
        MissingDependency: the extra `replay` is not installed.
    """
    music = spotify_songs(data)
    with kept_or_scratch(folder) as place:
        return summary(simulate(music, experiment, settings, place, jobs=jobs, progress=progress))


def summary(played: Simulated) -> Json:
    """The summary of a run (`bandstand.replay.summary.summarize`), and for each policy what it learned and when.

    ``series`` beside the policies is that of the first one. MRR@10 is over all searches, whatever was shown or clicked.
    ``encode_ms`` is what encoding a query takes here; the real milliseconds beside it were taken with vectors at hand.
    """
    experiment, window = played.experiment, played.settings.window
    result = summarize(played.run, played.tables)
    for name, table in played.tables.items():
        figures = {"series": series(table, window), "nicknames": nicknames(table), **exploration(table)}
        figures["retried"] = float(table.column("retried").mean())
        figures |= satisfaction(table, window)
        if experiment.changes_at is not None and experiment.changes_at < len(table):
            figures["recovery"] = recovery(table, experiment.changes_at, window)
        result["policies"][name] |= figures
    result["encode_ms"] = played.encode_ms
    first = played.settings.policies[0]
    result["series"] = [{"policy": first, **point} for point in result["policies"][first]["series"]]
    return result
