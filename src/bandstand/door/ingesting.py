"""Ingest of tables and other files: how they are read by what was asked and by the home's file, and synced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bandstand.app.storage import Storage
from bandstand.catalog.ingest import IngestReport, Progress, ingest, ingest_rows, ingest_source
from bandstand.catalog.readers.base import Reader
from bandstand.catalog.readers.entity_map import EntityMap, entity_map
from bandstand.catalog.readers.library import LibraryReader
from bandstand.catalog.readers.registry import MAPPED, reader_for
from bandstand.catalog.readers.sql import sql_table
from bandstand.catalog.sources import Source
from bandstand.catalog.sync import Read, SyncPlan, sync
from bandstand.errors import BadInput
from bandstand.settings import INGEST, read_table
from bandstand.subsonic.address import Address


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an ingest of a table was asked for; see `Bandstand.ingest`. ``map``: pairs of field and expression."""

    map: Sequence[tuple[str, str]] = ()
    kind: str | None = None
    unknown: str | None = None

    def mapping(self, home: Path | None = None) -> EntityMap:
        """As a mapping; with what the file of a home says where nothing was asked.

        Raises:
            BadInput: a field, or what to do with unknown columns, is none.
        """
        said = read_table(home, INGEST) if home is not None else {}
        fields = said.get("map", {})
        if not isinstance(fields, dict):
            raise BadInput('[ingest] map must be a table such as { title = "track_name" }', field="map")
        unknown = self.unknown or said.get("unknown", "keep")
        over = {name: text for name, text in fields.items() if name not in dict(self.map)}
        return entity_map([*over.items(), *self.map], kind=self.kind or said.get("kind"), unknown=unknown)


class Ingesting:
    """One ingest into a home's catalogue."""

    def __init__(
        self,
        storage: Storage,
        asked: Asked,
        *,
        sync: Callable[[SyncPlan], bool] | None,
        progress: Progress,
    ) -> None:
        self._storage, self._asked, self._agreed, self._progress = storage, asked, sync, progress

    def reader(self, path: Path, name: str | None) -> Reader:
        """The reader of a file or folder; raises `BadInput` as `reader_for`."""
        reader = reader_for(path, name, self._asked.mapping())
        return reader_for(path, reader.name, self._mapping) if reader.name in MAPPED else reader

    def file(self, reader: Reader, path: Path) -> IngestReport:
        """Store what a file holds; raises as `ingest` and `sync`."""
        storage = self._storage
        if self._agreed is not None:
            return self._synced(lambda: reader.read(path))
        return ingest(
            reader,
            path,
            storage.store,
            rejects=storage.paths.rejects,
            resume=storage.paths.resume,
            asked="" if self._mapping.plain else repr(self._mapping),
            progress=self._progress,
        )

    def database(self, url: str, query: str | None) -> IngestReport:
        """Store what a database answers.

        Raises:
            BadInput: there is no query, or no answer.
        """
        if query is None:
            raise BadInput("of a database a query is read: --query 'SELECT id, title FROM songs'", field="query")
        table, mapping, storage = sql_table(url, query), self._mapping, self._storage
        if self._agreed is not None:
            return self._synced(lambda: mapping.rows(table))
        rejects = storage.paths.rejects
        report = ingest_rows(mapping.rows(table), storage.store, rejects=rejects, progress=self._progress)
        if not report.read + report.rejected:
            raise BadInput("the query answers with no rows: nothing was ingested", field="query")
        return report

    def library(self, folder: Path) -> IngestReport:
        """Store what a folder of music holds; raises as `ingest_source`."""
        storage = self._storage
        with closing(Source(storage.paths.sources, folder.resolve().as_posix())) as source:
            rows, rejects = LibraryReader(source).read(folder), storage.paths.rejects
            return ingest_source(rows, storage.store, source, rejects=rejects, progress=self._progress)

    def server(self, address: Address) -> IngestReport:
        """Store what a Subsonic server holds; raises as `ingest_source`, and `Unavailable`."""
        from bandstand.subsonic.client import Client
        from bandstand.subsonic.reader import SERVER, ServerReader

        storage, settings = self._storage, self._storage.settings
        login = {"password": settings.subsonic_password, "api_key": settings.subsonic_api_key}
        with Client(address, **login) as client, closing(Source(storage.paths.sources, SERVER)) as source:
            rows, rejects = ServerReader(client, source).rows(), storage.paths.rejects
            return ingest_source(rows, storage.store, source, rejects=rejects, progress=self._progress)

    @cached_property
    def _mapping(self) -> EntityMap:
        return self._asked.mapping(self._storage.settings.home)

    def _synced(self, read: Read) -> IngestReport:
        assert self._agreed is not None
        storage = self._storage
        return sync(read, storage.store, self._agreed, rejects=storage.paths.rejects, progress=self._progress)
