"""A folder of music as entities: every container and playlist, what changes, what cannot be read."""

from __future__ import annotations

import base64
import os
import threading
from collections import Counter
from contextlib import closing

import mutagen
import pytest
from mutagen.flac import Picture
from mutagen.id3 import APIC
from mutagen.mp4 import MP4Cover

from bandstand.catalog.ingest import ingest_source
from bandstand.catalog.library.covers import read_cover
from bandstand.catalog.library.tags import Song, read_song
from bandstand.catalog.library.watch import changes
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.library import LibraryReader
from bandstand.catalog.readers.registry import guess_reader
from bandstand.catalog.sources import Source, cover_of
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import BadInput, MissingDependency, NotFound
from bandstand.testing.readers import ReaderContract
from tests.support.audio import CONTAINERS, PNG, song

ITUNES = "----:com.apple.iTunes:"
SPELLED = {
    ".mp3": {
        "TIT2": ["Under Pressure"], "TPE1": ["Queen", "David Bowie"], "TALB": ["Hot Space"], "TPE2": ["Queen"],
        "TCOM": ["Mercury; Bowie"], "TCON": ["(17)", "Pop"], "TMOO": ["tense"], "TDRC": ["1982-05-21"],
        "TPOS": ["1/2"], "TRCK": ["11/11"],
    },
    ".m4a": {
        "\xa9nam": "Under Pressure", f"{ITUNES}ARTISTS": [b"Queen", b"David Bowie"], "\xa9ART": "Queen",
        "\xa9alb": "Hot Space", "aART": "Queen", "\xa9wrt": "Mercury / Bowie", "\xa9gen": ["Rock", "Pop"],
        f"{ITUNES}MOOD": [b"tense"], "\xa9day": "1982-05-21T07:00:00Z", "disk": [(1, 2)], "trkn": [(11, 11)],
    },
}  # fmt: skip
COMMENTS = {
    "title": "Under Pressure", "artist": "Queen feat. David Bowie", "album": "Hot Space", "albumartist": "Queen",
    "composer": ["Mercury", "Bowie"], "genre": ["Rock", "Pop"], "mood": "tense", "date": "1982-05-21",
    "discnumber": "1", "tracknumber": "11",
}  # fmt: skip


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_container_says_the_same(tmp_path, suffix):
    found = read_song(song(tmp_path / f"x{suffix}", **SPELLED.get(suffix, COMMENTS)))
    assert found.seconds == pytest.approx(2.0, abs=0.2)
    assert found == Song(
        title="Under Pressure",
        artists=("Queen", "David Bowie"),
        album="Hot Space",
        album_artists=("Queen",),
        composers=("Mercury", "Bowie"),
        genres=("Rock", "Pop"),
        moods=("tense",),
        released="1982-05-21",
        disc=1,
        track=11,
        seconds=found.seconds,
    )


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_without_tags_the_file_is_the_title(tmp_path, suffix):
    assert read_song(song(tmp_path / f"07 - 99 Luftballons{suffix}")).title == "99 Luftballons"
    assert read_song(song(tmp_path / f"1999{suffix}")).title == "1999"


@pytest.mark.parametrize(
    ("artist", "artists"),
    [
        ("AC/DC", ("AC/DC",)),
        ("Simon & Garfunkel", ("Simon & Garfunkel",)),
        ("Jay-Z (feat. Alicia Keys)", ("Jay-Z", "Alicia Keys")),
        ("Air; Beck", ("Air", "Beck")),
        ("Wings / Paul McCartney", ("Wings", "Paul McCartney")),
        ("Ftampa", ("Ftampa",)),
        (" ", ()),
    ],
)
def test_several_artists_in_one_text(tmp_path, artist, artists):
    assert read_song(song(tmp_path / "x.flac", artist=artist)).artists == artists


def test_damaged_files_say_so(tmp_path):
    for content in (b"", b"RIFF", b"fLaC\x80\0\0\x22", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", bytes(500)):
        (tmp_path / "x.flac").write_bytes(content)
        with pytest.raises(BadInput, match="cannot be read"):
            read_song(tmp_path / "x.flac")


def test_without_mutagen_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mutagen", None)
    with pytest.raises(MissingDependency, match="pip install mutagen"):
        read_song(tmp_path / "x.flac")


def music(folder):
    """An album on two discs, a compilation of which nobody says so, one song without tags, a damaged one."""
    album = {"album": "Blue", "albumartist": "Joni Mitchell", "artist": "Joni Mitchell", "genre": "Folk"}
    song(folder / "Blue" / "CD2" / "a.flac", **album, title="Carey", discnumber="2", tracknumber="1", date="1971")
    song(folder / "Blue" / "CD1" / "b.flac", **album, title="My Old Man", discnumber="1", tracknumber="3", date="1971")
    song(folder / "Blue" / "CD1" / "c.flac", **album, title="All I Want", discnumber="1", tracknumber="1", date="1971")
    song(folder / "Hits" / "1.mp3", TIT2=["Halo"], TPE1=["Beyoncé"], TALB=["Hits"], TCON=["Pop"])
    song(folder / "Hits" / "2.mp3", TIT2=["Hurt"], TPE1=["Johnny Cash"], TALB=["Hits"], TCON=["Country"])
    song(folder / "03 Untagged.opus")
    (folder / "broken.m4a").write_bytes(b"nothing")
    (folder / ".hidden").mkdir()
    song(folder / ".hidden" / "x.flac")
    return folder


def read(folder, source=None):
    rows = list(LibraryReader(source).read(folder))
    entities = {(row.entity.kind, row.entity.title): row.entity for row in rows if isinstance(row, Row)}
    return entities, {row.raw: row.reason for row in rows if isinstance(row, Rejected)}


class TestLibraryReader(ReaderContract):
    rows, rejected = 12, 1  # 6 tracks, 2 albums, 3 artists, 1 playlist

    def make(self):
        return LibraryReader()

    def write(self, folder):
        (music(folder / "music") / "all.m3u8").write_text("Hits/1.mp3\n")
        return folder / "music"


def test_a_folder_becomes_tracks_albums_and_artists(tmp_path):
    found, rejected = read(music(tmp_path))
    assert list(rejected) == ["broken.m4a"]
    assert Counter(kind for kind, _ in found) == {"track": 6, "album": 2, "artist": 3}
    blue, hits = found["album", "Blue"], found["album", "Hits"]
    titles = {entity.id: entity.title for entity in found.values()}
    assert [titles[member] for member in blue.members] == ["All I Want", "My Old Man", "Carey"]
    assert (blue.artists, blue.released) == (("Joni Mitchell",), "1971")
    assert hits.artists == ("Various Artists",)
    assert {(a.name, a.value, a.confidence) for a in hits.attributes} == {
        ("genre", "Pop", 0.5),
        ("genre", "Country", 0.5),
    }
    assert ("artist", "Various Artists") not in found


def test_one_album_in_two_folders_of_an_unnamed_owner_is_two(tmp_path):
    for folder in ("a", "b"):
        song(tmp_path / folder / "x.flac", album="Greatest Hits", title="x", artist=folder)
    rows = [row.entity for row in LibraryReader().read(tmp_path) if row.entity.kind == "album"]
    assert [album.artists for album in rows] == [("a",), ("b",)]


def test_ids_are_those_of_the_folder_and_the_path(tmp_path):
    for folder in ("one", "two"):
        song(tmp_path / folder / "x.flac", title="x", artist="y", album="z")
    one, two = (LibraryReader().read(tmp_path / folder) for folder in ("one", "two"))
    assert not {row.entity.id for row in one} & {row.entity.id for row in two}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u", "#EXTM3U\n#PLAYLIST:Été\n#EXTINF:1,x\nMotörhead/Ace.flac\n\n../lists/Café.flac\n"),
        ("a.m3u8", "\ufeff#EXTM3U\n#PLAYLIST:Été\nMotörhead\\Ace.flac\r\nCafé.flac\r\nfile:///elsewhere/gone.mp3\r\n"),
        (
            "a.pls",
            "[playlist]\nFile1=motörhead/ACE.flac\nTitle1=Ace\nFile2=C:\\Users\\me\\lists\\Café.flac\nLength1=-1\n",
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp850"])
def test_playlists_of_every_form_and_encoding(tmp_path, name, content, encoding):
    if encoding != "utf-8":
        content = content.removeprefix("\ufeff")
    folder = tmp_path / "music"
    song(folder / "lists" / "Motörhead" / "Ace.flac", title="Ace of Spades")
    song(folder / "lists" / "Café.flac", title="Café")
    (folder / "lists" / name).write_bytes(content.encode(encoding))
    found, rejected = read(folder)
    assert not rejected
    ((title, members),) = [(e.title, e.members) for e in found.values() if e.kind == "playlist"]
    assert title == ("a" if name.endswith("pls") else "Été")
    assert members == (found["track", "Ace of Spades"].id, found["track", "Café"].id)


def test_a_playlist_of_other_songs_is_set_aside(tmp_path):
    song(tmp_path / "x.flac", title="x")
    (tmp_path / "far.m3u").write_text("/elsewhere/a.mp3\nhttp://radio.example/stream\n")
    assert read(tmp_path)[1] == {"far.m3u": "none of its 2 entries is a song of this folder"}


def with_picture(path):
    """Put a picture into a file, as each container holds one."""
    picture = Picture()
    picture.data, picture.mime, picture.type = PNG, "image/png", 3
    file = mutagen.File(song(path, **({} if path.suffix in SPELLED else {"title": "x"})))
    if path.suffix == ".mp3":
        file.tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=PNG))
    elif path.suffix == ".m4a":
        file.tags["covr"] = [MP4Cover(PNG, MP4Cover.FORMAT_PNG)]
    elif path.suffix == ".flac":
        file.add_picture(picture)
    else:
        file.tags["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    file.save()
    return path


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_covers_inside_of_files(tmp_path, suffix):
    path = with_picture(tmp_path / f"x{suffix}")
    assert read_song(path).picture
    assert read_cover(path) == (PNG, "image/png")
    with pytest.raises(NotFound):
        read_cover(song(tmp_path / f"y{suffix}"))


def test_a_damaged_picture_is_no_cover(tmp_path):
    path = song(tmp_path / "x.opus", title="x", metadata_block_picture=base64.b64encode(b"half").decode())
    with pytest.raises(NotFound, match="Ingest the library again"):
        read_cover(path)


def test_a_cover_is_in_the_file_else_beside_it(tmp_path, kept):
    folder = tmp_path / "music"
    with_picture(folder / "a" / "in.flac")
    song(folder / "a" / "beside.flac", title="beside", album="A", artist="b", discnumber="2", tracknumber="7")
    song(folder / "b" / "none.flac", title="none")
    for name in ("back.jpg", "folder.png", "Cover.PNG"):
        (folder / "a" / name).write_bytes(PNG)
    found, _ = read(folder, kept)
    inside, beside, none, album = (
        found[key] for key in [("track", "x"), ("track", "beside"), ("track", "none"), ("album", "A")]
    )
    assert (none.image, beside.image) == (None, f"/v1/covers/{beside.id}")
    assert (beside.duration, {field.name: field.value for field in beside.fields}) == (2.0, {"disc": 2, "track": 7})
    files = tmp_path / "sources.sqlite"
    assert cover_of(files, inside.id) == folder / "a" / "in.flac"
    assert cover_of(files, beside.id) == cover_of(files, album.id) == folder / "a" / "Cover.PNG"
    for missing in (none.id, "halo"):
        with pytest.raises(NotFound):
            cover_of(files, missing)
    (folder / "a" / "Cover.PNG").write_text("no picture")
    with pytest.raises(NotFound, match="Ingest the library again"):
        read_cover(cover_of(files, beside.id))


@pytest.fixture
def kept(tmp_path):
    with closing(Source(tmp_path / "sources.sqlite", "music")) as source:
        yield source


def test_only_what_changed_is_read_again(tmp_path, kept, monkeypatch):
    folder, looked_at = music(tmp_path / "music"), []
    monkeypatch.setattr(
        "bandstand.catalog.readers.library.read_song", lambda path: looked_at.append(path.name) or read_song(path)
    )
    first = read(folder, kept)
    assert len(looked_at) == 7
    looked_at.clear()
    assert read(folder, kept) == first
    assert looked_at == ["broken.m4a"]  # what could not be read may be readable now
    looked_at.clear()
    song(folder / "Hits" / "1.mp3", TIT2=["Halo (live)"])
    os.utime(folder / "Hits" / "1.mp3", ns=(1, 1))
    assert ("track", "Halo (live)") in read(folder, kept)[0]
    assert looked_at == ["1.mp3", "broken.m4a"]


def test_what_is_gone_is_taken_out_and_nothing_else(tmp_path, kept):
    folder, rejects = music(tmp_path / "music"), tmp_path / "rejects"
    with closing(SqliteStore(tmp_path / "store", clock=lambda: 0.0)) as store:
        store.upsert(row.entity for row in LibraryReader().read(music(tmp_path / "other")) if isinstance(row, Row))
        others = store.count()

        def taken():
            return ingest_source(LibraryReader(kept).read(folder), store, kept, rejects=rejects)

        report = taken()
        assert (report.read, report.changed, report.rejected, report.removed) == (11, 11, 1, 0)
        (folder / "Hits" / "2.mp3").unlink()
        report = taken()
        assert (report.changed, report.removed) == (1, 2)  # the compilation; the song and its artist
        assert store.count() == others + 9
        for path in sorted(folder.rglob("*.*")):
            path.unlink() if path.is_file() else None
        with pytest.raises(BadInput, match="is its disk mounted"):
            taken()
        assert store.count() == others + 9


def test_a_source_forgets_what_is_no_longer_read(tmp_path, kept):
    kept.keep([("a", "1", b"A"), ("b", "1", b"B")])
    with closing(Source(tmp_path / "sources.sqlite", "other")) as other:
        assert other.reading("a", "1") is None
        other.forget_others([])
    assert (kept.reading("a", "1"), kept.reading("a", "2")) == (b"A", None)
    kept.forget_others(["b"])
    assert (kept.reading("a", "1"), kept.reading("b", "1")) == (None, b"B")


def test_a_folder_is_taken_for_music_unless_it_is_known_otherwise(tmp_path):
    assert guess_reader(tmp_path).name == "library"
    with pytest.raises(BadInput, match="holds no music"):
        list(guess_reader(tmp_path).read(tmp_path))


def test_a_link_to_a_folder_above_is_followed_once(tmp_path):
    song(tmp_path / "a" / "x.flac", title="x")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert len(read(tmp_path)[0]) == 1


@pytest.mark.slow
def test_changes_of_a_folder_are_noticed(tmp_path):
    noticed = changes(tmp_path)
    next(noticed)  # it is watched
    writer = threading.Thread(target=lambda: (tmp_path / "notes.txt").touch() or song(tmp_path / "new.flac"))
    writer.start()
    next(noticed)
    writer.join()
    assert (tmp_path / "new.flac").exists()
    with pytest.raises(BadInput, match="no folder"):
        next(changes(tmp_path / "new.flac"))
