"""The ledger: what came of settled searches, added up by the minute in which they were made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import orjson

from bandstand.learner.open_searches import KeyValue

MINUTE_S, HOUR_S = 60, 3600
KEPT_MINUTES_S, KEPT_HOURS_S = 2 * 86_400, 90 * 86_400
"""How long single minutes are kept before they become hours, and how long hours are."""

Counts = dict[str, float]
"""Sums by name; what is not there is 0."""

_MINUTES, _HOURS = b"ledger/m/", b"ledger/h/"


class Ledger:
    """Adds settled searches up; part of the learner's transaction, so that each search counts exactly once.

    Sums are held by minute for two days, then by hour for ninety. Each number is added to the stored sum by itself, so
    that how the log is cut into batches makes no difference, not even in the last digit.
    """

    def __init__(self, state: KeyValue) -> None:
        self._state = state
        self._open: dict[bytes, Counts] = {}

    def add(self, time: float, counts: Mapping[str, float]) -> None:
        """Add the counts of a search that was made at ``time``, in seconds since 1970."""
        key = _key(_MINUTES, time, MINUTE_S)
        if key not in self._open:
            self._open[key] = _loaded(self._state.get(key))
        sums = self._open[key]
        for name, value in counts.items():
            sums[name] = sums.get(name, 0.0) + value

    def flush(self) -> None:
        """Put the sums into the transaction."""
        for key, sums in self._open.items():
            self._state.put(key, orjson.dumps(sums))
        self._open.clear()

    def housekeep(self, now: float) -> None:
        """Turn minutes that are old into hours, and drop hours that are."""
        self.flush()
        before = _key(_MINUTES, now - KEPT_MINUTES_S, HOUR_S)
        for key, raw in self._state.scan(_MINUTES):
            if key < before:
                self._fold(_key(_HOURS, _time(key), HOUR_S), _loaded(raw))
                self._state.delete(key)
        for key, _ in self._state.scan(_HOURS):
            if key < _key(_HOURS, now - KEPT_HOURS_S, HOUR_S):
                self._state.delete(key)

    def _fold(self, key: bytes, sums: Counts) -> None:
        hour = _loaded(self._state.get(key))
        for name, value in sums.items():
            hour[name] = hour.get(name, 0.0) + value
        self._state.put(key, orjson.dumps(hour))


def read_ledger(
    scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]], *, since: float
) -> Iterator[tuple[float, Counts]]:
    """Sums from a time on, with the moment (seconds since 1970) at which their minute or hour began; oldest first.

    ``scan`` gives the stored pairs under a prefix, e.g. `Memory.scan`.
    """
    for prefix in (_HOURS, _MINUTES):
        for key, raw in scan(prefix):
            if _time(key) >= since:
                yield _time(key), _loaded(raw)


def _key(prefix: bytes, time: float, step: int) -> bytes:
    """Keys sort as times do; a time before 1970 counts as then."""
    return prefix + b"%012x" % (max(int(time), 0) // step * step)


def _time(key: bytes) -> float:
    return float(int(key[-12:], 16))


def _loaded(raw: bytes | None) -> Counts:
    counts: Counts = orjson.loads(raw) if raw else {}
    return counts
