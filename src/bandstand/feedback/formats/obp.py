"""The Open Bandit Pipeline's feedback dictionary, one for each arm, in one ``.npz``.

Keys are ``<arm>/<field>``: n_rounds, n_actions, action (index into the depths), position (always 0), reward, pscore,
context (n_rounds, d), action_context (n_actions, 1: the depths), pi_b (n_rounds, n_actions, 1: what the logging
policy would have done), context_names. An arm whose context changed its names within the log becomes
``<arm>@2`` and so on, as rows of different columns do not stack.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.feedback.formats.shared import choices
from bandstand.feedback.joined import Joined
from bandstand.types import DEPTHS, ArmDecision

_FIXED = 3
"""A spooled row is float64: action, reward, pscore, then the distribution over depths, then the context."""


def write_obp(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """Write every choice; returns how many. Rows wait in temporary files, so memory does not grow with the log."""
    count = 0
    with ExitStack() as stack:
        spools: dict[tuple[str, tuple[str, ...]], IO[bytes]] = {}
        for search in searches:
            reward = search.outcome().reward
            for arm in choices(search):
                key = (arm.arm, tuple(name for name, _ in arm.context))
                if key not in spools:
                    spools[key] = stack.enter_context(TemporaryFile())
                spools[key].write(_row(arm, reward).tobytes())
                count += 1
        _write_archive(spools, out)
    return count


def read_obp(source: Path | IO[bytes]) -> dict[str, dict[str, Any]]:
    """Feedback dictionaries by arm, as OBP's estimators take them.

    Raises:
        BadInput: it is not such an archive.
    """
    feedback: dict[str, dict[str, Any]] = {}
    try:
        with np.load(source, allow_pickle=False) as archive:
            for key in archive.files:
                arm, _, name = key.rpartition("/")
                value = archive[key]
                feedback.setdefault(arm, {})[name] = int(value) if value.ndim == 0 else value
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise BadInput(f"this is no OBP archive (.npz): {error}") from error
    return feedback


def _row(arm: ArmDecision, reward: float) -> NDArray[np.float64]:
    context = [value for _, value in arm.context]
    return np.array([DEPTHS.index(arm.depth), reward, arm.propensity, *arm.probabilities, *context], np.float64)


def _write_archive(spools: Mapping[tuple[str, tuple[str, ...]], IO[bytes]], out: IO[bytes]) -> None:
    used: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for (arm, names), spool in spools.items():
            used[arm] = used.get(arm, 0) + 1
            label = arm if used[arm] == 1 else f"{arm}@{used[arm]}"
            for field, values in _feedback(spool, names).items():
                with archive.open(f"{label}/{field}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(values), allow_pickle=False)


def _feedback(spool: IO[bytes], names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    spool.flush()
    actions = len(DEPTHS)
    width = _FIXED + actions + len(names)
    # Mapped, not read: the system pages rows in and out as they are copied into the archive.
    rows = np.memmap(spool, np.float64, "r").reshape(-1, width)
    return {
        "n_rounds": np.array(len(rows)),
        "n_actions": np.array(actions),
        "action": rows[:, 0].astype(np.int64),
        "position": np.zeros(len(rows), np.int64),
        "reward": rows[:, 1],
        "pscore": rows[:, 2],
        "context": rows[:, _FIXED + actions :],
        "action_context": np.array(DEPTHS, np.float64).reshape(-1, 1),
        "pi_b": rows[:, _FIXED : _FIXED + actions, np.newaxis],
        "context_names": np.array(names, np.str_),
    }
