"""The model registry of a cluster: one document says what is published and what serves, every machine mirrors it.

For each model the index holds a registry document (versions with their files, current, history, pinned), which is
changed by optimistic concurrency only, and the files in chunks. A version is published once the registry document
names it, which is after its chunks were written. Machines read their local mirror, so that serving needs no cluster.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandstand.errors import ModelError, Unavailable
from bandstand.files import remove_leftovers, write_folder
from bandstand.models.registry import MODEL_NAMES, ModelRegistry
from bandstand.models.versions import MANIFEST, Pointer, decode_manifest, remedy
from bandstand.opensearch.connection import Cluster, Operation
from bandstand.opensearch.indices import Schema, ensure
from bandstand.types import Clock

Json = dict[str, Any]

MODELS = Schema(part="models", format=1, properties={"data": {"type": "binary"}}, dynamic=False)
CHUNK = 1_000_000
"""Bytes of a file in one document."""


class ClusterModels(ModelRegistry):
    """A `ModelRegistry` whose folder mirrors the cluster's and holds nothing else. Changes go to the cluster first.

    Raises:
        Unavailable: from what changes something, while the cluster cannot be reached.
        ModelError: from `follow`, when a version in the cluster is damaged; what served before serves on.
    """

    def __init__(self, root: Path, clock: Clock, cluster: Cluster) -> None:
        super().__init__(root, clock)
        self._cluster = cluster
        self._mirrored: dict[str, int] = {}
        self._index = ""

    def follow(self) -> bool:
        """Mirror what was published, promoted or pruned elsewhere; while the cluster is away, nothing changes here."""
        try:
            registries = self._cluster.mget(self._alias(), MODEL_NAMES)
        except Unavailable:
            return False
        changed = [name for name, document in registries.items() if self._mirrored.get(name) != document.seq_no]
        for name in changed:
            with self._locked(name):
                pass
        return bool(changed)

    @contextmanager
    def _locked(self, name: str) -> Iterator[Path]:
        """Whoever changes something does so to the newest state."""
        with super()._locked(name) as folder:
            document = self._cluster.get(self._alias(), name)
            if document is not None and self._mirrored.get(name) != document.seq_no:
                self._mirror(name, folder, document.source)
                self._mirrored[name] = document.seq_no
            yield folder

    def _store(self, name: str, path: Path, contents: Mapping[str, bytes]) -> None:
        version, parts = path.name, {filename: len(_pieces(content)) for filename, content in contents.items()}
        self._cluster.bulk(self._alias(), _chunks(name, version, contents))
        self._change(name, lambda registry: {**registry, "versions": {**registry.get("versions", {}), version: parts}})
        super()._store(name, path, contents)

    def _repoint(self, name: str, edit: Callable[[Pointer | None], Pointer]) -> Pointer:
        def change(registry: Json) -> Json:
            return {**registry, "pointer": asdict(edit(_pointer(registry)))}

        pointer = _pointer(self._change(name, change))
        assert pointer is not None
        return super()._repoint(name, lambda _: pointer)

    def _drop(self, name: str, folder: Path, versions: tuple[str, ...]) -> None:
        def change(registry: Json) -> Json:
            kept = {
                version: files for version, files in registry.get("versions", {}).items() if version not in versions
            }
            return {**registry, "versions": kept}

        before = self._cluster.get(self._alias(), name)
        self._change(name, change)
        published: Json = before.source.get("versions", {}) if before is not None else {}
        doomed = [part for version in versions for part in _ids(name, version, published.get(version, {}))]
        self._cluster.bulk(self._alias(), (({"delete": {"_id": part}}, None) for part in doomed))
        super()._drop(name, folder, versions)

    def _change(self, name: str, edit: Callable[[Json], Json]) -> Json:
        return self._cluster.change(self._alias(), name, edit)

    def _mirror(self, name: str, folder: Path, registry: Json) -> None:
        """Make the folder hold the versions that the registry document names, and its pointer."""
        remove_leftovers(folder)
        here, published = set(self._versions(name)), registry.get("versions", {})
        for version in sorted(published.keys() - here):
            write_folder(folder / version, self._downloaded(name, version, published[version]))
        pointer = _pointer(registry)
        if pointer is not None:
            super()._repoint(name, lambda _: pointer)
        super()._drop(name, folder, tuple(sorted(here - published.keys())))

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
