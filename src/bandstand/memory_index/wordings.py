"""Ways in which an entity may be asked for: which of its names and attributes, how shortened, in which order."""

from __future__ import annotations

from collections.abc import Iterator

from bandstand.catalog.text import fold_title, normalize, romanize
from bandstand.types import Entity

NAMES = ("title", "folded", "first", "first two", "last", "latin", "alias")
"""The title as it stands, without its brackets, cut to words of it, in Latin letters; or another name."""

_DESCRIBING = ("mood", "era", "language", "genre", "subgenre")
_BY_ARTIST = ("artist", "surname", "artist latin")


def wordings(entity: Entity) -> dict[str, str]:
    """Normalised texts by form: the parts that they are made of, in order, joined by ``+`` ("surname+first two").

    Each text once, under the plainest form that gives it.
    """
    names, artists, words = _names(entity), _artists(entity), _describing(entity)
    found: dict[str, str] = {}
    for form, text in _forms(names, artists, words, normalize(entity.album or "")):
        if text and text not in found:
            found[text] = form
    return {form: text for text, form in found.items()}


def context(entity: Entity) -> tuple[str, ...]:
    """What decides how an entity is asked for, the widest first: nothing, its kind, and the look of its name."""
    name = normalize(entity.title)
    words = min(len(name.split()), 4)
    look = f"{words} words{'' if name.isascii() else ', other script'}{', described' if entity.attributes else ''}"
    return ("", entity.kind, f"{entity.kind}, {look}")


def _forms(
    names: dict[str, str], artists: dict[str, str], words: dict[str, str], album: str
) -> Iterator[tuple[str, str]]:
    yield from names.items()
    for who, artist in artists.items():
        for what, name in names.items():
            yield f"{what}+{who}", f"{name} {artist}"
            yield f"{who}+{what}", f"{artist} {name}"
    yield from artists.items()
    if album:
        yield "album", album
        for who, artist in artists.items():
            yield f"{who}+album", f"{artist} {album}"
    yield from words.items()
    for what, word in words.items():
        for other, second in words.items():
            if what != other:
                yield f"{what}+{other}", f"{word} {second}"
        for who, whose in (("artist", artists.get("artist")), ("title", names.get("title"))):
            if whose:
                yield f"{who}+{what}", f"{whose} {word}"
                yield f"{what}+{who}", f"{word} {whose}"


def _names(entity: Entity) -> dict[str, str]:
    title = normalize(entity.title)
    folded = fold_title(entity.title)
    words = folded.split()
    found = {
        "title": title,
        "folded": folded,
        "first": words[0] if len(words) > 1 else "",
        "first two": " ".join(words[:2]) if len(words) > 2 else "",
        "last": words[-1] if len(words) > 1 else "",
        "latin": "" if title.isascii() else romanize(title),
        "alias": normalize(entity.aliases[0]) if entity.aliases else "",
    }
    return {form: text for form, text in found.items() if text}


def _artists(entity: Entity) -> dict[str, str]:
    artist = normalize(entity.artists[0]) if entity.artists and entity.kind != "artist" else ""
    words = artist.split()
    found = (artist, words[-1] if len(words) > 1 else "", "" if artist.isascii() else romanize(artist))
    return {form: text for form, text in zip(_BY_ARTIST, found, strict=True) if text}


def _describing(entity: Entity) -> dict[str, str]:
    """The surest value of each attribute that people search by, and the kind."""
    held = sorted(entity.attributes, key=lambda attribute: attribute.confidence)
    values = {attribute.name: normalize(attribute.value) for attribute in held if attribute.name in _DESCRIBING}
    return {name: value for name, value in values.items() if value} | {"kind": entity.kind}
