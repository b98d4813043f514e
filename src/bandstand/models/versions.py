"""A published model: its name, its card, its files with their checksums, and which version serves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from bandstand.errors import BadInput, ModelError

MANIFEST = "manifest.json"
HISTORY = 50
"""How many earlier versions the pointer remembers, and so how far back `ModelRegistry.rollback` can go."""

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STAMP = "%Y%m%dT%H%M%S"


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known about a model besides its files.

    ``data_range`` is the time of the oldest and newest training example, in seconds since 1970. ``feature_names`` are
    what it was trained on, ``feature_versions`` the versions of the meanings that are not the first, and
    ``feature_hash`` identifies both.
    """

    data_range: tuple[float, float] | None = None
    feature_names: tuple[str, ...] = ()
    feature_hash: str = ""
    feature_versions: Mapping[str, int] = msgspec.field(default_factory=dict)
    metrics: Mapping[str, float] = msgspec.field(default_factory=dict)
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
            raise ModelError(f"{self.name} {self.version} has no file {filename!r}; {remedy(self.name)}")
        try:
            content = (self.path / filename).read_bytes()
        except OSError as cause:
            what = f"{filename} of {self.name} {self.version}"
            raise ModelError(f"{what} cannot be read ({cause.strerror}); {remedy(self.name)}") from cause
        if hashlib.sha256(content).hexdigest() != self.files[filename]:
            raise ModelError(f"{filename} of {self.name} {self.version} is damaged; {remedy(self.name)}")
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
    form: int = 1

    def promoted(self, version: str) -> Pointer:
        """The pointer once another version serves."""
        if self.current == version:
            return Pointer(current=version, history=self.history)
        return Pointer(current=version, history=(*self.history, self.current)[-HISTORY:])


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a version as it is stored; ``form`` is the version of that, not of the model."""

    card: ModelCard
    created: float
    files: dict[str, str]
    name: str
    form: int = 1


def encode_manifest(name: str, created: float, files: Mapping[str, bytes], card: ModelCard) -> bytes:
    """The manifest of a version: what `decode_manifest` reads."""
    digests = {filename: hashlib.sha256(content).hexdigest() for filename, content in files.items()}
    manifest = _Manifest(name=name, created=created, files=digests, card=card)
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1)


def manifest_mark(encoded: bytes) -> str:
    """Six hex digits of a manifest's SHA-256: by them a version's name says what its manifest is."""
    return hashlib.sha256(encoded).hexdigest()[:6]


def decode_manifest(encoded: bytes, name: str, path: Path) -> ModelVersion:
    """The version whose files lie, or will lie, in the folder ``path``.

    Raises:
        ModelError: the manifest is damaged.
    """
    try:
        read = msgspec.json.decode(encoded, type=_Manifest)
    except (msgspec.MsgspecError, ValueError) as cause:
        raise ModelError(f"the manifest of {name} {path.name} is damaged ({cause}); {remedy(name)}") from cause
    return ModelVersion(name=name, version=path.name, path=path, created=read.created, files=read.files, card=read.card)


_FIELDS = {field.name for field in fields(Pointer)}


def encode_pointer(pointer: Pointer) -> bytes:
    """The pointer as `decode_pointer` reads it."""
    return msgspec.json.encode(pointer)


def decode_pointer(encoded: bytes, name: str) -> Pointer:
    """The pointer that was encoded.

    Raises:
        ModelError: it is damaged.
    """
    try:
        pointer = msgspec.json.decode(encoded, type=Pointer)
        named = msgspec.json.decode(encoded, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError) as cause:
        raise ModelError(f"the pointer of {name} is damaged ({cause}); {remedy(name)}") from cause
    if pointer.form != 1 or not named.keys() <= _FIELDS:  # else a field of another name would count as missing
        raise ModelError(f"the pointer of {name} is not what was written; {remedy(name)}")
    return pointer


def remedy(name: str) -> str:
    """What to do about a model that cannot be used."""
    return f"promote another version (`bandstand models` lists them) or train again (`bandstand train`) to mend {name}"


def contents_of(files: Mapping[str, bytes] | Path) -> dict[str, bytes]:
    """The files to publish, by plain name, from such a mapping or from a flat folder.

    Raises:
        BadInput: there are none, or a file's name is not plain.
    """
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


def new_version(
    name: str, contents: Mapping[str, bytes], card: ModelCard | None, *, existing: Sequence[str], created: float
) -> tuple[str, dict[str, bytes]]:
    """The name of a new version, above every ``existing`` one, and its files with the manifest.

    The name is the UTC second and six hex digits of the manifest's SHA-256.
    """
    manifest = encode_manifest(name, created, contents, card or ModelCard())
    moment = datetime.fromtimestamp(created, UTC)
    if existing:
        newest = datetime.strptime(existing[-1].partition("-")[0], _STAMP).replace(tzinfo=UTC)
        moment = max(moment, newest + timedelta(seconds=1))
    version = f"{moment.strftime(_STAMP)}-{manifest_mark(manifest)}"
    return version, {**contents, MANIFEST: manifest}


def promotion(version: str, *, automatic: bool) -> Callable[[Pointer | None], Pointer]:
    """What a promote makes of a pointer, see `ModelRegistry.promote`."""

    def promoted(pointer: Pointer | None) -> Pointer:
        if pointer is None:
            return Pointer(current=version)
        stays = automatic and (pointer.pinned or version <= max((pointer.current, *pointer.history)))
        return pointer if stays else pointer.promoted(version)

    return promoted


def superfluous(versions: Sequence[str], keep: int, pointer: Pointer | None) -> tuple[str, ...]:
    """The versions that a prune deletes, see `ModelRegistry.prune`.

    Raises:
        BadInput: ``keep`` is negative.
    """
    if keep < 0:
        raise BadInput(f"keep must be 0 or more, not {keep}", field="keep")
    kept = {pointer.current, *pointer.history[-1:]} if pointer else set()
    return tuple(version for version in versions[: max(len(versions) - keep, 0)] if version not in kept)
