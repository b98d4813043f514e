"""The model registry: versioned, verified model folders with an atomic pointer to the one that serves.

Layout under the root, for each name in `MODEL_NAMES`::

    ranker/20260101T120000-1a2b3c/   one immutable version: its files and manifest.json
    ranker/CURRENT                   which version serves, the ones before it, and whether it is pinned
    ranker/.lock                     held by whoever publishes, promotes, rolls back or prunes

Readers take no lock: a version appears, and the pointer changes, in one step (`bandstand.durable`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bandstand import durable
from bandstand.errors import BadInput, Conflict, ModelError, NotFound, StorageError
from bandstand.types import Clock

MODEL_NAMES = ("ranker", "bandit")
MANIFEST = "manifest.json"
POINTER = "CURRENT"
HISTORY = 50
"""How many earlier versions the pointer remembers, and so how far back `ModelRegistry.rollback` can go."""

_VERSION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STAMP = "%Y%m%dT%H%M%S"

Stamp = tuple[int, int, int]
"""Inode, modification time in ns and size of the pointer: another one after every promote and rollback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known about a model besides its files.

    ``data_range`` is the time of the oldest and newest training example, in seconds since 1970. ``feature_hash``
    identifies names and meaning of the features: who loads the model compares it with what is computed now.
    """

    data_range: tuple[float, float] | None = None
    feature_names: tuple[str, ...] = ()
    feature_hash: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One published version: where it lies, when it was made (seconds since 1970), and the SHA-256 of each file."""

    name: str
    version: str
    path: Path
    created: float
    files: Mapping[str, str]
    card: ModelCard

    def read(self, filename: str) -> bytes:
        """The bytes of one file, checked against the manifest.

        Raises:
            ModelError: the file is not part of this version, is missing, or was changed since it was published.
        """
        if filename not in self.files:
            raise ModelError(f"{self.name} {self.version} has no file {filename!r}; {_remedy(self.name)}")
        try:
            content = (self.path / filename).read_bytes()
        except OSError as cause:
            what = f"{filename} of {self.name} {self.version}"
            raise ModelError(f"{what} cannot be read ({cause.strerror}); {_remedy(self.name)}") from cause
        if hashlib.sha256(content).hexdigest() != self.files[filename]:
            raise ModelError(f"{filename} of {self.name} {self.version} is damaged; {_remedy(self.name)}")
        return content

    def verify(self) -> ModelVersion:
        """This version, once every file was read and found whole (raises `ModelError` as `read`)."""
        for filename in self.files:
            self.read(filename)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Which version serves; ``history`` holds the versions that served before it, oldest first."""

    current: str
    history: tuple[str, ...] = ()
    pinned: bool = False


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
        contents = _contents(files)
        with self._locked(name) as folder:
            durable.remove_leftovers(folder)
            created = self._clock()
            digests = {filename: hashlib.sha256(content).hexdigest() for filename, content in contents.items()}
            manifest = {"name": name, "created": created, "files": digests, "card": asdict(card or ModelCard())}
            encoded = json.dumps(manifest, indent=1, sort_keys=True).encode()
            version = _next_version(self._versions(name), created, encoded)
            durable.write_folder(folder / version, {**contents, MANIFEST: encoded})
        return version

    def promote(self, name: str, version: str, *, automatic: bool = False) -> bool:
        """Let ``version`` serve from now on; returns whether it does.

        An explicit promote also lifts the pin that a rollback left; an ``automatic`` one (a training schedule's)
        changes nothing while the pointer is pinned.

        Raises:
            NotFound: no such model or version.
            ModelError: the version is damaged; what served before still serves.
        """
        with self._locked(name) as folder:
            self.get(name, version)
            try:
                pointer = self.pointer(name)
            except ModelError:
                pointer = None  # this promote mends a damaged pointer; what served before is forgotten
            if automatic and pointer is not None and pointer.pinned:
                return pointer.current == version
            _write_pointer(folder, _promoted(pointer, version))
        return True

    def rollback(self, name: str) -> str:
        """Go back to the version that served before the current one, pin it, and return its name.

        Repeated calls go further back. Versions that were pruned or are damaged are passed over.

        Raises:
            NotFound: nothing was ever promoted.
            Conflict: no earlier version is left.
        """
        with self._locked(name) as folder:
            pointer = self.pointer(name)
            if pointer is None:
                raise NotFound(f"no {name} was ever promoted, so there is nothing to roll back")
            for depth in reversed(range(len(pointer.history))):
                version = pointer.history[depth]
                with suppress(NotFound, ModelError):
                    self.get(name, version)
                    _write_pointer(folder, Pointer(current=version, history=pointer.history[:depth], pinned=True))
                    return version
        raise Conflict(f"no earlier {name} is left before {pointer.current}; {_remedy(name)}")

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
                    raise ModelError(f"{name} {pointer.current} serves but is missing; {_remedy(name)}") from cause
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
            raw = json.loads((self._folder(name) / POINTER).read_bytes())
            return Pointer(current=raw["current"], history=tuple(raw["history"]), pinned=raw["pinned"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise ModelError(f"the pointer of {name} is damaged ({cause}); {_remedy(name)}") from cause

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
            durable.remove_leftovers(folder)
            pointer = self.pointer(name)
            kept = {pointer.current, *pointer.history[-1:]} if pointer else set()
            versions = self._versions(name)
            doomed = tuple(version for version in versions[: max(len(versions) - keep, 0)] if version not in kept)
            for version in doomed:
                durable.remove_folder(folder / version)
        return doomed

    def _folder(self, name: str) -> Path:
        if name not in MODEL_NAMES:
            raise NotFound(f"there is no model {name!r}; known are {', '.join(MODEL_NAMES)}")
        return self._root / name

    @contextmanager
    def _locked(self, name: str) -> Iterator[Path]:
        folder = self._folder(name)
        try:
            with durable.locked(folder):
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
            raw = json.loads((path / MANIFEST).read_bytes())
            card = raw["card"]
            card["feature_names"] = tuple(card["feature_names"])
            card["data_range"] = tuple(card["data_range"]) if card["data_range"] else None
            return ModelVersion(
                name=name,
                version=version,
                path=path,
                created=float(raw["created"]),
                files=dict(raw["files"]),
                card=ModelCard(**card),
            )
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise ModelError(f"the manifest of {name} {version} is damaged ({cause}); {_remedy(name)}") from cause


def _remedy(name: str) -> str:
    return f"promote another version (`bandstand models` lists them) or train again (`bandstand train`) to mend {name}"


def _contents(files: Mapping[str, bytes] | Path) -> dict[str, bytes]:
    """The files to publish, by plain name."""
    if isinstance(files, Path):
        try:
            contents = {path.name: path.read_bytes() for path in files.iterdir()}
        except OSError as cause:
            raise BadInput(f"{files} is not a flat folder of readable files: {cause}", field="files") from cause
    else:
        contents = dict(files)
    if not contents:
        raise BadInput("a model version needs at least one file", field="files")
    for filename in contents:
        if not _FILE.fullmatch(filename) or filename == MANIFEST:
            raise BadInput(f"{filename!r} cannot name a model's file: use letters, digits, . _ -", field="files")
    return contents


def _next_version(existing: tuple[str, ...], created: float, manifest: bytes) -> str:
    """The UTC second and six hex digits of the manifest's SHA-256, above every existing version."""
    moment = datetime.fromtimestamp(created, UTC)
    if existing:
        newest = datetime.strptime(existing[-1].partition("-")[0], _STAMP).replace(tzinfo=UTC)
        moment = max(moment, newest + timedelta(seconds=1))
    return f"{moment.strftime(_STAMP)}-{hashlib.sha256(manifest).hexdigest()[:6]}"


def _promoted(pointer: Pointer | None, version: str) -> Pointer:
    if pointer is None:
        return Pointer(current=version)
    if pointer.current == version:
        return Pointer(current=version, history=pointer.history)
    return Pointer(current=version, history=(*pointer.history, pointer.current)[-HISTORY:])


def _write_pointer(folder: Path, pointer: Pointer) -> None:
    durable.write_file(folder / POINTER, json.dumps(asdict(pointer)).encode())
