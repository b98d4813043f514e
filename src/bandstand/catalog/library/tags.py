"""What the tags of one audio file say, whatever its container calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bandstand.catalog.library.names import people_in, values_in
from bandstand.errors import BadInput, MissingDependency

AUDIO = frozenset((".flac", ".m4a", ".m4b", ".mp3", ".mp4", ".oga", ".ogg", ".opus"))
"""How the names of files that are read end."""


class Song(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tags of a file. ``released`` is an ISO date or a part of one, ``seconds`` how long it plays.

    ``picture`` says whether the file holds a cover.
    """

    title: str
    artists: tuple[str, ...] = ()
    album: str | None = None
    album_artists: tuple[str, ...] = ()
    compilation: bool = False
    composers: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    released: str | None = None
    disc: int | None = None
    track: int | None = None
    seconds: float | None = None
    picture: bool = False


# Names of Vorbis comments (FLAC, Ogg, Opus), ID3 frames (MP3) and MP4 atoms, in small letters; the first that is there
# counts. The free ones (`txxx:`, `----:`) are those that Picard and its like write.
_ITUNES = "----:com.apple.itunes:"
_TITLE = ("title", "tit2", "\xa9nam")
_ARTISTS = ("artists", "txxx:artists", f"{_ITUNES}artists", "artist", "tpe1", "\xa9art")
_ALBUM = ("album", "talb", "\xa9alb")
_ALBUM_ARTISTS = ("albumartists", "txxx:albumartists", "albumartist", "album artist", "tpe2", "aart")
_COMPILATION = ("compilation", "tcmp", "cpil")
_COMPOSERS = ("composer", "tcom", "\xa9wrt")
_GENRES = ("genre", "tcon", "\xa9gen")
_MOODS = ("mood", "tmoo", f"{_ITUNES}mood")
_RELEASED = ("originaldate", "tdor", f"{_ITUNES}originaldate", "date", "tdrc", "\xa9day", "originalyear", "year")
_DISC = ("discnumber", "tpos", "disk")
_TRACK = ("tracknumber", "trck", "trkn")

_PICTURES = ("apic", "covr", "metadata_block_picture")

_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_LEADING_NUMBER = re.compile(r"^(?:\d{1,2}-)?\d{1,3}(?:\s*[._-]\s*|\s+)(?=\S)")


def read_song(path: Path) -> Song:
    """The tags of an audio file; without a title it is called as the file is.

    Raises:
        BadInput: it is no audio file that is known here, or is damaged.
        MissingDependency: mutagen is not installed.
    """
    file = open_audio(path)
    tags = {str(name).lower(): value for name, value in (file.tags or {}).items()}
    seconds = float(getattr(file.info, "length", 0.0) or 0.0)
    return Song(
        title=_first(tags, _TITLE) or _LEADING_NUMBER.sub("", path.stem),
        artists=people_in(_texts(tags, _ARTISTS)),
        album=_first(tags, _ALBUM),
        album_artists=people_in(_texts(tags, _ALBUM_ARTISTS)),
        compilation=_first(tags, _COMPILATION) in {"1", "true", "yes"},
        composers=people_in(_texts(tags, _COMPOSERS)),
        genres=values_in(_texts(tags, _GENRES)),
        moods=values_in(_texts(tags, _MOODS)),
        released=_released(tags),
        disc=_number(tags, _DISC),
        track=_number(tags, _TRACK),
        seconds=round(seconds, 3) or None,
        picture=bool(getattr(file, "pictures", None)) or any(name.startswith(_PICTURES) for name in tags),
    )


def open_audio(path: Path) -> Any:  # noqa: ANN401 - mutagen's files share no type
    """The file as mutagen has it.

    Raises:
        BadInput: it is no audio file that is known here, or is damaged.
        MissingDependency: mutagen is not installed.
    """
    try:
        import mutagen
    except ImportError as cause:
        raise MissingDependency("a music library is read with mutagen: pip install mutagen") from cause
    try:
        file = mutagen.File(path)
    except Exception as cause:  # damaged files make mutagen raise whatever there is
        raise BadInput(f"cannot be read: {cause or type(cause).__name__}") from cause
    if file is None:
        raise BadInput("cannot be read: it is no audio file, whatever its name says")
    return file


def _texts(tags: Mapping[str, object], names: Iterable[str]) -> list[str]:
    """The values of the first name that has some, without blanks around them."""
    for name in names:
        values = (" ".join(text.split()) for text in _flat(tags.get(name)))
        if found := [text for text in values if text]:
            return found
    return []


def _flat(value: object) -> Iterator[str]:
    """The texts of a value: Vorbis has lists, ID3 frames, MP4 lists, pairs (number, of how many), flags and bytes."""
    value = getattr(value, "genres", None) or getattr(value, "text", value)
    if isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, tuple):
        yield str(value[0])
    elif isinstance(value, list):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def _first(tags: Mapping[str, object], names: Iterable[str]) -> str | None:
    return next(iter(_texts(tags, names)), None)


def _released(tags: Mapping[str, object]) -> str | None:
    for text in _texts(tags, _RELEASED):
        if match := _DATE.match(text):
            return match[0]
    return None


def _number(tags: Mapping[str, object], names: Iterable[str]) -> int | None:
    match = _NUMBER.match(_first(tags, names) or "")
    return int(match[0]) or None if match else None
