"""The registry of models in a folder.

Layout under the root, for each name in `MODEL_NAMES`::

    ranker/20260101T120000-1a2b3c/   one immutable version: its files and manifest.json
    ranker/CURRENT                   which version serves, the ones before it, and whether it is pinned
    ranker/.lock                     held by whoever publishes, promotes, rolls back or prunes

Readers take no lock: a version appears, and the pointer changes, in one step (`bandstand.files`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bandstand.errors import Conflict, ModelError, NotFound, StorageError
from bandstand.files import locked, remove_folder, remove_leftovers, write_file, write_folder
from bandstand.models.registry import MODEL_NAMES, ModelRegistry, Stamp
from bandstand.models.versions import (
    MANIFEST,
    ModelCard,
    ModelVersion,
    Pointer,
    contents_of,
    decode_manifest,
    decode_pointer,
    encode_pointer,
    manifest_mark,
    new_version,
    promotion,
    remedy,
    superfluous,
)
from bandstand.types import Clock

POINTER = "CURRENT"

_VERSION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


class FolderRegistry(ModelRegistry):
    """See `ModelRegistry`. What else may hold the truth, and mirrors it here, does so by `locked` to `remove`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock

    def publish(self, name: str, files: Mapping[str, bytes] | Path, card: ModelCard | None = None) -> str:
        """See `ModelRegistry`."""
        contents = contents_of(files)
        with self.locked(name):
            version, whole = new_version(name, contents, card, existing=self.versions(name), created=self._clock())
            self.add(name, version, whole)
        return version

    def promote(self, name: str, version: str, *, automatic: bool = False) -> bool:
        """See `ModelRegistry`."""
        with self.locked(name):
            self.get(name, version)
            return self._repoint(name, promotion(version, automatic=automatic)).current == version

    def rollback(self, name: str) -> str:
        """See `ModelRegistry`."""
        with self.locked(name):
            self.pointer(name)  # a damaged one says nothing about what served before
            return self._repoint(name, lambda pointer: self.before(name, pointer)).current

    def current(self, name: str) -> ModelVersion | None:
        """See `ModelRegistry`."""
        while (pointer := self.pointer(name)) is not None:
            try:
                return self.get(name, pointer.current)
            except NotFound as cause:
                if self.pointer(name) == pointer:  # else promoted on and pruned meanwhile: look again
                    raise ModelError(f"{name} {pointer.current} serves but is missing; {remedy(name)}") from cause
        return None

    def get(self, name: str, version: str) -> ModelVersion:
        """See `ModelRegistry`."""
        return self._read(name, version).verify()

    def list(self, name: str) -> tuple[ModelVersion, ...]:
        """See `ModelRegistry`."""
        return tuple(self._read(name, version) for version in self.versions(name))

    def pointer(self, name: str) -> Pointer | None:
        """See `ModelRegistry`."""
        try:
            encoded = (self._folder(name) / POINTER).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise ModelError(f"the pointer of {name} is damaged ({cause}); {remedy(name)}") from cause
        return decode_pointer(encoded, name)

    def stamp(self, name: str) -> Stamp | None:
        """See `ModelRegistry`: inode, modification time in ns and size of the pointer, one `stat`."""
        try:
            status = (self._folder(name) / POINTER).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def prune(self, name: str, keep: int) -> tuple[str, ...]:
        """See `ModelRegistry`."""
        with self.locked(name):
            doomed = superfluous(self.versions(name), keep, self.pointer(name))
            self.remove(name, doomed)
        return doomed

    def follow(self) -> bool:
        """See `ModelRegistry`: there are no other machines."""
        return False

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a model's lock, and remove what interrupted writers left; needed for what follows below.

        Raises:
            NotFound: no such model.
            StorageError: the folder cannot be changed, inside the block either.
        """
        folder = self._folder(name)
        try:
            with locked(folder):
                remove_leftovers(folder)
                yield
        except OSError as cause:
            raise StorageError(f"the models in {folder} cannot be changed: {cause}") from cause

    def versions(self, name: str) -> tuple[str, ...]:
        """The names of all versions, oldest first."""
        folder = self._folder(name)
        names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
        return tuple(sorted(version for version in names if _VERSION.fullmatch(version)))

    def add(self, name: str, version: str, contents: Mapping[str, bytes]) -> None:
        """Let a version appear with all its files, the manifest among them."""
        write_folder(self._folder(name) / version, contents)

    def point(self, name: str, pointer: Pointer) -> None:
        """Replace the pointer, where it is another one; a damaged one counts as none."""
        self._repoint(name, lambda _: pointer)

    def before(self, name: str, pointer: Pointer | None) -> Pointer:
        """The pointer at the newest version of a pointer's history that can still be used, pinned.

        Raises:
            NotFound: nothing was ever promoted.
            Conflict: no earlier version is left.
        """
        if pointer is None:
            raise NotFound(f"no {name} was ever promoted, so there is nothing to roll back")
        for depth in reversed(range(len(pointer.history))):
            version = pointer.history[depth]
            with suppress(NotFound, ModelError):
                self.get(name, version)
                return Pointer(current=version, history=pointer.history[:depth], pinned=True)
        raise Conflict(f"no earlier {name} is left before {pointer.current}; {remedy(name)}")

    def remove(self, name: str, versions: Iterable[str]) -> None:
        """Delete versions."""
        for version in versions:
            remove_folder(self._folder(name) / version)

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

    def _folder(self, name: str) -> Path:
        if name not in MODEL_NAMES:
            raise NotFound(f"there is no model {name!r}; known are {', '.join(MODEL_NAMES)}")
        return self._root / name

    def _read(self, name: str, version: str) -> ModelVersion:
        """One version by its manifest, its files not verified."""
        path = self._folder(name) / version
        if not _VERSION.fullmatch(version) or not path.is_dir():
            raise NotFound(f"there is no {name} {version!r}; `bandstand models` lists what there is")
        try:
            encoded = (path / MANIFEST).read_bytes()
        except OSError as cause:
            raise ModelError(f"the manifest of {name} {version} is damaged ({cause}); {remedy(name)}") from cause
        if manifest_mark(encoded) != version.partition("-")[2]:
            raise ModelError(f"the manifest of {name} {version} is not what was written; {remedy(name)}")
        return decode_manifest(encoded, name, path)
