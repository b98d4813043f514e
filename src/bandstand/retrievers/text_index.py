"""The text index on disk that the lexical and the trigram retriever share: one writer, any number of readers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bandstand.catalog.store import Change
from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.retrievers.text_document import FORMAT, MARKER, ORDINAL, SEQ, TERMS, document, schema
from bandstand.retrievers.text_search import TextSearcher

FORMAT_VERSION = 2
"""Of the schema and of the analysis. An index of another version is built anew from the catalogue."""

WRITER_MEMORY = 64_000_000
"""Bytes that the writer fills before it writes a segment."""

_STATE = "state"


class TextIndex:
    """A tantivy index that follows the catalogue's change feed.

    How far it has come is a document of the index itself, so that it is committed with what it speaks about:
    after a crash the index holds exactly the changes up to `seq`, and those after it are applied again.

    Not for several threads on the writing side; `searcher` may be called from any thread.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        """Use `open`."""
        self._path = path
        self._writer: Any = None
        with _mapped(path):
            self._index = _open(path, writable=writable)
            if writable:
                self._writer = self._index.writer(WRITER_MEMORY, 1)
        self.refresh()
        self._applied = self._seq

    @classmethod
    def open(cls, path: Path, *, writable: bool) -> Self:
        """Open the index of a folder; a writer creates it, and empties one of another format version.

        Raises:
            Conflict: another process or object writes to it.
            Unavailable: there is no index yet, or one of another version (readers only).
            StorageError: the files cannot be used.
        """
        return cls(path, writable=writable)

    @property
    def seq(self) -> int:
        """The catalogue change up to which this object finds everything."""
        return self._seq

    @property
    def applied(self) -> int:
        """The catalogue change up to which everything was applied here; after `commit` the same as `seq`."""
        return self._applied

    def searcher(self) -> TextSearcher:
        """The index as of the last `commit` or `refresh`."""
        return self._searcher

    def apply(self, changes: Sequence[Change]) -> None:
        """Take changes over; they are found after `commit`. Applying them again changes nothing."""
        writer = self._writing()
        with _mapped(self._path):
            for change in changes:
                writer.delete_documents_by_term(ORDINAL, change.ordinal)
                if change.entity is not None:
                    writer.add_document(document(change.ordinal, change.entity))
        self._applied = max([self._applied, *(change.seq for change in changes)])

    def commit(self) -> None:
        """Put what was applied on disk, and find it from now on."""
        import tantivy

        writer = self._writing()
        marker = tantivy.Document()
        marker.add_text(MARKER, _STATE)
        marker.add_unsigned(FORMAT, FORMAT_VERSION)
        marker.add_unsigned(SEQ, self._applied)
        with _mapped(self._path):
            writer.delete_documents_by_term(MARKER, _STATE)
            writer.add_document(marker)
            writer.commit()
        self.refresh()

    def refresh(self) -> None:
        """Find what has been committed since, by this or another process."""
        with _mapped(self._path):
            self._index.reload()
            searcher = self._index.searcher()
        self._searcher = TextSearcher(searcher, self._index.schema)
        self._seq = self._searcher.state(_STATE).get(SEQ, [0])[0]

    def close(self) -> None:
        """Let another writer in; what was not committed is forgotten. Safe to call twice."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with _mapped(self._path):
                writer.rollback()
                writer.wait_merging_threads()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _writing(self) -> Any:  # noqa: ANN401
        if self._writer is None:
            raise Conflict(f"the text index in {self._path} is not open for writing; open it with writable=True")
        return self._writer


def _open(path: Path, *, writable: bool) -> Any:  # noqa: ANN401
    """The tantivy index of a folder, made or made anew where it may be."""
    import tantivy

    if not writable and not (path.is_dir() and tantivy.Index.exists(str(path))):
        raise Unavailable(f"there is no text index in {path} yet; run `bandstand index`")
    path.mkdir(parents=True, exist_ok=True)
    index = _attach(path)
    if index is None and not writable:
        raise Unavailable(f"the text index in {path} is of another version; run `bandstand index`")
    if index is None:
        _clear(path)
        index = _attach(path)
    return index


def _attach(path: Path) -> Any:  # noqa: ANN401
    """The index as this version reads it, an empty one in an empty folder; None when another version wrote it."""
    import tantivy

    if tantivy.Index.exists(str(path)) and tantivy.Index.open(str(path)).schema != schema():
        return None
    index = tantivy.Index(schema(), path=str(path))
    index.register_tokenizer(TERMS, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    # Reloading is `refresh`'s: a searcher that changed by itself would disagree with `seq`.
    index.config_reader("manual")
    version = TextSearcher(index.searcher(), index.schema).state(_STATE).get(FORMAT, [FORMAT_VERSION])
    return index if version == [FORMAT_VERSION] else None


def _clear(path: Path) -> None:
    """Delete an index, unless somebody is writing to it."""
    import tantivy

    writer = tantivy.Index.open(str(path)).writer(WRITER_MEMORY, 1)
    writer.wait_merging_threads()
    shutil.rmtree(path)
    path.mkdir()


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Raise tantivy's errors as ours."""
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        if "LockBusy" in str(error):
            raise Conflict(
                f"another process is writing to the text index in {path}; stop it, or open the index for reading"
            ) from error
        raise StorageError(
            f"the text index in {path} cannot be used: {error}; if the disk is not full, delete that folder"
            " and run `bandstand index` to build it anew from the catalogue"
        ) from error
