"""The model registry of a cluster: one document says what is published and what serves, every machine mirrors it.

For each model the index holds a registry document (versions with their files, current, history, pinned), which is
changed by optimistic concurrency only, and the files in chunks. A version is published once the registry document
names it, which is after its chunks were written. Machines read their local mirror, so that serving needs no cluster.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandstand.errors import ModelError, Unavailable
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import MODEL_NAMES, ModelRegistry, Stamp
from bandstand.models.versions import (
    MANIFEST,
    ModelCard,
    ModelVersion,
    Pointer,
    contents_of,
    decode_manifest,
    new_version,
    promotion,
    remedy,
    superfluous,
)
from bandstand.opensearch.connection import Cluster, Operation
from bandstand.opensearch.indices import Schema, ensure
from bandstand.types import Clock

Json = dict[str, Any]

MODELS = Schema(part="models", format=1, properties={"data": {"type": "binary"}}, dynamic=False)
CHUNK = 1_000_000
"""Bytes of a file in one document."""


class MirroredRegistry(ModelRegistry):
    """See `ModelRegistry`. Changes go to the cluster first, and ``mirror`` holds what the cluster holds and no more.

    Raises:
        Unavailable: from what changes something, while the cluster cannot be reached.
        ModelError: from `follow`, when a version in the cluster is damaged; what served before serves on.
    """

    def __init__(self, mirror: FolderRegistry, cluster: Cluster, *, clock: Clock) -> None:
        self._mirror = mirror
        self._cluster = cluster
        self._clock = clock
        self._mirrored: dict[str, int] = {}
        self._index = ""

    def current(self, name: str) -> ModelVersion | None:
        """See `ModelRegistry`."""
        return self._mirror.current(name)

    def get(self, name: str, version: str) -> ModelVersion:
        """See `ModelRegistry`."""
        return self._mirror.get(name, version)

    def list(self, name: str) -> tuple[ModelVersion, ...]:
        """See `ModelRegistry`."""
        return self._mirror.list(name)

    def pointer(self, name: str) -> Pointer | None:
        """See `ModelRegistry`."""
        return self._mirror.pointer(name)

    def stamp(self, name: str) -> Stamp | None:
        """See `ModelRegistry`."""
        return self._mirror.stamp(name)

    def follow(self) -> bool:
        """See `ModelRegistry`; while the cluster is away, nothing changes here."""
        try:
            registries = self._cluster.mget(self._alias(), MODEL_NAMES)
        except Unavailable:
            return False
        changed = [name for name, document in registries.items() if self._mirrored.get(name) != document.seq_no]
        for name in changed:
            with self._newest(name):
                pass
        return bool(changed)

    def publish(self, name: str, files: Mapping[str, bytes] | Path, card: ModelCard | None = None) -> str:
        """See `ModelRegistry`."""
        contents = contents_of(files)
        with self._newest(name):
            here = self._mirror.versions(name)
            version, whole = new_version(name, contents, card, existing=here, created=self._clock())
            parts = {filename: len(_pieces(content)) for filename, content in whole.items()}
            self._cluster.bulk(self._alias(), _chunks(name, version, whole))
            self._change(name, lambda registry: {**registry, "versions": {**_versions(registry), version: parts}})
            self._mirror.add(name, version, whole)
        return version

    def promote(self, name: str, version: str, *, automatic: bool = False) -> bool:
        """See `ModelRegistry`."""
        with self._newest(name):
            self.get(name, version)
            return self._repoint(name, promotion(version, automatic=automatic)).current == version

    def rollback(self, name: str) -> str:
        """See `ModelRegistry`."""
        with self._newest(name):
            return self._repoint(name, lambda pointer: self._mirror.before(name, pointer)).current

    def prune(self, name: str, keep: int) -> tuple[str, ...]:
        """See `ModelRegistry`."""
        with self._newest(name):
            doomed = superfluous(self._mirror.versions(name), keep, self.pointer(name))
            self._drop(name, doomed)
            self._mirror.remove(name, doomed)
        return doomed

    def _repoint(self, name: str, edit: Callable[[Pointer | None], Pointer]) -> Pointer:
        """Change the pointer in the cluster and here."""

        def change(registry: Json) -> Json:
            return {**registry, "pointer": asdict(edit(_pointer(registry)))}

        pointer = _pointer(self._change(name, change))
        assert pointer is not None
        self._mirror.point(name, pointer)
        return pointer

    def _drop(self, name: str, versions: Sequence[str]) -> None:
        """Delete versions from the cluster: their names first, then their chunks."""
        before = self._cluster.get(self._alias(), name)
        published = _versions(before.source) if before is not None else {}

        def change(registry: Json) -> Json:
            kept = {version: files for version, files in _versions(registry).items() if version not in versions}
            return {**registry, "versions": kept}

        self._change(name, change)
        doomed = [part for version in versions for part in _ids(name, version, published.get(version, {}))]
        self._cluster.bulk(self._alias(), (({"delete": {"_id": part}}, None) for part in doomed))

    def _change(self, name: str, edit: Callable[[Json], Json]) -> Json:
        return self._cluster.change(self._alias(), name, edit)

    @contextmanager
    def _newest(self, name: str) -> Iterator[None]:
        """Hold the mirror's lock with the cluster's newest state in it: whoever changes something changes that."""
        with self._mirror.locked(name):
            document = self._cluster.get(self._alias(), name)
            if document is not None and self._mirrored.get(name) != document.seq_no:
                self._take_over(name, document.source)
                self._mirrored[name] = document.seq_no
            yield

    def _take_over(self, name: str, registry: Json) -> None:
        """Make the mirror hold the versions that the registry document names, and its pointer."""
        here, published = set(self._mirror.versions(name)), _versions(registry)
        for version in sorted(published.keys() - here):
            self._mirror.add(name, version, self._downloaded(name, version, published[version]))
        pointer = _pointer(registry)
        if pointer is not None:
            self._mirror.point(name, pointer)
        self._mirror.remove(name, sorted(here - published.keys()))

    def _downloaded(self, name: str, version: str, files: Mapping[str, int]) -> dict[str, bytes]:
        """A version's files from their chunks, checked."""
        found = self._cluster.mget(self._alias(), _ids(name, version, files))
        try:
            contents = {
                filename: b"".join(
                    b64decode(found[_id(name, version, filename, part)].source["data"]) for part in range(parts)
                )
                for filename, parts in files.items()
            }
        except KeyError as cause:
            raise ModelError(f"{name} {version} is not whole in the cluster ({cause}); {remedy(name)}") from cause
        _check(name, version, contents)
        return contents

    def _alias(self) -> str:
        self._index = self._index or ensure(self._cluster, MODELS)
        return self._index


def _check(name: str, version: str, contents: Mapping[str, bytes]) -> None:
    """Every file against the manifest, and the manifest against the version's own name, which ends with its hash."""
    manifest = contents.get(MANIFEST, b"")
    files = decode_manifest(manifest, name, Path(version)).files
    wrong = [filename for filename, digest in files.items() if _digest(contents.get(filename, b"")) != digest]
    if wrong or _digest(manifest)[:6] != version[-6:]:
        raise ModelError(
            f"{', '.join(wrong) or MANIFEST} of {name} {version} is damaged in the cluster; {remedy(name)}"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _versions(registry: Json) -> dict[str, dict[str, int]]:
    """The published versions: of each file, in how many chunks it is."""
    versions: dict[str, dict[str, int]] = registry.get("versions", {})
    return versions


def _pointer(registry: Json) -> Pointer | None:
    raw = registry.get("pointer")
    return None if raw is None else Pointer(**{**raw, "history": tuple(raw["history"])})


def _pieces(content: bytes) -> list[bytes]:
    return [content[start : start + CHUNK] for start in range(0, max(len(content), 1), CHUNK)]


def _chunks(name: str, version: str, contents: Mapping[str, bytes]) -> Iterator[Operation]:
    for filename, content in contents.items():
        for part, piece in enumerate(_pieces(content)):
            yield {"index": {"_id": _id(name, version, filename, part)}}, {"data": b64encode(piece).decode()}


def _ids(name: str, version: str, files: Mapping[str, int]) -> list[str]:
    return [_id(name, version, filename, part) for filename, parts in files.items() for part in range(parts)]


def _id(name: str, version: str, filename: str, part: int) -> str:
    return f"{name}/{version}/{filename}/{part}"
