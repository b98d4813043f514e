"""`library`: a folder of music; its songs by their tags, their albums and artists, and playlists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.library.covers import PICTURES, covers_beside
from bandstand.catalog.library.entities import Fields, Library
from bandstand.catalog.library.folder import File, files
from bandstand.catalog.library.playlists import PLAYLISTS, read_playlist
from bandstand.catalog.library.tags import AUDIO, Song, read_song
from bandstand.catalog.readers.base import Rejected, Row, printable
from bandstand.catalog.sources import Source
from bandstand.errors import BadInput

_READS = 1
"""What is read of a file; to be raised when that is more, so that files are read again that have not changed."""

_KEPT_TOGETHER = 200


class LibraryReader:
    """Tracks as they are read, then albums, artists and playlists; lines count the audio files, by their paths.

    What a file says is remembered in ``source``, if there is one, and read again only when the file has changed.
    """

    name = "library"
    streaming = False

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._unkept: list[tuple[str, str, bytes]] = []

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield a row for every file, album, artist and playlist; a file that cannot be read is set aside by its path.

        Raises:
            BadInput: it is no folder, or no music is in it.
            MissingDependency: mutagen is not installed.
        """
        found = files(path, AUDIO | PLAYLISTS | PICTURES.keys())
        audio = [file for file in found if file.suffix in AUDIO]
        if not audio:
            raise BadInput(f"{path} holds no music ({', '.join(sorted(AUDIO))}): is its disk mounted?")
        pictures = (file.path for file in found if file.suffix in PICTURES)
        library = Library(path.resolve().as_posix(), covers_beside(pictures))
        yield from self._tracks(path, audio, library)
        for line, fields in (*library.albums(), *library.artists()):
            yield _row(line, fields)
        lists = (file.path for file in found if file.suffix in PLAYLISTS)
        if self._source is not None:
            self._source.keep_covers({id_: path.resolve() / cover for id_, cover in library.covers.items()})
        yield from _playlists(path, enumerate(lists, start=len(audio) + 1), library)

    def _tracks(self, folder: Path, audio: list[File], library: Library) -> Iterator[Row | Rejected]:
        for line, file in enumerate(audio, start=1):
            try:
                yield _row(line, library.track(line, file.path, self._song(folder, file)))
            except BadInput as error:
                yield Rejected(line, str(error), printable(file.path))
        self._keep()
        if self._source is not None:
            self._source.forget_others([file.path for file in audio])

    def _song(self, folder: Path, file: File) -> Song:
        stamp = f"{_READS}:{file.stamp}"
        if printable(file.path) != file.path:
            raise BadInput("its name is not UTF-8: rename it")
        kept = None if self._source is None else self._source.reading(file.path, stamp)
        if kept is not None:
            return msgspec.json.decode(kept, type=Song)
        song = read_song(folder / file.path)
        self._unkept.append((file.path, stamp, msgspec.json.encode(song)))
        if len(self._unkept) >= _KEPT_TOGETHER:
            self._keep()
        return song

    def _keep(self) -> None:
        if self._source is not None:
            self._source.keep(self._unkept)
        self._unkept.clear()


def _playlists(folder: Path, lists: Iterable[tuple[int, str]], library: Library) -> Iterator[Row | Rejected]:
    for line, path in lists:
        try:
            yield _row(line, library.playlist(path, read_playlist(folder / path, folder, library.songs)))
        except BadInput as error:
            yield Rejected(line, str(error), printable(path))


def _row(line: int, fields: Fields) -> Row | Rejected:
    try:
        return Row(line, entity_from_json(fields))
    except BadInput as error:
        return Rejected(line, str(error), str(fields["title"]))
