"""A log file of any of the formats that are read, as rounds under a policy; the ending says which format it is."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput, StorageError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.formats.dsjson import read_dsjson
from bandstand.feedback.formats.obp import read_obp
from bandstand.feedback.joined import Joined
from bandstand.feedback.ubi_events import impression_from_ubi, parse_event
from bandstand.replay.ope.estimate import Floats
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.logs import decisions_to_feedback, distribution_of, log_to_feedback
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Event, Impression, Roster
from bandstand.types.hashing import digest

if TYPE_CHECKING:
    import pandas as pd


OpenBanditLog = dict[str, Any]
"""The Open Bandit Pipeline's feedback dictionary: n_rounds, n_actions, action, reward, pscore, position, ..."""

_OPEN_BANDIT_COLUMNS = {"item_id": "action", "position": "position", "click": "reward", "propensity_score": "pscore"}
_ROWS = 100_000
"""Rows of a CSV that are read at once."""


def read_open_bandit(path: Path) -> OpenBanditLog:
    """A CSV of the Open Bandit Dataset (item_id, position, click, propensity_score), gzipped or not, read in parts.

    Raises:
        BadInput: A column is missing, a cell is no number, or there are no rows.
        StorageError: The file cannot be read.
    """
    import pandas as pd

    try:
        header = pd.read_csv(path, nrows=0).columns
        missing = [name for name in _OPEN_BANDIT_COLUMNS if name not in header]
        if missing:
            raise BadInput(f"the column {missing[0]!r} is missing", field=missing[0])
        with pd.read_csv(path, usecols=list(_OPEN_BANDIT_COLUMNS), chunksize=_ROWS) as parts:
            columns = [_numeric(part) for part in parts]
    except pd.errors.EmptyDataError as error:
        raise BadInput(f"{path} has no rows", field="action") from error
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
    table = np.concatenate(columns) if columns else np.empty((0, len(_OPEN_BANDIT_COLUMNS)))
    if not len(table):
        raise BadInput(f"{path} has no rows", field="action")
    log: OpenBanditLog = dict(zip(_OPEN_BANDIT_COLUMNS.values(), table.T, strict=True))
    log["action"] = log["action"].astype(np.int64)
    return log | {"n_rounds": len(table), "n_actions": int(log["action"].max()) + 1}


def _numeric(part: pd.DataFrame) -> NDArray[np.float64]:
    """The columns of `_OPEN_BANDIT_COLUMNS`, (rows, 4); line 1 of the file is the header."""
    import pandas as pd

    columns = []
    for name in _OPEN_BANDIT_COLUMNS:
        values = pd.to_numeric(part[name], errors="coerce").to_numpy(np.float64)
        for place in np.flatnonzero(~np.isfinite(values))[:1]:
            line = int(part.index[place]) + 2
            raise BadInput(f"line {line}: {name} is {part[name].iloc[place]!r}, which is no number", field=name)
        columns.append(values)
    return np.stack(columns, axis=1)


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


def arm_target(log: Mapping[str, Any], arm: str, policy: Policy, roster: Roster = BUILT_IN) -> NDArray[np.float64]:
    """What a policy would do about one arm in the contexts of an exported dictionary (`read_obp`): (n, depths).

    The other arms stay as they were logged: the question is what changing this arm alone would earn.

    Raises:
        BadInput: The dictionary has no contexts.
    """
    if log.get("context") is None or log.get("context_names") is None:
        raise BadInput("the feedback has no context: export it with contexts", field="context")
    names = [str(name) for name in log["context_names"]]
    contexts = (Context(tuple(zip(names, row, strict=True))) for row in np.asarray(log["context"]).tolist())
    spec = roster[arm.partition("@")[0]]
    return np.array([distribution_of(policy.decide(spec, context, 0.0)) for context in contexts])


def _flat(table: ArrayLike) -> NDArray[np.float64]:
    """OBP's (n, k, positions) with one position as (n, k)."""
    array = np.asarray(table, np.float64)
    if array.ndim == 3 and array.shape[2] != 1:
        raise BadInput(f"distributions for {array.shape[2]} positions: use the functions for rankings", field="pi_b")
    return array[:, :, 0] if array.ndim == 3 else array


_Record = TypeVar("_Record")

_FUTURE = float("inf")
_NEVER = 0.0
"""The time of an event that says none: it belongs to no search."""
_SEARCH, _EVENT = b'"query_attributes"', b'"action_name"'


def searches_from_ubi(
    source: IO[bytes], *, window: float = 1800.0, unused: Counter[str] | None = None
) -> Iterator[Joined]:
    """Searches in the order of the file, each with its events, as `write_ubi` writes them.

    The file (seekable) is read twice: once to learn where the events of each search stand, 16 bytes an event, and once
    for the searches. ``unused`` counts the events that belong to none, by reason.

    Raises:
        BadInput: A line is neither a search nor an event, or was not written by Bandstand.
    """
    events = _EventIndex(source)
    attribution = Attribution(window=window)
    counts: Counter[str] = Counter() if unused is None else unused
    used = 0
    for number, at, line in _lines(source):
        if _is_search(line):
            impression = _named(number, line, impression_from_ubi)
            named = events.of(impression.query.id, after=at + len(line))
            used += len(named)
            own = {event.id: event for event in named}
            counts["with an id that was there before"] += len(named) - len(own)
            kept = attribution.of(impression, own.values())
            counts.update(_reason(impression, each, window) for each in own.values() if each not in kept)
            yield Joined(impression=impression, events=kept, attribution=attribution)
    if orphans := len(events) - used:
        counts["of no search in the file"] += orphans


class _EventIndex:
    """Where the events of each search stand in a file."""

    def __init__(self, source: IO[bytes]) -> None:
        keys, places = array("Q"), array("Q")
        for number, at, line in _lines(source):
            if not _is_search(line):
                event = _named(number, line, _event)
                keys.append(_key(event.query_id or ""))
                places.append(at)
        found: NDArray[np.uint64] = np.frombuffer(keys, np.uint64)
        order = np.argsort(found, kind="stable")
        self._keys, self._places = found[order], np.frombuffer(places, np.uint64)[order]
        self._source = source

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, query_id: str, *, after: int) -> list[Event]:
        """The events that name a search, in the order of the file, which is left at the place ``after``."""
        key = np.uint64(_key(query_id))
        first, last = np.searchsorted(self._keys, key), np.searchsorted(self._keys, key, "right")
        found = []
        for place in self._places[first:last].tolist():
            self._source.seek(place)
            found.append(_event(orjson.loads(self._source.readline())))
        if found:
            self._source.seek(after)
        return [event for event in found if event.query_id == query_id]


def _lines(source: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, where it begins, line) of every line that is not blank."""
    source.seek(0)
    number = at = 0
    while line := source.readline():
        number += 1
        if line.strip():
            yield number, at, line
        at += len(line)


def _is_search(line: bytes) -> bool:
    """Told by its attributes; a line that names both is looked into."""
    if _SEARCH not in line or _EVENT not in line:
        return _SEARCH in line
    try:
        return "query_attributes" in orjson.loads(line)
    except orjson.JSONDecodeError:
        return False


def _named(number: int, line: bytes, read: Callable[[Any], _Record]) -> _Record:
    """What ``read`` makes of a line; the number of the line stands in every complaint."""
    try:
        return read(orjson.loads(line))
    except (BadInput, orjson.JSONDecodeError) as error:
        raise BadInput(f"line {number}: {error}") from error


def _event(document: Any) -> Event:  # noqa: ANN401  JSON as it was read
    if not isinstance(document, dict) or "action_name" not in document:
        raise BadInput("neither a UBI query nor a UBI event: it has no query_attributes and no action_name")
    return parse_event({**document, "timestamp": document.get("timestamp") or _NEVER}, now=_FUTURE)


def _reason(impression: Impression, event: Event, window: float) -> str:
    delay = event.time - impression.query.time
    if event.time == _NEVER:
        return "without a time"
    return "before their search" if delay < 0 else f"more than {window:g} s after their search"


def _key(query_id: str) -> int:
    return int.from_bytes(digest(query_id))


Find = Callable[[str], Policy]
"""The platform's policy of a name."""

_UNIFORM = "random"
_MODEL = "estimated_rewards_by_reg_model"
"""What the Open Bandit Pipeline calls a reward model's predictions."""


def read_log(
    path: Path,
    policy: str,
    find: Find,
    *,
    arm: str | None = None,
    window: float = 1800.0,
    roster: Roster = BUILT_IN,
) -> Feedback:
    """The rounds of a log file under the policy of that name.

    ``.dsjson`` is Vowpal Wabbit's format, ``.npz`` the Open Bandit Pipeline's dictionary, ``.csv`` and ``.csv.gz`` the
    Open Bandit Dataset; anything else is read as UBI documents, one a line. A dictionary that Bandstand exported holds
    one table for each arm: ``arm`` says which. In one of others, and in the dataset, the policy is ``random``
    (uniform) or the name of an array with the evaluation policy's distributions, (n, k).

    Raises:
        BadInput: There is no such file, arm or policy, or nothing in the file can be used.
        StorageError: The file cannot be read.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}", field="log")
    if path.suffix == ".npz":
        return _dictionary(path, policy, find, arm, roster)
    if arm is not None:
        raise BadInput("an arm is chosen for .npz alone: elsewhere all arms are evaluated together", field="arm")
    if path.name.endswith((".csv", ".csv.gz")):
        log = read_open_bandit(path)
        return obp_to_feedback(log, _distributions(log, policy))
    with path.open("rb") as lines:
        if path.suffix == ".dsjson":
            return decisions_to_feedback(read_dsjson(lines), find(policy), roster)
        unused: Counter[str] = Counter()
        searches = searches_from_ubi(lines, window=window, unused=unused)
        feedback = log_to_feedback(searches, find(policy), roster)
        return replace(feedback, unused={**feedback.unused, **+unused})


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_rounds(feedback: Feedback) -> str:
    """The same of what was logged, for logs that are no file: rewards, choices and propensities."""
    parts = (feedback.reward, feedback.choice, feedback.logged)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _dictionary(path: Path, policy: str, find: Find, arm: str | None, roster: Roster) -> Feedback:
    tables = read_obp(path)
    if list(tables) == [""]:
        table = tables[""]
        return obp_to_feedback(table, _distributions(table, policy), predicted_all=table.get(_MODEL))
    name = arm or (next(iter(tables)) if len(tables) == 1 else "")
    if name not in tables:
        raise BadInput(f"{path.name} holds a table for each of {', '.join(tables)}: choose one by --arm", field="arm")
    return obp_to_feedback(tables[name], arm_target(tables[name], name, find(policy), roster))


def _distributions(log: dict[str, Any], policy: str) -> Floats:
    """What a policy that is not the platform's does in each round, (n, k)."""
    if policy in log:
        return np.asarray(log[policy], np.float64)
    if policy != _UNIFORM:
        raise BadInput(
            f"the log does not say what {policy!r} does: use {_UNIFORM} or the name of an array of distributions",
            field="policy",
        )
    table = log.get("pi_b")
    options = int(log["n_actions"]) if "n_actions" in log else 0 if table is None else np.shape(table)[1]
    options = options or int(np.max(log.get("action", 0))) + 1
    return np.broadcast_to(np.float64(1.0 / options), (len(log.get("action", ())), options))
