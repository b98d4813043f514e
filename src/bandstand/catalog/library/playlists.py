"""Playlists in files: M3U, M3U8 and PLS, in whatever encoding they were written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from bandstand.errors import BadInput, MissingDependency

PLAYLISTS = frozenset((".m3u", ".m3u8", ".pls"))
"""How the names of files that are read end."""

_PLS_ENTRY = re.compile(r"\s*File\d+\s*=\s*(.+)", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:/")
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """What a playlist is called, and the songs it names, in order: those that are ``known``, and how many are not."""

    title: str
    songs: tuple[str, ...]
    missing: int


def read_playlist(path: Path, folder: Path, known: Collection[str]) -> Playlist:
    """A playlist of a folder whose songs are ``known`` by their paths inside it, with "/" between their parts.

    The bytes are read in the encoding in which the most entries are songs: names say nothing about it, and a few lines
    are too little to tell by their letters alone.

    Raises:
        BadInput: it cannot be read, or none of its entries is a song of the folder.
        MissingDependency: charset-normalizer is not installed.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except OSError as cause:
        raise BadInput(f"cannot be read: {cause.strerror}") from cause
    songs = _Songs(known)
    readings = (_resolved(text, path, folder, songs) for text in _decoded(raw))
    best = max(readings, key=lambda playlist: len(playlist.songs))  # of equal ones the first
    if not best.songs:
        raise BadInput(f"none of its {best.missing} entries is a song of this folder")
    return best


def _decoded(raw: bytes) -> Iterator[str]:
    """The text in every encoding that it may have, the likeliest first."""
    try:
        yield raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            from charset_normalizer import from_bytes
        except ImportError as cause:
            raise MissingDependency(
                "encodings of playlists are told by charset-normalizer: pip install charset-normalizer"
            ) from cause
        yield from (str(match) for match in from_bytes(raw))
        yield raw.decode("latin-1")


class _Songs:
    """Finds songs by paths as playlists write them: relative, absolute, of another machine, in other letter case."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = frozenset(known)
        self._folded: dict[str, str] = {}
        for path in sorted(known):
            self._folded.setdefault(path.casefold(), path)

    def find(self, path: str) -> str | None:
        """The song with this path, else the one whose path is the longest end of it; a name alone proves nothing."""
        if path in self._known:
            return path
        parts = path.casefold().strip("/").split("/")
        ends = ("/".join(parts[start:]) for start in range(max(len(parts) - 1, 1)))
        return next((self._folded[end] for end in ends if end in self._folded), None)


def _resolved(text: str, path: Path, folder: Path, songs: _Songs) -> Playlist:
    here = PurePosixPath(path.parent.relative_to(folder).as_posix())
    entries = list(_entries(text, path.suffix.lower()))
    found = [songs.find(_inside(entry, here, folder)) for entry in entries]
    title = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("#PLAYLIST:")), "")
    kept = tuple(dict.fromkeys(song for song in found if song is not None))
    return Playlist(title=title or path.stem, songs=kept, missing=found.count(None))


def _entries(text: str, suffix: str) -> Iterator[str]:
    for line in text.splitlines():
        if suffix == ".pls":
            if match := _PLS_ENTRY.fullmatch(line):
                yield match[1].strip()
        elif line.strip() and not line.startswith("#"):
            yield line.strip()


def _inside(entry: str, here: PurePosixPath, folder: Path) -> str:
    """The path of an entry as it would be inside the folder, seen from the playlist where it is relative."""
    if entry.lower().startswith("file:"):
        entry = unquote(urlsplit(entry).path)
    entry = _DRIVE.sub("/", entry.replace("\\", "/"))
    if entry.startswith("/"):
        return entry.removeprefix(f"{folder.as_posix()}/")
    parts: list[str] = []
    for part in (*here.parts, *PurePosixPath(entry).parts):
        if part == ".." and parts:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return "/".join(parts)
