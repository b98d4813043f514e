"""A home's own log and catalogue as a data set, and its catalogue under a log from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bandstand.app.storage import Storage
from bandstand.catalog.export import export as export_catalogue
from bandstand.errors import BadInput, StorageError
from bandstand.feedback.formats.export import export
from bandstand.replay.datasets.bandstand import BandstandAdapter
from bandstand.replay.datasets.base import Adapter
from bandstand.replay.datasets.generic import GenericAdapter
from bandstand.replay.datasets.registry import adapter_named
from bandstand.replay.settings import HIDDEN
from bandstand.replay.stream import Dataset
from bandstand.settings import Settings

_PLACE = ("backend", "host", "port", "opensearch_", "lease_")
"""How the names of settings begin that say where a platform runs, and not how it searches and learns."""


def chosen_dataset(
    name: str | None,
    path: Path | None,
    storage: Callable[[], Storage],
    folder: Path,
    options: Mapping[str, object] | None = None,
) -> Dataset:
    """What is meant by a data set's name and path: without either the home's own log.

    A single file of a kind that wants a catalogue beside it is played against the home's. ``storage`` opens the home
    where it is needed, ``folder`` is for what is written then.

    Raises:
        BadInput: there is no such data set, or its files cannot be used.
        StorageError: the folder cannot be written.
    """
    if name is None:
        return home_dataset(storage(), folder)
    adapter = adapter_named(name, **(options or {}))
    if path is None:
        raise BadInput(f"say where the files of {name} lie, or leave both out for the home's own log", field="path")
    if path.is_file() and isinstance(adapter, (BandstandAdapter, GenericAdapter)):
        return with_catalogue(adapter, path, storage(), folder)
    return adapter.open(path)


def home_dataset(storage: Storage, folder: Path) -> Dataset:
    """What was searched and done in a home, against its catalogue, under its settings.

    Both are written to ``folder`` first. Where they lie there already, as of an interrupted run, they are taken as they
    were then.

    Raises:
        BadInput: nothing was searched yet.
        StorageError: the folder cannot be written.
    """
    log = folder / "log.ndjson"
    if not storage.log.count("impression"):
        raise BadInput(f"nothing was searched in {storage.settings.home} yet: name a data set and its files")
    _write_catalogue(storage, folder)
    if not log.exists():
        storage.log.flush()
        unfinished = log.with_suffix(".part")
        export(storage.log, "ubi", unfinished, window=storage.settings.join_minutes * 60)
        unfinished.rename(log)
    found = BandstandAdapter().open(folder)
    return replace(found, name="home", settings=_own(storage.settings))


def with_catalogue(adapter: Adapter, log: Path, storage: Storage, folder: Path) -> Dataset:
    """A log file of an adapter's kind against a home's catalogue, which is written to ``folder``.

    Raises:
        BadInput: the adapter cannot read it.
        StorageError: the folder cannot be written.
    """
    _write_catalogue(storage, folder)
    form = "csv" if ".csv" in log.suffixes else "ndjson"
    link = folder / f"log.{form}{'.gz' if log.suffix == '.gz' else ''}"
    if not link.exists():
        link.symlink_to(log.resolve())
    return replace(adapter.open(folder), settings=_own(storage.settings))


def _write_catalogue(storage: Storage, folder: Path) -> None:
    if not storage.store.count():
        raise BadInput(f"{storage.settings.home} holds no entities: bandstand ingest")
    path = folder / "catalog.ndjson"
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise StorageError(f"{folder} cannot be written: {cause.strerror}; choose another place") from cause
        export_catalogue((entity for _, entity in storage.store.scan()), path)


def _own(settings: Settings) -> dict[str, object]:
    """The home's settings that are not the default; a replay has homes of its own, in folders."""
    return {
        name: value
        for name, value in settings
        if name not in HIDDEN and not name.startswith(_PLACE) and value != Settings.model_fields[name].default
    }
