"""Vowpal Wabbit's dsjson: one line for each arm's choice among the depths, for ``vw --dsjson --cb_explore_adf``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import orjson

from bandstand.errors import BadInput
from bandstand.feedback.fields import iso, timestamp
from bandstand.feedback.formats.shared import choices
from bandstand.feedback.joined import Joined
from bandstand.types import DEPTHS, ArmDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class DsDecision:
    """One line: the arm's choice, its time, its reward (minus the label's cost) and the logged distribution."""

    event_id: str
    time: float
    arm: str
    depth: int
    propensity: float
    reward: float
    probabilities: tuple[float, ...]
    context: dict[str, float]
    version: str


def write_dsjson(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """Write every choice with cost = -reward, the whole page's reward in [0, 1]; returns how many lines."""
    count = 0
    for search in searches:
        reward = search.outcome().reward
        for arm in choices(search):
            line = _line(search, arm, reward)
            out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count


def read_dsjson(source: IO[bytes]) -> Iterator[DsDecision]:
    """The choices of a file that `write_dsjson` wrote.

    Raises:
        BadInput: a line is not such a choice.
    """
    for number, line in enumerate(source, start=1):
        try:
            yield _decision(orjson.loads(line))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise BadInput(f"line {number} is not a choice of depths in dsjson: {error!r}") from error


def _line(search: Joined, arm: ArmDecision, reward: float) -> dict[str, object]:
    impression = search.impression
    chosen = DEPTHS.index(arm.depth)
    # VW expects the chosen action first in `a`, and `p` in the order of `a`.
    order = [chosen, *(index for index in range(len(DEPTHS)) if index != chosen)]
    # VW leaves a feature out that is not there; JSON has no NaN to say it with.
    context = {name: value for name, value in arm.context if math.isfinite(value)}
    return {
        "_label_cost": 0.0 - reward,
        "_label_probability": arm.propensity,
        "_label_Action": chosen + 1,
        "_labelIndex": chosen,
        "Timestamp": iso(impression.query.time),
        "Version": "1",
        "EventId": f"{impression.query.id}/{arm.arm}",
        "event_id": f"{impression.query.id}/{arm.arm}",
        "a": [index + 1 for index in order],
        "p": [arm.probabilities[index] for index in order],
        "c": {
            "shared": {"arm": {arm.arm: 1}, "context": context},
            "_multi": [{"depth": {str(depth): 1}} for depth in DEPTHS],
        },
        "VWState": {"m": f"{impression.decision.policy}/{impression.decision.version}"},
    }


def _decision(line: dict[str, Any]) -> DsDecision:
    chosen = line["_labelIndex"]
    by_action = dict(zip(line["a"], line["p"], strict=True))
    shared = line["c"]["shared"]
    (depth,) = line["c"]["_multi"][chosen]["depth"]
    (arm,) = shared["arm"]
    return DsDecision(
        event_id=line["event_id"],
        time=timestamp(line["Timestamp"], "Timestamp") or 0.0,
        arm=arm,
        depth=int(depth),
        propensity=line["_label_probability"],
        reward=0.0 - line["_label_cost"],
        probabilities=tuple(by_action[action] for action in sorted(by_action)),
        context=dict(shared["context"]),
        version=line["VWState"]["m"],
    )
