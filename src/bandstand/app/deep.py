"""Looks into every file of a home: what has a checksum is held against it, the rest against what it must agree with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from bandstand.backend import Finding, Paths
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import BandstandError
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.memory_index.checksums import damage
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import MODEL_NAMES
from bandstand.retrievers.encoder_registry import ENCODERS, verify_made
from bandstand.retrievers.text_index import TextIndex, damaged_files
from bandstand.retrievers.token_table import TokenTable
from bandstand.retrievers.vector_store import VectorStores
from bandstand.types import Clock
from bandstand.types.times import DAY_S

_SHOWN = 5

_AGAIN = "move {0}* away, ingest again, and run `bandstand index`: entities keep their numbers (catalog.ordinals)"
_LOG = "restore {0} from a backup, or move {0}* away: what was learned stays, and learning goes on with a new log"
_MEMORY = "restore the folder {0} from a backup, or delete it: it is learned anew from the log"
_REBUILD = "run `bandstand index --rebuild`"
_TRAIN = "run `bandstand train`, or `bandstand models promote` another version"


class Examination:
    """One look into the files of a home that no process writes to; the parts of `PARTS` one by one, or `all`."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._paths, self._clock = Paths(home), clock

    def all(self) -> Iterator[Finding]:
        """Every part."""
        for name in PARTS:
            yield self.part(name)

    def part(self, name: str) -> Finding:
        """What is wrong with a part, and what to do about it; a part that cannot be opened is wrong."""
        check, remedy, file = PARTS[name]
        path = self._paths.home / file
        try:
            wrong = list(check(self))
        except (BandstandError, OSError, ValueError, KeyError, TypeError) as error:
            wrong = [str(error)]
        if not wrong:
            return Finding(f"{name}, every byte", True, "as it was written")
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        return Finding(f"{name}, every byte", False, f"{'; '.join(wrong[:_SHOWN])}{more}: {remedy.format(path)}")

    def catalogue(self) -> Iterator[str]:
        """Rows against their checksums, and the book of ordinals against the rows."""
        if self._paths.catalog.exists():
            with closing(SqliteStore(self._paths.catalog, clock=self._clock)) as store:
                yield from store.damage()

    def log(self) -> Iterator[str]:
        """Rows against their records, and times against each other."""
        if self._paths.log.exists():
            with closing(SqliteLog(self._paths.log, clock=self._clock)) as log:
                yield from log.damage(latest=self._clock() + DAY_S)

    def memory(self) -> Iterator[str]:
        """Every record against the sum of all."""
        if (self._paths.memory / "data.mdb").exists() and (wrong := damage(self._paths.memory)):
            yield wrong

    def text(self) -> Iterator[str]:
        """Files against the checksums at their ends, documents against the catalogue."""
        if not self._paths.text.exists():
            return
        wrong = list(damaged_files(self._paths.text))
        yield from wrong
        if wrong:  # opening it would tell less
            return
        with (
            closing(TextIndex(self._paths.text, writable=False)) as text,
            closing(SqliteStore(self._paths.catalog, clock=self._clock)) as store,
        ):
            history = store.history()
            if not history.holds(text.place):
                yield "it belongs to another catalogue"
            elif text.place.number == history.last:
                yield from text.differs({ordinal for ordinal, _ in store.scan()})

    def vectors(self) -> Iterator[str]:
        """Vectors against their checksums, and their sentences against the catalogue."""
        if not self._paths.catalog.exists() or not any(self._paths.home.glob("vectors*.sqlite")):
            return
        with (
            closing(VectorStores(self._paths.home)) as stores,
            closing(SqliteStore(self._paths.catalog, clock=self._clock)) as store,
        ):
            serving = stores.serving
            if not store.history().holds(serving.place):
                yield "they belong to another catalogue"
            changes = store.changes(0, store.head())
            yield from serving.damage([change for change in changes if change.seq <= serving.place.number])

    def models(self) -> Iterator[str]:
        """Every version's files against its manifest, that against the version's name, and the pointers."""
        registry = FolderRegistry(self._paths.models, self._clock)
        for name in MODEL_NAMES:
            yield from _failures(partial(registry.current, name))
            for version in registry.versions(name):
                yield from _failures(partial(registry.get, name, version))

    def encoders(self) -> Iterator[str]:
        """The encoder's files against its manifest, and the table of token vectors against its digest."""
        for folder in sorted((self._paths.home / ENCODERS).glob("[!.]*")):
            yield from _failures(partial(verify_made, folder))
        yield from _failures(partial(TokenTable.read, self._paths.token_table))


def _failures(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except (BandstandError, OSError) as error:
        yield str(error)


PARTS: Mapping[str, tuple[Callable[[Examination], Iterator[str]], str, str]] = {
    "catalogue": (Examination.catalogue, _AGAIN, "catalog.sqlite"),
    "log": (Examination.log, _LOG, "log.sqlite"),
    "memory": (Examination.memory, _MEMORY, "memory"),
    "text index": (Examination.text, _REBUILD, "text"),
    "vectors": (Examination.vectors, _REBUILD, "vectors.sqlite"),
    "models": (Examination.models, _TRAIN, "models"),
    "encoders": (Examination.encoders, "run `bandstand index`", "encoders"),
}
"""What each part is checked by, what to do where it is damaged, and where it lies."""
