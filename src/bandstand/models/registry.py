"""What every registry of models offers: versions that never change, and a pointer to the one that serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from bandstand.models.versions import HISTORY, MANIFEST, ModelCard, ModelVersion, Pointer

__all__ = [
    "HISTORY",
    "MANIFEST",
    "MODEL_NAMES",
    "ModelCard",
    "ModelRegistry",
    "ModelVersion",
    "Pointer",
    "Published",
    "Stamp",
    "publish_next",
]

MODEL_NAMES = ("ranker", "bandit", "abstention", "reward", "generator")

Stamp = tuple[int, int, int]
"""What stands for one state of a pointer: another one after every promote and rollback."""


class ModelRegistry(Protocol):
    """Publishes, promotes, rolls back and prunes model versions; safe for several threads and processes.

    Readers wait for nobody: a version appears, and the pointer changes, in one step.

    Raises:
        NotFound: from every method, when there is no such model.
        StorageError, Unavailable: from what changes something, when it cannot be written.
    """

    def publish(self, name: str, files: Mapping[str, bytes] | Path, card: ModelCard | None = None) -> str:
        """Store a new version, without promoting it, and return its name.

        ``files`` maps plain file names to contents, or is a flat folder. Version names are strictly increasing
        within a model: when the clock stands still or steps back, the newest name's second plus one is taken.

        Raises:
            BadInput: no files, or a file name that is not plain.
        """
        ...

    def promote(self, name: str, version: str, *, automatic: bool = False) -> bool:
        """Let ``version`` serve from now on; returns whether it does.

        An explicit promote also lifts the pin that a rollback left; an ``automatic`` one (a training schedule's)
        changes nothing while the pointer is pinned, nor once this version or a newer one has served.

        Raises:
            NotFound: no such version.
            ModelError: the version is damaged; what served before still serves.
        """
        ...

    def rollback(self, name: str) -> str:
        """Go back to the version that served before the current one, pin it, and return its name.

        Repeated calls go further back. Versions that were pruned or are damaged are passed over.

        Raises:
            NotFound: nothing was ever promoted.
            Conflict: no earlier version is left.
        """
        ...

    def current(self, name: str) -> ModelVersion | None:
        """The version that serves, verified, or None when none was promoted.

        Raises:
            ModelError: the pointer or the version is damaged.
        """
        ...

    def get(self, name: str, version: str) -> ModelVersion:
        """One version, with every file verified (raises `NotFound` or `ModelError`)."""
        ...

    def list(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions, oldest first, their files not verified (raises `ModelError` for a damaged manifest)."""
        ...

    def pointer(self, name: str) -> Pointer | None:
        """What serves, what served before, and whether that is pinned; None when nothing was promoted.

        Raises:
            ModelError: the pointer is damaged.
        """
        ...

    def stamp(self, name: str) -> Stamp | None:
        """Cheap change detection for pollers: another value whenever the pointer was written."""
        ...

    def prune(self, name: str, keep: int) -> tuple[str, ...]:
        """Delete all but the newest ``keep`` versions, the current one and its predecessor; returns the deleted.

        Raises:
            BadInput: ``keep`` is negative.
            ModelError: the pointer is damaged, so that nothing is known to be superfluous.
        """
        ...

    def follow(self) -> bool:
        """Take over what other machines have published; returns whether there was anything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A new version, whether it serves now, and the metrics of its card."""

    version: str
    promoted: bool
    metrics: Mapping[str, float]


def publish_next(
    models: ModelRegistry, name: str, files: Mapping[str, bytes], card: ModelCard, *, keep: int
) -> Published:
    """Publish what was trained, promote it unless an operator pinned the version that serves, and prune to ``keep``.

    The version that served before is its parent.
    """
    serving = models.pointer(name)
    version = models.publish(name, files, replace(card, parent=serving.current if serving else None))
    promoted = models.promote(name, version, automatic=True)
    models.prune(name, keep)
    return Published(version=version, promoted=promoted, metrics=card.metrics)
