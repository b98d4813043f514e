"""The online experiment: what each visitor earned, and the test that is fed with it, in the learner's transaction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from bandstand.bandit.experiment import SequentialTest, Split
from bandstand.learner.open_searches import KeyValue
from bandstand.types import Impression

START_EXPERIMENT, STOP_EXPERIMENT = "start_experiment", "stop_experiment"
"""Control records: ``{"id", "a", "b", "share", "alpha", "window_s"}``, and ``{"id"}``."""

_RUNNING = b"experiment/now"
_PAST = b"experiment/past/"
_VISITOR = b"experiment/visitor/"
_DUE = b"experiment/ripe/"
_NUMBER = "%016x"
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment and where its test stands; ``stopped`` is when it ended, in seconds since 1970.

    ``by_arm`` holds, for each policy, searches and sums over them: reward, clicked, milliseconds of retrieval.
    """

    split: Split
    test: SequentialTest
    stopped: float | None = None
    decided: float | None = None
    by_arm: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    version: int = 1


class _Visitor(msgspec.Struct, frozen=True, array_like=True):
    """A visitor's policy, the time of the first search (None: handed to the test), and searches and their reward."""

    in_b: bool
    first: float | None = None
    searches: int = 0
    reward: float = 0.0
    version: int = 1


class ExperimentKeeper:
    """Follows the running experiment. A visitor counts once, with the mean reward of the first ``window_s`` seconds.

    Searches of one visitor are alike; the test wants values that are not. So one visitor is one value, which is handed
    to the test when everything of that time has finalized: at the end of the window of ``window`` seconds after it.
    """

    def __init__(self, state: KeyValue, *, window: float) -> None:
        self._state = state
        self._window = window
        self._now = running_experiment(state.get)

    def handle(self, kind: str, payload: Mapping[str, Any], now: float) -> None:
        """Start or stop, at ``now``; one that starts ends the one before."""
        running = self._now
        if kind == START_EXPERIMENT:
            self._stop(now)
            split = _split({**payload, "started": now})
            self._put(Experiment(split=split, test=SequentialTest.begin(share=split.share, alpha=split.alpha)))
        elif kind == STOP_EXPERIMENT and running is not None and running.split.id == payload.get("id"):
            self._stop(now)

    def finalize(self, now: float) -> None:
        """Hand to the test every visitor whose window is over."""
        while self._now is not None and (key := self._state.first(_DUE)) is not None and _moment(key) <= now:
            visitor = _VISITOR + key.rpartition(b"/")[2]
            raw = self._state.get(visitor)
            self._state.delete(key)
            if raw is None:  # forgotten meanwhile
                continue
            known = msgspec.json.decode(raw, type=_Visitor)
            self._state.put(visitor, msgspec.json.encode(_Visitor(known.in_b)))  # counted, and never again
            test = self._now.test.with_visitor(known.reward / known.searches, in_b=known.in_b)
            decided = self._now.decided or (_moment(key) if test.better else None)
            self._put(replace(self._now, test=test, decided=decided))

    @property
    def next_due(self) -> float:
        """When the next visitor's window is over; infinity where none is waited for."""
        key = None if self._now is None else self._state.first(_DUE)
        return math.inf if key is None else _moment(key)

    def add(self, impression: Impression, who: str, reward: float) -> None:
        """Count a finalized search by ``who`` (a hash), if it was part of the running experiment."""
        running, decision = self._now, impression.decision
        if running is None or decision.experiment != running.split.id or not who:
            return
        cost = sum(outcome.took_ms for outcome in impression.outcomes)
        added = (1.0, reward, float(reward > 0), cost)
        sums = running.by_arm.get(decision.policy, (0.0,) * len(added))
        total = tuple(old + new for old, new in zip(sums, added, strict=True))
        self._put(replace(running, by_arm={**running.by_arm, decision.policy: total}))
        self._visitor(running.split, who, impression, reward)

    def forget(self, *who: str) -> None:
        """Drop what is known of visitors; what was added up stays, without a name."""
        names = {each.encode() for each in who}
        for name in names:
            self._state.delete(_VISITOR + name)
        for key, _ in self._state.scan(_DUE):
            if key.rpartition(b"/")[2] in names:
                self._state.delete(key)

    def _visitor(self, split: Split, who: str, impression: Impression, reward: float) -> None:
        key, time = _VISITOR + who.encode(), impression.query.time
        raw = self._state.get(key)
        if raw is None:
            self._state.put(_due_key(time + split.window_s + self._window, who), b"")
            in_b = impression.decision.policy == split.b
            self._state.put(key, msgspec.json.encode(_Visitor(in_b, time, 1, reward)))
            return
        known = msgspec.json.decode(raw, type=_Visitor)
        if known.first is not None and time <= known.first + split.window_s:
            more = _Visitor(known.in_b, known.first, known.searches + 1, known.reward + reward)
            self._state.put(key, msgspec.json.encode(more))

    def _stop(self, now: float) -> None:
        """Put the running experiment among the past ones, and forget its visitors."""
        if self._now is None:
            return
        self._state.put(_PAST + self._now.split.id.encode(), msgspec.json.encode(replace(self._now, stopped=now)))
        for prefix in (_VISITOR, _DUE, _RUNNING):
            for key, _ in self._state.scan(prefix):
                self._state.delete(key)
        self._now = None

    def _put(self, experiment: Experiment) -> None:
        self._now = experiment
        self._state.put(_RUNNING, msgspec.json.encode(experiment))


def running_experiment(get: Callable[[bytes], bytes | None]) -> Experiment | None:
    """The experiment that runs now; None where none does. ``get`` reads the learner's state, e.g. `Memory.state`."""
    raw = get(_RUNNING)
    return None if raw is None else _loaded(raw)


def past_experiments(scan: Callable[[bytes], Iterator[tuple[bytes, bytes]]]) -> list[Experiment]:
    """Those that ended, newest first; ``scan`` gives the learner's stored pairs under a prefix."""
    return sorted((_loaded(raw) for _, raw in scan(_PAST)), key=lambda experiment: -experiment.split.started)


def _loaded(raw: bytes) -> Experiment:
    values = msgspec.json.decode(raw)
    return msgspec.convert({**values, "split": _split(values["split"])}, Experiment)


def _split(values: Mapping[str, Any]) -> Split:
    """A split as it is stored; version 0.1 called its window ``ripens_s``."""
    return msgspec.convert({"window_s" if name == "ripens_s" else name: value for name, value in values.items()}, Split)


def _due_key(moment: float, who: str) -> bytes:
    return _DUE + (_NUMBER % max(int(moment * _MICROSECONDS), 0)).encode() + b"/" + who.encode()


def _moment(key: bytes) -> float:
    return int(key[len(_DUE) :].partition(b"/")[0], 16) / _MICROSECONDS
