import gzip

import pytest

from bandstand.catalog.codec import entity_to_json
from bandstand.catalog.readers.base import Rejected, Row
from bandstand.catalog.readers.entity_map import TableReader, entity_map
from bandstand.catalog.readers.lastfm import LastfmReader, entity_id
from bandstand.catalog.readers.ndjson import NdjsonReader
from bandstand.catalog.readers.registry import READERS, guess_reader, reader_named
from bandstand.catalog.readers.spotify import COLUMNS, SpotifyReader, artist_id
from bandstand.errors import BadInput
from bandstand.types import Attribute, Entity

A = b'{"id": "a", "kind": "track", "title": "A"}'
LIST = [Entity(id="a", kind="track", title="A")]


def _read(reader, path):
    rows = list(reader.read(path))
    entities = [row.entity for row in rows if isinstance(row, Row)]
    return entities, {row.line: row.reason for row in rows if isinstance(row, Rejected)}


@pytest.mark.parametrize(
    "content", [A, A + b"\n", b"\xef\xbb\xbf" + A, b"\n\r\n" + A + b"\r\n", gzip.compress(A, mtime=0)]
)
@pytest.mark.parametrize("name", ["x.ndjson", "x.jsonl"])
def test_ndjson_however_it_is_packed(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert _read(NdjsonReader(), tmp_path / name) == (LIST, {})


def test_bad_rows_are_set_aside_and_the_rest_goes_on(tmp_path):
    path = tmp_path / "x.ndjson"
    rows = [
        A,
        b"{",
        b"[1]",
        b'{"id": "b"}',
        b'{"id": "\xff", "kind": "track", "title": "B"}',
        A.replace(b'"a"', b'"c"'),
    ]
    path.write_bytes(b"\n".join(rows))
    entities, rejected = _read(NdjsonReader(), path)
    assert [entity.id for entity in entities] == ["a", "c"]
    assert list(rejected) == [2, 3, 4, 5]
    assert rejected[2].startswith("not JSON")
    assert "kind must be one of" in rejected[4]


def test_csv_round_trip_of_every_field(tmp_path):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(
        gzip.compress(
            b"\xef\xbb\xbfid,kind,title,artists,album,aliases,attributes,popularity,released,members\r\n"
            b'a,album,"A, ""B""\nC",X|Y,Z,alias,genre=jazz:0.9|mood=a:b|genre=rock,0.5,1959,t1|t2\r\n'
            b"b,track,B,,,,,,,\r\n"
        )
    )
    attributes = (Attribute("genre", "jazz", 0.9), Attribute("genre", "rock"), Attribute("mood", "calm"))
    entities, rejected = _read(TableReader(), path)
    assert rejected == {3: "attributes must be a number, not 'b'"}
    path.write_bytes(path.read_bytes()[:0] + gzip.compress(gzip.decompress(path.read_bytes()).replace(b"a:b", b"calm")))
    entities, rejected = _read(TableReader(), path)
    assert rejected == {}
    assert entities == [
        Entity(
            id="a",
            kind="album",
            title='A, "B"\nC',
            artists=("X", "Y"),
            album="Z",
            aliases=("alias",),
            attributes=attributes,
            popularity=0.5,
            released="1959",
            members=("t1", "t2"),
        ),
        Entity(id="b", kind="track", title="B"),
    ]


def test_bad_csv_rows_are_set_aside(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(
        b"id,kind,title,popularity\na,track,A,0.5\nb,track\nc,song,C,\nd,track,\xff,\ne,track,E,lots\n\n"
        b"f,track," + b"x" * 200_000 + b",\ng,track,G,1\n"
    )
    entities, rejected = _read(TableReader(), path)
    assert [entity.id for entity in entities] == ["a", "g"]
    assert list(rejected) == [3, 4, 5, 6, 8]
    assert rejected[3] == "2 values for 4 columns"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"", "is empty"),
        (b"id,kind\n", "lacks title; say where it stands: --map title=COLUMN"),
        (b"id,title\n", "lacks kind; or say --kind track"),
        (b"id,kind,title,colour\n", "unknown column 'colour'"),
        (b"id,kind,title,albun\n", "did you mean album"),
        (b"id,kind,title,id\n", "named twice"),
    ],
)
def test_a_csv_with_a_wrong_header_is_refused(tmp_path, header, message):
    (tmp_path / "x.csv").write_bytes(header)
    with pytest.raises(BadInput, match=message):
        list(TableReader("csv", entity_map(unknown="refuse")).read(tmp_path / "x.csv"))


def _spotify(tmp_path, *rows):
    path = tmp_path / "songs.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def test_spotify_rows_become_tracks_artists_and_playlists(tmp_path):
    path = _spotify(
        tmp_path,
        "t1,Halo,Beyoncé,80,I Am,2008-11,Secret Name,p1,pop,dance pop",
        "t1,Halo,Beyoncé,80,I Am,2008-11,Other Name,p2,r&b,neo soul",
        "t2,Déjà Vu,Beyonce,60,B'Day,2006,Secret Name,p1,pop,dance pop",
        "t2,Déjà Vu,Beyonce,60,B'Day,2006,Secret Name,p1,pop,electropop",
        "t3,NA,NA,0,NA,2012,Secret Name,p1,pop,dance pop",
        "t4,NA,Real Artist,0,NA,2012,,,pop,",
        "t5,,X,0,A,2012,N,p1,pop,p",
        "t6,X,,0,A,2012,N,p1,pop,p",
        "t7,X,Y,many,A,2012,N,p1,pop,p",
        "t8,X,Y,50,A,some day,N,p9,pop,p",
    )
    entities, rejected = _read(SpotifyReader(), path)
    by_id = {entity.id: entity for entity in entities}
    assert by_id["t1"] == Entity(
        id="t1",
        kind="track",
        title="Halo",
        artists=("Beyoncé",),
        album="I Am",
        released="2008-11",
        popularity=0.8,
        attributes=(
            Attribute("genre", "pop", 0.5),
            Attribute("genre", "r&b", 0.5),
            Attribute("subgenre", "dance pop", 0.5),
            Attribute("subgenre", "neo soul", 0.5),
        ),
    )
    assert by_id["p1"] == Entity(
        id="p1",
        kind="playlist",
        title="Secret Name",
        popularity=pytest.approx(2.0 / 3),
        members=("t1", "t2"),
        attributes=(
            Attribute("genre", "pop", 1.0),
            Attribute("subgenre", "dance pop", 2 / 3),
            Attribute("subgenre", "electropop", 1 / 3),
        ),
    )
    artist = by_id[artist_id("BEYONCÉ")]
    assert (artist.kind, artist.title, artist.popularity) == ("artist", "Beyoncé", 0.8)
    assert by_id["t4"].title == "NA"
    assert list(rejected) == [6, 8, 9, 10, 11]
    assert "missing (NA)" in rejected[6]
    assert [entity.kind for entity in entities if entity.kind != "track"][-1] == "playlist"


def test_no_track_or_artist_carries_a_playlist_name(tmp_path):
    path = _spotify(tmp_path, "t1,Halo,Beyoncé,80,I Am,2008,Secret Name,p1,pop,dance pop")
    for entity in _read(SpotifyReader(), path)[0]:
        assert ("Secret" in str(entity_to_json(entity))) == (entity.kind == "playlist")


def _lastfm(folder, *taggings):
    (folder / "artists.dat").write_text(
        "id\tname\turl\tpictureURL\n1\tBjörk\tu\tp\n2\tNobody\tu\tp\n3\t\tu\tp\n", "utf-8"
    )
    (folder / "tags.dat").write_bytes("tagID\ttagValue\r\n10\ttropicália\r\n11\tpop\r\n".encode("latin-1"))
    header = "userID\tartistID\ttagID\tday\tmonth\tyear"
    (folder / "user_taggedartists.dat.gz").write_bytes(gzip.compress("\r\n".join([header, *taggings]).encode()))
    return folder


def test_lastfm_artists_with_their_tags(tmp_path):
    folder = _lastfm(
        tmp_path,
        "7\t1\t10\t1\t4\t2009",
        "8\t1\t10\t1\t5\t2009",
        "8\t1\t11\t1\t5\t2009",
        "9\t99\t10\t1\t5\t2009",
        "9\t1",
    )
    entities, rejected = _read(LastfmReader(), folder)
    assert {entity.title: entity for entity in entities}["Björk"] == Entity(
        id=entity_id("1"),
        kind="artist",
        title="Björk",
        attributes=(Attribute("tag", "tropicália", 1.0), Attribute("tag", "pop", 0.5)),
        popularity=1.0,
    )
    assert {entity.title: entity for entity in entities}["Nobody"].attributes == ()
    assert list(rejected) == [5, 6, 4]
    assert "title is empty" in rejected[4]
    assert [entity.id for entity in entities] == sorted(entity.id for entity in entities)


def test_lastfm_knows_only_what_came_before(tmp_path):
    folder = _lastfm(tmp_path, "7\t1\t10\t1\t4\t2009", "8\t1\t11\t1\t5\t2009", "8\t2\t11\t1\t12\t2008")
    found = {
        before: {e.title: [a.value for a in e.attributes] for e in _read(LastfmReader(before=before), folder)[0]}
        for before in ("2008-12", "2009-05", "2009-06")
    }
    assert found == {
        "2008-12": {"Björk": [], "Nobody": []},
        "2009-05": {"Björk": ["tropicália"], "Nobody": ["pop"]},
        "2009-06": {"Björk": ["tropicália", "pop"], "Nobody": ["pop"]},
    }


@pytest.mark.parametrize("before", ["2009", "2009-13", "09-01", "", "2009-01-01"])
def test_lastfm_refuses_what_is_not_a_month(before):
    with pytest.raises(BadInput, match="YYYY-MM"):
        LastfmReader(before=before)


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no artists\.dat"):
        list(LastfmReader().read(tmp_path))


def test_readers_have_names(tmp_path):
    assert {name: type(reader_named(name)).__name__ for name in READERS} == {
        "ndjson": "NdjsonReader",
        "spotify-csv": "SpotifyReader",
        "lastfm-hetrec": "LastfmReader",
        "library": "LibraryReader",
        **dict.fromkeys(("csv", "tsv", "json", "parquet"), "TableReader"),
    }
    with pytest.raises(BadInput, match="ndjson, spotify-csv, lastfm-hetrec, library, csv, tsv, json, parquet"):
        reader_named("xml")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (A, "ndjson"),
        (b"id,kind,title\n", "csv"),
        (b'"title","kind","id"\r\n', "csv"),
        (b"track_id;track_name\n", "csv"),
        (b'[{"id": 1}]', "csv"),
        (",".join(COLUMNS).encode(), "spotify-csv"),
        (gzip.compress(",".join(COLUMNS).encode(), mtime=0), "spotify-csv"),
    ],
)
def test_the_format_is_told_by_content(tmp_path, content, name):
    (tmp_path / "file").write_bytes(content)
    assert guess_reader(tmp_path / "file").name == name


def test_a_lastfm_folder_is_told_by_its_files(tmp_path):
    assert guess_reader(_lastfm(tmp_path)).name == "lastfm-hetrec"


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "x.xml").write_bytes(b"<xml/>")
    with pytest.raises(BadInput, match="lastfm-hetrec"):
        guess_reader(tmp_path / "x.xml")
    with pytest.raises(BadInput, match="no file"):
        guess_reader(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.gz", b"plain text", "not a gz file"),
        ("x.gz", gzip.compress(A * 1000, mtime=0)[:60], "damaged gz"),
        ("x.gz", gzip.compress(A, mtime=0)[:-8] + b"\0" * 8, "damaged gz"),
        ("x.gz", gzip.compress(A, mtime=0)[:12] + b"\xff" * 20, "damaged gz"),
    ],
)
def test_a_wrong_gz_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message):
        list(NdjsonReader().read(tmp_path / name))


@pytest.mark.parametrize("reader", [NdjsonReader(), TableReader(), SpotifyReader()])
def test_a_folder_or_nothing_in_place_of_a_file(reader, tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput, match=r"cannot read|there is no file"):
            list(reader.read(path))


@pytest.mark.slow
def test_the_real_lastfm_folder(real_data):
    reader = LastfmReader(before="2009-01")
    entities, rejected = _read(reader, real_data("lastfm"))
    assert len(entities) == 17_632
    assert all("unknown artist" in reason for reason in rejected.values())
    assert any(not attribute.value.isascii() for entity in entities for attribute in entity.attributes)
