"""A log file of any of the formats that are read, as rounds under a policy; the ending says which format it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bandstand.bandit.policy import Policy
from bandstand.errors import BadInput
from bandstand.feedback.formats.dsjson import read_dsjson
from bandstand.feedback.formats.obp import read_obp
from bandstand.replay.ope.checks import Floats
from bandstand.replay.ope.inputs import arm_target, obp_to_feedback, read_open_bandit
from bandstand.replay.ope.logs import decisions_to_feedback, log_to_feedback
from bandstand.replay.ope.rounds import Feedback
from bandstand.replay.ope.ubi import searches_from_ubi

Find = Callable[[str], Policy]
"""The platform's policy of a name."""

_UNIFORM = "random"
_MODEL = "estimated_rewards_by_reg_model"
"""What the Open Bandit Pipeline calls a reward model's predictions."""


def read_log(path: Path, policy: str, find: Find, *, arm: str | None = None, window: float = 1800.0) -> Feedback:
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
        return _dictionary(path, policy, find, arm)
    if arm is not None:
        raise BadInput("an arm is chosen for .npz alone: elsewhere all arms are evaluated together", field="arm")
    if path.name.endswith((".csv", ".csv.gz")):
        log = read_open_bandit(path)
        return obp_to_feedback(log, _distributions(log, policy))
    with path.open("rb") as lines:
        if path.suffix == ".dsjson":
            return decisions_to_feedback(read_dsjson(lines), find(policy))
        unused: Counter[str] = Counter()
        searches = searches_from_ubi(lines, window=window, unused=unused)
        return replace(log_to_feedback(searches, find(policy)), unused=dict(+unused))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_rounds(feedback: Feedback) -> str:
    """The same of what was logged, for logs that are no file: rewards, choices and propensities."""
    parts = (feedback.reward, feedback.choice, feedback.logged)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _dictionary(path: Path, policy: str, find: Find, arm: str | None) -> Feedback:
    tables = read_obp(path)
    if list(tables) == [""]:
        table = tables[""]
        return obp_to_feedback(table, _distributions(table, policy), predicted_all=table.get(_MODEL))
    name = arm or (next(iter(tables)) if len(tables) == 1 else "")
    if name not in tables:
        raise BadInput(f"{path.name} holds a table for each of {', '.join(tables)}: choose one by --arm", field="arm")
    return obp_to_feedback(tables[name], arm_target(tables[name], name, find(policy)))


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
