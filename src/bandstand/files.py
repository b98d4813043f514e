"""Files and folders that a crash leaves either as they were or as they should be, never in between."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp-"
"""Prefix of what is being written or deleted; whoever holds the folder's lock may remove such leftovers."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's exclusive lock, against other threads and processes; the folder is created when missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_file(path: Path, content: bytes) -> None:
    """Replace the file in one step, so that readers see the old bytes or the new ones; both survive power loss."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    _write_synced(temporary, content)
    temporary.replace(path)
    _sync_folder(path.parent)


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Let a new folder appear in one step with all its files."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    temporary.mkdir()
    for name, content in contents.items():
        _write_synced(temporary / name, content)
    _sync_folder(temporary)
    temporary.rename(path)
    _sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Let a folder vanish in one step; if the deletion behind that is cut short, `remove_leftovers` completes it."""
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
    path.rename(temporary)
    shutil.rmtree(temporary)


def remove_leftovers(folder: Path) -> None:
    """Remove what interrupted writes and deletions left; call it with the folder's lock held."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file, on disk when this returns; a half line that a kill left behind is closed first."""
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = b"\n" * (file.read(1) != b"\n") + line
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make renames inside the folder durable, which fsync of the files alone does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
