"""A copy of a home that is whole and consistent while a server searches and learns, and a home made of such a copy.

What is derived is copied before what it is derived from: so no position points past the end of its store, and what is
a moment behind catches up. What is quickly made again is left out: the text index, and encoders.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import lmdb
import msgspec

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.backend import Paths
from bandstand.errors import BadInput, BandstandError, StorageError
from bandstand.files import TEMPORARY, locked, write_file
from bandstand.retrievers.encoder import sha256
from bandstand.retrievers.encoder_registry import NO_COPY
from bandstand.settings import Settings
from bandstand.types import Clock

FORMAT = 1
"""Of a backup: to be raised when its parts are laid out in another way."""

_MANIFEST = "backup.json"
_SQLITE = b"SQLite format 3\0"
_LEFT_OUT = ("-wal", "-shm", "-journal", ".lock", ".tmp")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: SHA-256 by file, made when (seconds since 1970), by which version of Bandstand."""

    format: int = FORMAT
    made: float
    bandstand: str
    files: dict[str, str]


def back_up(settings: Settings, target: Path, *, clock: Clock) -> Manifest:
    """Copy a home into a new folder, which appears whole and checked, or not at all.

    Raises:
        BadInput: the folder is not empty, there is no home, or it is a cluster's.
        StorageError: something cannot be read or written, or its copy is damaged.
    """
    paths = Paths(settings.home)
    if settings.backend != "embedded":
        raise BadInput("a cluster is backed up by its own snapshots: see docs/opensearch.md", field="backend")
    if not paths.catalog.exists():
        raise BadInput(f"there is no home in {paths.home}", field="home")
    with _appearing(target) as folder:
        for part in _parts(paths):
            _copy(part, folder / part.name)
        files = {str(path.relative_to(folder)): sha256(path) for path in _files(folder)}
        made = Manifest(made=clock(), bandstand=version("bandstand"), files=files)
        write_file(folder / _MANIFEST, msgspec.json.encode(made))
    return made


def restore(source: Path, settings: Settings) -> Manifest:
    """Make a home of a backup: where there is none, and only of one that is whole and not newer than this program.

    Raises:
        BadInput: there is a home already, or no backup.
        StorageError: the backup is damaged, or of a newer version.
    """
    manifest = _checked(source)
    with _appearing(settings.home) as folder:
        for name in manifest.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        _open(settings, folder)
    return manifest


def _parts(paths: Paths) -> Iterator[Path]:
    """What is copied of a home, in the order in which it must be: the memory first, log and catalogue last."""
    last = (paths.log, paths.catalog, paths.catalog.with_suffix(".ordinals"))
    left_out = {paths.text.name, paths.threads.name, paths.training.name, *NO_COPY}
    rest = [
        path
        for path in sorted(paths.home.iterdir())
        if path not in (paths.memory, *last)
        and path.name not in left_out
        and not path.name.startswith(TEMPORARY)
        and not path.name.endswith(_LEFT_OUT)
    ]
    yield from (path for path in (paths.memory, *rest, *last) if path.exists())


def _copy(source: Path, target: Path) -> None:
    """One part, as of one moment; where it is a database, its copy is checked."""
    if source.is_dir() and (source / "data.mdb").exists():
        _copy_lmdb(source, target)
    elif source.is_dir():
        with locked(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".lock", f"{TEMPORARY}*"))
    elif _is_sqlite(source):
        _copy_sqlite(source, target)
    else:
        shutil.copyfile(source, target)


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")
        ((found,),) = new.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise StorageError(f"{source} is damaged ({found}): bandstand doctor says what to do about it")


def _copy_lmdb(source: Path, target: Path) -> None:
    """A snapshot; that it can be opened and read to its end is what compacting it shows."""
    target.mkdir()
    with closing(lmdb.open(str(source), readonly=True, create=False, max_dbs=64, max_readers=1024)) as environment:
        environment.copy(str(target), compact=True)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A folder that gets its name once the block has filled it, and is gone where that fails."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{target} is there already: name another folder, or move it away", field="folder")
    folder = target.with_name(f"{TEMPORARY}{target.name}-{os.getpid()}")
    with ExitStack() as failed:
        try:
            folder.mkdir(parents=True)
            failed.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder
            if target.exists():
                target.rmdir()
            folder.rename(target)
        except (OSError, sqlite3.Error, lmdb.Error) as cause:
            raise StorageError(f"{target} was not made: {cause}; free some space, or choose another place") from cause
        failed.pop_all()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _checked(source: Path) -> Manifest:
    """The manifest of a backup, all of whose files are as they were written."""
    try:
        manifest = msgspec.json.decode((source / _MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as cause:
        raise BadInput(f"{source} is no whole backup: it has no readable {_MANIFEST}", field="folder") from cause
    if manifest.format > FORMAT:
        raise StorageError(f"{source} was written by a newer Bandstand ({manifest.bandstand}); upgrade Bandstand")
    for name, digest in manifest.files.items():
        if not (source / name).is_file() or sha256(source / name) != digest:
            raise StorageError(f"{source / name} is missing or damaged: restore another backup")
    return manifest


def _open(settings: Settings, folder: Path) -> None:
    """Open every store once, so that a newer version's is refused and an older one's is upgraded before it counts."""
    try:
        with Platform(settings.model_copy(update={"home": folder}), Options()) as platform:
            storage = platform.storage
            storage.log.head(), storage.store.count(), storage.memory.position()
    except BandstandError as error:
        raise StorageError(f"the backup cannot be used: {error}") from error
