"""How an entity becomes a document of the text index: its fields, all analysed by `bandstand.catalog.text`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from bandstand.catalog.text import fold_title, index_terms, normalize, trigrams
from bandstand.types import Entity

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
    """Every normalised text that names an entity completely: its titles, alone and on either side of its artists."""
    credited = {_normalized(artist) for artist in (*artists[:1], " ".join(artists)) if artist}
    both = {name for title in titles for credit in credited for name in (f"{credit} {title}", f"{title} {credit}")}
    return titles | both


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
