"""The text index of the lexical and the trigram retriever: documents, one writer, any number of readers, searches."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from bandstand.catalog.store import Change
from bandstand.catalog.text import fold_title, index_terms, name_keys, normalize, trigrams
from bandstand.errors import Conflict, RetrievalError, StorageError, Unavailable
from bandstand.files import remove_folder
from bandstand.retrievers.base import inside
from bandstand.types import Entity, Kind, Mask, Ordinals, Place, Scores

TITLE, ARTISTS, ALBUM, ALIASES, ATTRIBUTES = "title", "artists", "album", "aliases", "attributes"
WORD_FIELDS = (TITLE, ARTISTS, ALBUM, ALIASES, ATTRIBUTES)
KIND, EXACT, GRAMS, ALIAS_GRAMS = "kind", "exact", "grams", "alias_grams"
ORDINAL, MARKER, FORMAT, SEQ = "ordinal", "marker", "format", "seq"

TERMS = "terms"
"""The tokenizer of fields that are fed terms joined by spaces; normalised terms hold no white space themselves."""


def schema() -> Any:  # noqa: ANN401 - tantivy has no types of its own
    """The index's schema. Raise `text_index.FORMAT_VERSION` with every change here or in the analysis."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in WORD_FIELDS:
        builder.add_text_field(name, tokenizer_name=TERMS, index_option="freq")
    for name in (GRAMS, ALIAS_GRAMS):
        builder.add_text_field(name, tokenizer_name=TERMS, index_option="basic")
    for name in (KIND, EXACT, MARKER):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    # Signed, because deleting by term reads a Python int as signed: from an unsigned field it would delete nothing.
    builder.add_integer_field(ORDINAL, indexed=True, fast=True)
    builder.add_unsigned_field(FORMAT, stored=True)
    builder.add_unsigned_field(SEQ, stored=True)
    return builder.build()


def document(ordinal: int, entity: Entity) -> Any:  # noqa: ANN401
    """The document of an entity."""
    import tantivy

    found = tantivy.Document()
    found.add_integer(ORDINAL, ordinal)
    for name, text in field_texts(entity):
        found.add_text(name, text)
    return found


def field_texts(entity: Entity) -> Iterator[tuple[str, str]]:
    """Every text of an entity's document with its field; a field may come several times.

    Terms are joined by spaces, but for `KIND` and `EXACT`, whose texts are terms as they are.
    """
    title, aliases = normalize(entity.title), [normalize(alias) for alias in entity.aliases]
    yield KIND, entity.kind
    yield TITLE, " ".join(index_terms(entity.title))
    for name, texts in _shared(entity):
        for text in texts:
            yield name, _terms(text)
    yield GRAMS, " ".join(grams(" ".join((title, *map(_normalized, entity.artists), *aliases))))
    if aliases:
        yield ALIAS_GRAMS, " ".join(grams(" ".join(aliases)))
    for name in _exact_names(entity.artists, {title, fold_title(entity.title), *aliases}):
        yield EXACT, name


def _shared(entity: Entity) -> Iterator[tuple[str, Iterable[str]]]:
    """The fields whose values many entities have in common."""
    yield ARTISTS, entity.artists
    yield ALBUM, (entity.album,) if entity.album else ()
    yield ALIASES, entity.aliases
    yield ATTRIBUTES, (attribute.value for attribute in entity.attributes)


def _exact_names(artists: Sequence[str], titles: set[str]) -> set[str]:
    """The keys of every text that names an entity completely: its titles, alone and on either side of its artists."""
    credited = {_normalized(artist) for artist in (*artists[:1], " ".join(artists)) if artist}
    both = {name for title in titles for credit in credited for name in (f"{credit} {title}", f"{title} {credit}")}
    return {key for name in titles | both for key in name_keys(name)}


@lru_cache(maxsize=65_536)
def _normalized(text: str) -> str:
    return normalize(text)


@lru_cache(maxsize=65_536)
def _terms(text: str) -> str:
    """Terms, joined, of a text that many entities share: an artist, an album, an attribute's value."""
    return " ".join(index_terms(text))


def grams(normalized: str) -> list[str]:
    """The distinct trigrams of a normalised text's words, their padding spaces written as underscores."""
    return list(dict.fromkeys(chain.from_iterable(map(_word_grams, normalized.split()))))


@lru_cache(maxsize=65_536)
def _word_grams(word: str) -> tuple[str, ...]:
    return tuple(gram.replace(" ", "_") for gram in trigrams(word))


PUSHED_DOWN = 4_096
"""A mask that allows no more entities than this becomes part of the query; above it hits are filtered afterwards."""

CONSIDERED = 512
"""How many terms of a query are looked up: a pasted page of text is no reason to look up more."""

FARTHEST = 65_536
"""How many hits are looked at, at most, to find allowed ones."""

TIES = 4
"""One more hit for each so many is looked at from the beginning, which is usually where the last one's ties end."""


class TextSearcher:
    """One state of the text index; several threads may use it. Methods raise RetrievalError only."""

    def __init__(self, searcher: Any, schema: Any) -> None:  # noqa: ANN401 - tantivy has no types of its own
        self._searcher = searcher
        self._schema = schema

    def state(self, name: str) -> dict[str, list[int]]:
        """The stored fields of a marker document, empty when there is none."""
        hits = self._search(self.term(MARKER, name), 1)
        return dict(self._searcher.doc(hits[0][1]).to_dict()) if hits else {}

    def count(self) -> int:
        """How many documents there are, deleted ones left out."""
        return int(self._searcher.num_docs)

    def holds(self, ordinal: int) -> bool:
        """Whether there is a document of an ordinal."""
        import tantivy

        return bool(self._search(tantivy.Query.term_set_query(self._schema, ORDINAL, [ordinal]), 1))

    def doc_freq(self, field: str, term: str) -> int:
        """How many documents hold the term; deleted ones count until their segment is merged."""
        return int(self._searcher.doc_freq(field, term))

    def rarest(self, fields: Sequence[str], terms: Iterable[str], limit: int) -> list[tuple[str, tuple[str, ...]]]:
        """The terms that some field holds, each with those fields.

        At most ``limit`` of them, the rarest of the first `CONSIDERED`, in the given order: so that the same terms
        make the same sums of scores.
        """
        known: list[tuple[int, int, str, tuple[str, ...]]] = []
        for position, term in enumerate(islice(terms, CONSIDERED)):
            counts = [(field, self.doc_freq(field, term)) for field in fields]
            holding = tuple(field for field, count in counts if count)
            if holding:
                known.append((sum(count for _, count in counts), position, term, holding))
        kept = sorted(sorted(known)[:limit], key=lambda entry: entry[1])
        return [(term, holding) for _, _, term, holding in kept]

    def term(self, field: str, text: str, boost: float = 1.0) -> Any:  # noqa: ANN401
        """The query for one term of one field."""
        import tantivy

        query = tantivy.Query.term_query(self._schema, field, text, "freq")
        return query if boost == 1.0 else tantivy.Query.boost_query(query, float(boost))

    def any_of(self, parts: Sequence[Any]) -> Any:  # noqa: ANN401
        """The query that one part or more must match, scored by their sum."""
        import tantivy

        return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])

    def best_of(self, parts: Sequence[Any], spread: float) -> Any:  # noqa: ANN401
        """The query scored by its best part, plus ``spread`` times the others."""
        import tantivy

        return tantivy.Query.disjunction_max_query(list(parts), float(spread))

    def head(self, query: Any, *, kinds: Sequence[Kind], mask: Mask, size: int) -> tuple[Ordinals, Scores]:  # noqa: ANN401
        """The ``size`` best hits inside ``mask``, best first, ties by ordinal.

        Fewer when no more than that match, or when fewer lie among the first `FARTHEST` hits. The index gives ties in
        the order of its segments, which depends on when they were merged: so those of the last hit are all looked at.
        """
        query = self._narrowed(query, kinds, mask)
        limit = size + size // TIES
        while True:
            hits = self._search(query, limit)
            found, places = zip(*hits, strict=True) if hits else ((), ())
            scores = np.array(found, np.float32)
            ordinals = np.array(self._searcher.fast_field_values(ORDINAL, list(places)), np.int32)
            kept = np.flatnonzero(inside(ordinals, mask))
            enough = len(kept) >= size > 0 and scores[kept[size - 1]] > scores[-1]
            if enough or len(hits) < limit or limit >= FARTHEST:
                best = kept[np.lexsort((ordinals[kept], -scores[kept]))[:size]]
                return ordinals[best], scores[best]
            limit *= 2 if len(kept) >= size else 4

    def _narrowed(self, query: Any, kinds: Sequence[Kind], mask: Mask) -> Any:  # noqa: ANN401
        """The query, with as much of the condition as the index can check by itself; scores stay as they are."""
        import tantivy

        conditions = []
        if kinds:
            conditions.append(tantivy.Query.term_set_query(self._schema, KIND, list(kinds)))
        if np.count_nonzero(mask) <= PUSHED_DOWN < len(mask):
            conditions.append(tantivy.Query.term_set_query(self._schema, ORDINAL, np.flatnonzero(mask).tolist()))
        if not conditions:
            return query
        must = tantivy.Occur.Must
        silent = [(must, tantivy.Query.const_score_query(condition, 0.0)) for condition in conditions]
        return tantivy.Query.boolean_query([(must, query), *silent])

    def _search(self, query: Any, limit: int) -> list[tuple[float, Any]]:  # noqa: ANN401
        try:
            return list(self._searcher.search(query, limit, count=False).hits)
        except (ValueError, OSError) as error:
            raise RetrievalError(f"the text index cannot be searched: {error}") from error


FORMAT_VERSION = 3
"""Of the schema and of the analysis. An index of another version is built anew from the catalogue."""

WRITER_MEMORY = 64_000_000
"""Bytes that the writer fills before it writes a segment."""

_STATE = "state"


class TextIndex:
    """A tantivy index that follows the catalogue's change feed.

    How far it has come is a document of the index itself, so that it is committed with what it speaks about:
    after a crash the index holds exactly the changes up to ``place``, and those after it are applied again.

    A writer creates the index, and empties one of another format version. Not for several threads on the writing side;
    `searcher` may be called from any thread.

    Raises:
        Conflict: another process or object writes to it.
        Unavailable: there is no index yet, or one of another version (readers only).
        StorageError: the files cannot be used.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._writer: Any = None
        self._links: TemporaryDirectory[str] | None = None
        with _mapped(path):
            if not writable and path.is_dir() and not os.access(path, os.W_OK):
                self._links = _linked(path)
            self._index = _open(Path(self._links.name) if self._links else path, writable=writable)
            if writable:
                self._writer = self._index.writer(WRITER_MEMORY, 1)
        self.refresh()
        self._applied = self.place

    @property
    def applied(self) -> int:
        """The change up to which everything was applied here."""
        return self._applied.number

    @property
    def seq(self) -> int:
        """The change up to which everything was committed."""
        return self.place.number

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
        self._applied = max([self._applied, *(change.place for change in changes)])

    def commit(self) -> None:
        """Put what was applied on disk, and find it from now on."""
        import tantivy

        writer = self._writing()
        marker = tantivy.Document()
        marker.add_text(MARKER, _STATE)
        marker.add_unsigned(FORMAT, FORMAT_VERSION)
        for number in (self._applied.number, int(self._applied.chapter or "0", 16)):
            marker.add_unsigned(SEQ, number)
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
        self.place = _stored_place(self._searcher.state(_STATE).get(SEQ, [0]))

    def differs(self, ordinals: Collection[int]) -> Iterator[str]:
        """Where the index holds other entities than these, all of which it should."""
        documents = int(self._searcher.count())
        if documents != len(ordinals) + 1:  # with that which says how far it has come
            yield f"it holds {documents - 1} entities, the catalogue {len(ordinals)}"
        missing = [ordinal for ordinal in ordinals if not self._searcher.holds(ordinal)]
        if missing:
            yield f"it lacks {len(missing)} entities, first ordinal {missing[0]}"

    def close(self) -> None:
        """Let another writer in; what was not committed is forgotten. Safe to call twice."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with _mapped(self._path):
                writer.rollback()
                writer.wait_merging_threads()
        if self._links is not None:
            self._links.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _writing(self) -> Any:  # noqa: ANN401
        if self._writer is None:
            raise Conflict(f"the text index in {self._path} is not open for writing; open it with writable=True")
        return self._writer


def _stored_place(numbers: Sequence[int]) -> Place:
    """A place from its number and, of indexes that say so, the name of its chapter as a number."""
    return Place(numbers[0], f"{numbers[1]:016x}" if numbers[1:] and numbers[1] else "")


_FOOTER = struct.Struct("<II")
"""At a file's end: the length of its footer, which is JSON, and a number that says that there is one."""

_FOOTED = 1337


def damaged_files(path: Path) -> Iterator[str]:
    """The files of an index that are not what was written, by the checksums that tantivy puts at their ends."""
    try:
        told = msgspec.json.decode((path / "meta.json").read_bytes())
        names = [segment["segment_id"].replace("-", "") for segment in told["segments"]]
        if any(told.get(part) != says for part, says in _declared().items()):
            yield f"{path / 'meta.json'} does not declare what this version writes"
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
        yield f"{path / 'meta.json'} is not what was written ({error})"
        return
    for name in names:
        if not list(path.glob(f"{name}.*")):
            yield f"the files {name}.* are missing"
    for file in sorted(path.iterdir()):
        if file.suffix not in {".json", ".lock"} and not file.name.startswith(".") and not _whole(file.read_bytes()):
            yield f"{file} is not what was written"


def _declared() -> dict[str, Any]:
    """What the `meta.json` of every index of this version says of its fields."""
    import tantivy

    with TemporaryDirectory(prefix="bandstand-text-") as folder:
        tantivy.Index(schema(), path=folder)
        told = msgspec.json.decode((Path(folder) / "meta.json").read_bytes())
    return {part: told[part] for part in ("schema", "index_settings")}


def _whole(content: bytes) -> bool:
    """Whether a file's content has the checksum that its footer says."""
    if len(content) < _FOOTER.size:
        return False
    length, magic = _FOOTER.unpack_from(content, len(content) - _FOOTER.size)
    end = len(content) - _FOOTER.size - length
    if magic != _FOOTED or end < 0:
        return False
    try:
        footer = msgspec.json.decode(content[end : -_FOOTER.size])
    except msgspec.MsgspecError:
        return False
    return bool(footer.get("crc") == zlib.crc32(content[:end]))


def _linked(path: Path) -> TemporaryDirectory[str]:
    """A folder with links to the files of one in which nothing can be written: tantivy locks a file also to read."""
    links = TemporaryDirectory(prefix="bandstand-text-")
    for file in path.absolute().iterdir():
        if not file.name.endswith(".lock"):
            (Path(links.name) / file.name).symlink_to(file)
    return links


def delete_index(path: Path) -> None:
    """Let the index of a folder vanish in one step, so that no half of it is left however the deletion ends.

    Raises:
        StorageError: not all of its files could be deleted; what is left of them is no index any more.
    """
    with _mapped(path):
        if path.exists():
            remove_folder(path)


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
    remove_folder(path)
    path.mkdir()


_PANIC = "PanicException"
"""What Rust raises where a file is not what it must be; a `BaseException` without a place from which to import it."""


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Raise tantivy's errors as ours."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, (ValueError, OSError, RuntimeError)) and type(error).__name__ != _PANIC:
            raise
        if "LockBusy" in str(error):
            raise Conflict(
                f"another process is writing to the text index in {path}; stop it, or open the index for reading"
            ) from error
        raise StorageError(
            f"the text index in {path} cannot be used: {error}; if the disk is not full, delete that folder"
            " and run `bandstand index` to build it anew from the catalogue"
        ) from error
