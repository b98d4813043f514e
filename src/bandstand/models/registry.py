"""The model registry: versioned, verified model folders with an atomic pointer to the one that serves.

Layout under the root, for each name in `MODEL_NAMES`::

    ranker/20260101T120000-1a2b3c/   one immutable version: its files and manifest.json
    ranker/CURRENT                   which version serves, the ones before it, and whether it is pinned
    ranker/.lock                     held by whoever publishes, promotes, rolls back or prunes

Readers take no lock: a version appears, and the pointer changes, in one step (`bandstand.files`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bandstand.errors import BadInput, Conflict, ModelError, NotFound, StorageError
from bandstand.files import locked, remove_folder, remove_leftovers, write_file, write_folder
from bandstand.models.versions import (
    HISTORY,
    MANIFEST,
    ModelCard,
    ModelVersion,
    Pointer,
    contents_of,
    decode_manifest,
    decode_pointer,
    encode_manifest,
    encode_pointer,
    next_version,
    remedy,
)
from bandstand.types import Clock

__all__ = [
    "HISTORY",
    "MANIFEST",
    "MODEL_NAMES",
    "POINTER",
    "ModelCard",
    "ModelRegistry",
    "ModelVersion",
    "Pointer",
    "Stamp",
]

MODEL_NAMES = ("ranker", "bandit", "abstention", "reward", "generator")
POINTER = "CURRENT"

_VERSION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")

Stamp = tuple[int, int, int]
"""Inode, modification time in ns and size of the pointer: another one after every promote and rollback."""


class ModelRegistry:
    """Publishes, promotes, rolls back and prunes model versions; safe for several threads and processes."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    def publish(self, name: str, files: Mapping[str, bytes] | Path, card: ModelCard | None = None) -> str:
        """Store a new version, without promoting it, and return its name.

        ``files`` maps plain file names to contents, or is a flat folder. Version names are strictly increasing
        within a model: when the clock stands still or steps back, the newest name's second plus one is taken.

        Raises:
            BadInput: no files, or a file name that is not plain.
            StorageError: the version cannot be written.
        """
        contents = contents_of(files)
        with self._locked(name) as folder:
            remove_leftovers(folder)
            created = self._clock()
            encoded = encode_manifest(name, created, contents, card or ModelCard())
            version = next_version(self._versions(name), created, encoded)
            self._store(name, folder / version, {**contents, MANIFEST: encoded})
        return version

    def promote(self, name: str, version: str, *, automatic: bool = False) -> bool:
        """Let ``version`` serve from now on; returns whether it does.

        An explicit promote also lifts the pin that a rollback left; an ``automatic`` one (a training schedule's)
        changes nothing while the pointer is pinned, nor once this version or a newer one has served.

        Raises:
            NotFound: no such model or version.
            ModelError: the version is damaged; what served before still serves.
        """

        def promoted(pointer: Pointer | None) -> Pointer:
            if pointer is None:
                return Pointer(current=version)
            stays = automatic and (pointer.pinned or version <= max((pointer.current, *pointer.history)))
            return pointer if stays else pointer.promoted(version)

        with self._locked(name):
            self.get(name, version)
            return self._repoint(name, promoted).current == version

    def rollback(self, name: str) -> str:
        """Go back to the version that served before the current one, pin it, and return its name.

        Repeated calls go further back. Versions that were pruned or are damaged are passed over.

        Raises:
            NotFound: nothing was ever promoted.
            Conflict: no earlier version is left.
        """
        with self._locked(name):
            self.pointer(name)  # a damaged one says nothing about what served before
            return self._repoint(name, lambda pointer: self._before(name, pointer)).current

    def current(self, name: str) -> ModelVersion | None:
        """The version that serves, verified, or None when none was promoted.

        Raises:
            NotFound: no such model.
            ModelError: the pointer or the version is damaged.
        """
        while (pointer := self.pointer(name)) is not None:
            try:
                return self.get(name, pointer.current)
            except NotFound as cause:
                if self.pointer(name) == pointer:  # else promoted on and pruned meanwhile: look again
                    raise ModelError(f"{name} {pointer.current} serves but is missing; {remedy(name)}") from cause
        return None

    def get(self, name: str, version: str) -> ModelVersion:
        """One version, with every file verified (raises `NotFound` or `ModelError`)."""
        return self._read(name, version).verify()

    def list(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions, oldest first, their files not verified (raises `ModelError` for a damaged manifest)."""
        return tuple(self._read(name, version) for version in self._versions(name))

    def pointer(self, name: str) -> Pointer | None:
        """What serves, what served before, and whether that is pinned; None when nothing was promoted.

        Raises:
            NotFound: no such model.
            ModelError: the pointer is damaged.
        """
        try:
            encoded = (self._folder(name) / POINTER).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise ModelError(f"the pointer of {name} is damaged ({cause}); {remedy(name)}") from cause
        return decode_pointer(encoded, name)

    def stamp(self, name: str) -> Stamp | None:
        """Cheap change detection for pollers (one `stat`): another value whenever the pointer was written."""
        try:
            status = (self._folder(name) / POINTER).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def prune(self, name: str, keep: int) -> tuple[str, ...]:
        """Delete all but the newest ``keep`` versions, the current one and its predecessor; returns the deleted.

        Raises:
            BadInput: ``keep`` is negative.
            ModelError: the pointer is damaged, so that nothing is known to be superfluous.
        """
        if keep < 0:
            raise BadInput(f"keep must be 0 or more, not {keep}", field="keep")
        with self._locked(name) as folder:
            remove_leftovers(folder)
            pointer = self.pointer(name)
            kept = {pointer.current, *pointer.history[-1:]} if pointer else set()
            versions = self._versions(name)
            doomed = tuple(version for version in versions[: max(len(versions) - keep, 0)] if version not in kept)
            self._drop(name, folder, doomed)
        return doomed

    def follow(self) -> bool:
        """Take over what other machines have published; returns whether there was anything. Here there are none."""
        return False

    def _store(self, name: str, path: Path, contents: Mapping[str, bytes]) -> None:  # noqa: ARG002 - for who overrides it
        """Let a version appear with all its files. The folder's lock is held."""
        write_folder(path, contents)

    def _repoint(self, name: str, edit: Callable[[Pointer | None], Pointer]) -> Pointer:
        """Change the pointer; a damaged one counts as none. The folder's lock is held."""
        try:
            pointer = self.pointer(name)
        except ModelError:
            pointer = None  # a promote mends it; what served before is forgotten
        changed = edit(pointer)
        if changed != pointer:
            write_file(self._folder(name) / POINTER, encode_pointer(changed))
        return changed

    def _before(self, name: str, pointer: Pointer | None) -> Pointer:
        """The pointer at the newest version of the history that can still be used, pinned."""
        if pointer is None:
            raise NotFound(f"no {name} was ever promoted, so there is nothing to roll back")
        for depth in reversed(range(len(pointer.history))):
            version = pointer.history[depth]
            with suppress(NotFound, ModelError):
                self.get(name, version)
                return Pointer(current=version, history=pointer.history[:depth], pinned=True)
        raise Conflict(f"no earlier {name} is left before {pointer.current}; {remedy(name)}")

    def _drop(self, name: str, folder: Path, versions: tuple[str, ...]) -> None:  # noqa: ARG002 - for who overrides it
        """Delete versions. The folder's lock is held."""
        for version in versions:
            remove_folder(folder / version)

    def _folder(self, name: str) -> Path:
        if name not in MODEL_NAMES:
            raise NotFound(f"there is no model {name!r}; known are {', '.join(MODEL_NAMES)}")
        return self._root / name

    @contextmanager
    def _locked(self, name: str) -> Iterator[Path]:
        folder = self._folder(name)
        try:
            with locked(folder):
                yield folder
        except OSError as cause:
            raise StorageError(f"the models in {folder} cannot be changed: {cause}") from cause

    def _versions(self, name: str) -> tuple[str, ...]:
        folder = self._folder(name)
        names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
        return tuple(sorted(version for version in names if _VERSION.fullmatch(version)))

    def _read(self, name: str, version: str) -> ModelVersion:
        """One version by its manifest, its files not verified."""
        path = self._folder(name) / version
        if not _VERSION.fullmatch(version) or not path.is_dir():
            raise NotFound(f"there is no {name} {version!r}; `bandstand models` lists what there is")
        try:
            encoded = (path / MANIFEST).read_bytes()
        except OSError as cause:
            raise ModelError(f"the manifest of {name} {version} is damaged ({cause}); {remedy(name)}") from cause
        return decode_manifest(encoded, name, path)
