"""Logs in the formats of the Open Bandit Pipeline: its feedback dictionary and the CSV of its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandstand.bandit.context import Context
from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput, StorageError
from bandstand.replay.ope.logs import distribution_of
from bandstand.replay.ope.rounds import Feedback

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


def arm_target(log: Mapping[str, Any], arm: str, policy: Policy) -> NDArray[np.float64]:
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


def _flat(table: ArrayLike) -> NDArray[np.float64]:
    """OBP's (n, k, positions) with one position as (n, k)."""
    array = np.asarray(table, np.float64)
    if array.ndim == 3 and array.shape[2] != 1:
        raise BadInput(f"distributions for {array.shape[2]} positions: use the functions for rankings", field="pi_b")
    return array[:, :, 0] if array.ndim == 3 else array
