"""Logs in the formats that others speak: the Open Bandit Pipeline's dictionary and CSV, and UBI's documents."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import ArrayLike

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput, StorageError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.joined import Joined
from bandstand.feedback.ubi import impression_from_ubi, parse_event
from bandstand.replay.ope.logs import distribution_of
from bandstand.replay.ope.rounds import Feedback
from bandstand.types import Event, Impression

OpenBanditLog = dict[str, Any]
"""The Open Bandit Pipeline's feedback dictionary: n_rounds, n_actions, action, reward, pscore, position, ..."""

_OPEN_BANDIT_COLUMNS = {"item_id": "action", "position": "position", "click": "reward", "propensity_score": "pscore"}
_UNLIMITED = float("inf")


def read_open_bandit(path: Path) -> OpenBanditLog:
    """A CSV of the Open Bandit Dataset (item_id, position, click, propensity_score), gzipped or not.

    Raises:
        BadInput: A column is missing, a cell is no number, or there are no rows.
        StorageError: The file cannot be read.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(newline="") as stream:
            columns = _columns(stream)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    log: OpenBanditLog = {name: np.array(values) for name, values in columns.items()}
    if not len(log["action"]):
        raise BadInput(f"{path} has no rows", field="action")
    log["action"] = log["action"].astype(np.int64)
    return log | {"n_rounds": len(log["action"]), "n_actions": int(log["action"].max()) + 1}


def obp_to_feedback(
    log: Mapping[str, Any], target_all: ArrayLike, *, predicted_all: ArrayLike | None = None
) -> Feedback:
    """A feedback dictionary under an evaluation policy.

    Args:
        log: Needs ``action``, ``reward`` and ``pscore``, each (n,); ``pi_b`` (n, k) or (n, k, 1) is used where given.
        target_all: The evaluation policy's distributions, (n, k) or (n, k, 1).
        predicted_all: A reward model's predictions, (n, k).

    Raises:
        BadInput: A key is missing, or the arrays do not fit.
    """
    missing = [name for name in ("action", "reward", "pscore") if log.get(name) is None]
    if missing:
        raise BadInput(f"the feedback has no {' and no '.join(missing)}", field=missing[0])
    base = log.get("pi_b")
    return Feedback.single(
        reward=log["reward"],
        action=log["action"],
        logged=log["pscore"],
        target_all=_flat(target_all),
        logged_all=None if base is None else _flat(base),
        predicted_all=predicted_all,
    )


def arm_target(log: Mapping[str, Any], arm: str, policy: Policy) -> np.typing.NDArray[np.float64]:
    """What a policy would do about one arm in the contexts of an exported dictionary (`read_obp`): (n, depths).

    The other arms stay as they were logged: the question is what changing this arm alone would earn.

    Raises:
        BadInput: The dictionary has no contexts.
    """
    if log.get("context") is None or log.get("context_names") is None:
        raise BadInput("the feedback has no context: export it with contexts", field="context")
    names = [str(name) for name in log["context_names"]]
    contexts = (Context(tuple(zip(names, row, strict=True))) for row in np.asarray(log["context"]).tolist())
    return np.array([distribution_of(policy.decide(arm.partition("@")[0], context, 0.0)) for context in contexts])


def searches_from_ubi(lines: Iterable[bytes], *, window: float = 1800.0) -> Iterator[Joined]:
    """Searches with their events from UBI documents, one a line, in any order; as `write_ubi` writes them.

    Holds the whole file, since UBI lets an event stand anywhere.

    Raises:
        BadInput: A line is neither a search nor an event, or was not written by Bandstand.
    """
    impressions: list[Impression] = []
    events: dict[str, list[Event]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = _ubi_record(line)
        except (BadInput, orjson.JSONDecodeError) as error:
            raise BadInput(f"line {number}: {error}") from error
        if isinstance(record, Impression):
            impressions.append(record)
        elif record.query_id is not None:
            events.setdefault(record.query_id, []).append(record)
    attribution = Attribution(window=window)
    for impression in impressions:
        own = attribution.of(impression, events.get(impression.query.id, ()))
        yield Joined(impression=impression, events=own, attribution=attribution)


def _ubi_record(line: bytes) -> Impression | Event:
    document = orjson.loads(line)
    if isinstance(document, dict) and "query_attributes" in document:
        return impression_from_ubi(document)
    if isinstance(document, dict) and "action_name" in document:
        return parse_event(document, now=_UNLIMITED)
    raise BadInput("neither a UBI query nor a UBI event: it has no query_attributes and no action_name")


def _columns(stream: Iterable[str]) -> dict[str, list[float]]:
    rows = csv.DictReader(stream)
    missing = [name for name in _OPEN_BANDIT_COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(f"the column {missing[0]!r} is missing", field=missing[0])
    columns: dict[str, list[float]] = {name: [] for name in _OPEN_BANDIT_COLUMNS.values()}
    for number, row in enumerate(rows, start=2):
        for name, key in _OPEN_BANDIT_COLUMNS.items():
            try:
                columns[key].append(float(row[name]))
            except (TypeError, ValueError) as error:
                raise BadInput(f"line {number}: {name} is {row[name]!r}, which is no number", field=name) from error
    return columns


def _flat(table: ArrayLike) -> np.typing.NDArray[np.float64]:
    """OBP's (n, k, positions) with one position as (n, k)."""
    array = np.asarray(table, np.float64)
    if array.ndim == 3 and array.shape[2] != 1:
        raise BadInput(f"distributions for {array.shape[2]} positions: use the functions for rankings", field="pi_b")
    return array[:, :, 0] if array.ndim == 3 else array
