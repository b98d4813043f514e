"""A replay in one call: played, measured, and written down; the door that the command line comes in by."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson

from bandstand.errors import BadInput, StorageError
from bandstand.replay.part import Told
from bandstand.replay.report.page import render
from bandstand.replay.run import play, play_on_dask
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stream import Dataset
from bandstand.replay.summary import summarize

Json = dict[str, Any]


def evaluate(
    dataset: Dataset,
    settings: ReplaySettings,
    *,
    folder: Path | None = None,
    told: Told = lambda *_: None,
    dask: str | None = None,
) -> Json:
    """Play the data set and return the summary; ``folder`` keeps everything, so that an interrupted call can go on.

    ``dask`` is the address of a scheduler whose workers play the policies, see `play_on_dask`.

    Raises:
        BadInput: the data or the settings cannot be used; ``dask`` is given and ``folder`` is not.
        Conflict: ``folder`` holds another replay.
        MissingDependency: bandstand[replay] is not installed.
    """
    if dask is not None:
        if folder is None:
            raise BadInput("name a folder that every Dask worker sees: --folder", field="folder")
        return summarize(dataset, settings, play_on_dask(dataset, settings, folder, dask, told=told))
    if folder is not None:
        return summarize(dataset, settings, play(dataset, settings, folder, told=told))
    with tempfile.TemporaryDirectory(prefix="bandstand-replay-") as scratch:
        return summarize(dataset, settings, play(dataset, settings, Path(scratch), told=told))


def write_json(result: Json, path: Path) -> None:
    """The summary as JSON; what is not a number is null.

    Raises:
        StorageError: the file cannot be written.
    """
    _write(path, orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))


def write_report(result: Json, path: Path) -> None:
    """The summary as a page.

    Raises:
        StorageError: the file cannot be written.
        MissingDependency: bandstand[replay] is not installed.
    """
    _write(path, render(result).encode())


def read_result(path: Path) -> Json:
    """A summary that `write_json` wrote.

    Raises:
        BadInput: the file is missing or is no replay's result; the message names what it lacks.
    """
    try:
        result = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as cause:
        raise BadInput(f"{path} cannot be read as a replay's result: {cause}") from cause
    wanted = ("dataset", "protocol", "data_sha256", "seed", "n_searches", "policies")
    if not isinstance(result, dict) or (missing := [name for name in wanted if name not in result]):
        raise BadInput(
            f"{path} is no replay's result: it lacks {', '.join(missing if isinstance(result, dict) else wanted)}"
        )
    return result


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as cause:
        raise StorageError(f"{path} cannot be written: {cause.strerror}; choose another place") from cause
