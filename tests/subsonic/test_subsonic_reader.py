"""What a server holds, as entities: from a real one, and from answers as other servers give them."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.ingest import ingest_source
from bandstand.catalog.readers.base import Row
from bandstand.catalog.sources import Source
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.errors import BadInput, NotFound, Unavailable
from bandstand.subsonic.address import Address, is_address, parse_address
from bandstand.subsonic.client import Client
from bandstand.subsonic.entities import Artists, album, entity_id, playlist, server_id, track
from bandstand.subsonic.reader import SERVER, ServerReader
from tests.subsonic.conftest import ALBUMS
from tests.support.cli_world import Cli


@pytest.fixture
def source(tmp_path):
    with closing(Source(tmp_path / "sources.sqlite", SERVER)) as opened:
        yield opened


@pytest.fixture
def client(address, password):
    with Client(parse_address(address), password=password) as connected:
        yield connected


class Stopping(Client):
    """Loses the server at the nth album."""

    fetched = 0
    at = 10**9

    def call(self, view, **parameters):
        if view == "getAlbum":
            self.fetched += 1
            if self.fetched >= self.at:
                raise Unavailable("gone")
        return super().call(view, **parameters)


def test_everything_of_a_server_is_read(client, source):
    entities = [row.entity for row in ServerReader(client, source).rows() if isinstance(row, Row)]
    by_kind = {kind: {e.title: e for e in entities if e.kind == kind} for kind in ("track", "album", "artist")}
    assert set(by_kind["track"]) == {title for titles in ALBUMS.values() for title in titles}
    assert set(by_kind["artist"]) == {artist for artist, *_ in ALBUMS}
    blue, so_what = by_kind["album"]["Kind of Blue"], by_kind["track"]["So What"]
    assert (blue.artists, blue.released, so_what.artists) == (("Miles Davis",), "1959", ("Miles Davis",))
    assert so_what.id in blue.members
    assert ("genre", "Jazz") in {(a.name, a.value) for a in (*blue.attributes, *so_what.attributes)}


def test_stars_plays_and_playlists(client, source):
    def found():
        rows = ServerReader(client, source).rows()
        return {(row.entity.kind, row.entity.title): row.entity for row in rows if isinstance(row, Row)}

    hurt = found()["track", "Hurt"]
    assert hurt.popularity == 0
    client.call("star", id=server_id(hurt.id))
    client.call("createPlaylist", name="Rainy", songId=server_id(hurt.id))
    after = found()
    assert after["playlist", "Rainy"].members == (hurt.id,)
    assert after["track", "Hurt"].popularity > 0 < after["artist", "Johnny Cash"].popularity
    (listed,) = client.call("getPlaylists")["playlists"]["playlist"]
    client.call("deletePlaylist", id=listed["id"])
    client.call("unstar", id=server_id(hurt.id))


def test_an_interrupted_reading_goes_on(address, password, source, tmp_path, monkeypatch):
    monkeypatch.setattr("bandstand.subsonic.reader._KEPT_TOGETHER", 1)
    with (
        Stopping(parse_address(address), password=password) as client,
        closing(SqliteStore(tmp_path / "store", clock=lambda: 0.0)) as store,
    ):

        def taken():
            return ingest_source(ServerReader(client, source).rows(), store, source, rejects=tmp_path / "rejects")

        client.at = 3
        with pytest.raises(Unavailable):
            taken()
        client.fetched, client.at = 0, 10**9
        report = taken()
        assert (client.fetched, report.read, report.removed) == (len(ALBUMS) - 2, 17, 0)
        client.fetched = 0
        assert taken().changed == 0
        assert client.fetched == len(ALBUMS)  # the reading that came to its end is no longer remembered


def test_what_a_server_no_longer_holds_is_taken_out(client, source, tmp_path):
    with closing(SqliteStore(tmp_path / "store", clock=lambda: 0.0)) as store:
        rows = list(ServerReader(client, source).rows())
        store.upsert([entity_from_json({"id": "own", "kind": "track", "title": "Own"})])
        ingest_source(rows, store, source, rejects=tmp_path / "rejects")
        report = ingest_source(rows[1:], store, source, rejects=tmp_path / "rejects")
        assert (report.removed, store.count()) == (1, len(rows))


def test_the_password_is_never_logged(address, password, caplog):
    caplog.set_level(logging.DEBUG)
    with Client(parse_address(address), password=password) as client:
        client.call("ping")
    assert not [text for text in (password, password.encode().hex(), "/rest/", "&t=") if text in caplog.text]


@pytest.mark.parametrize(
    ("place", "error", "remedy"),
    [
        ("127.0.0.1:{port}", BadInput, "set BANDSTAND_SUBSONIC_PASSWORD"),
        ("127.0.0.1:{port}/elsewhere", BadInput, "is the path right"),
        ("127.0.0.1:9", Unavailable, "is it running"),
    ],
)
def test_errors_name_the_remedy(upstream, place, error, remedy):
    address = Address(url=f"http://{place.format(port=upstream)}", user="ann")
    with Client(address, password="hidden") as client, pytest.raises(error, match=remedy) as told:
        client.call("ping")
    assert "hidden" not in str(told.value)


def test_an_account_is_needed(address):
    with pytest.raises(BadInput, match="a user and a password"):
        Client(parse_address(address))


def test_what_went_meanwhile_is_not_found(client):
    with pytest.raises(NotFound):
        client.call("getAlbum", id="6f1b2a4e-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("text", "url", "user"),
    [
        ("subsonic://ann@music.example", "http://music.example", "ann"),
        ("subsonics://a%40b@music.example:4533/sub/", "https://music.example:4533/sub", "a@b"),
        ("subsonic://ann@[::1]:4533", "http://[::1]:4533", "ann"),
    ],
)
def test_addresses(text, url, user):
    assert is_address(text)
    assert parse_address(text) == Address(url=url, user=user)


@pytest.mark.parametrize("text", ["subsonic://", "subsonic://ann@host:port", "subsonic:///path"])
def test_addresses_without_a_host_or_port_are_refused(text):
    with pytest.raises(BadInput):
        parse_address(text)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(BadInput, match="leave the password out") as told:
        parse_address("subsonic://ann:secret@host")
    assert "secret" not in str(told.value)
    assert not is_address("music/subsonic")


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))
    return Cli(monkeypatch, capsys)


def test_the_command_reads_a_server(cli, address, password, monkeypatch):
    monkeypatch.setenv("BANDSTAND_SUBSONIC_PASSWORD", password)
    report = cli("ingest", address, "--json").json()
    assert (report["read"], report["changed"], report["removed"]) == (17, 17, 0)


def test_the_command_names_what_it_needs(cli, address):
    refused = cli("ingest", address)
    assert (refused.code, "BANDSTAND_SUBSONIC_PASSWORD" in refused.err) == (2, True)
    refused = cli("ingest", address.replace("@", ":secret@"))
    assert (refused.code, "secret" in refused.err) == (2, False)


# As OpenSubsonic servers answer (Navidrome 0.55): several artists and genres, moods, contributors, sort names.
SONG = {
    "id": "s1", "title": "Under Pressure", "album": "Hot Space", "artist": "Queen • David Bowie", "artistId": "q",
    "artists": [{"id": "q", "name": "Queen"}, {"id": "b", "name": "David Bowie"}],
    "genres": [{"name": "Rock"}, {"name": "Pop"}], "genre": "Rock", "moods": ["tense"], "year": 1981, "playCount": 20,
    "contributors": [
        {"role": "composer", "artist": {"id": "q", "name": "Queen"}},
        {"role": "engineer", "artist": {"name": "Mack"}},
    ],
}  # fmt: skip


def test_songs_as_open_subsonic_describes_them():
    entity = entity_from_json(track(SONG))
    assert entity.artists == ("Queen", "David Bowie")
    assert {(a.name, a.value) for a in entity.attributes} == {
        ("genre", "Rock"), ("genre", "Pop"), ("mood", "tense"), ("composer", "Queen"),
    }  # fmt: skip
    assert (entity.released, entity.popularity) == ("1981", 0.5)


def test_albums_artists_and_playlists_as_open_subsonic_describes_them():
    date = {"year": 1982, "month": 5, "day": 21}
    found = {"id": "a1", "name": "Hot Space", "artist": "Queen", "originalReleaseDate": date, "song": [SONG]}
    entity = entity_from_json(album(found))
    assert (entity.released, entity.members, entity.artists) == ("1982-05-21", (entity_id("track", "s1"),), ("Queen",))
    assert entity_from_json(playlist({"id": 1, "name": "Mix", "entry": [SONG]})).members == entity.members
    artists = Artists([{"id": "u", "name": "宇多田ヒカル", "sortName": "Utada Hikaru", "starred": "2024-01-01"}])
    artists.add(SONG)
    utada, queen, bowie = map(entity_from_json, artists.every())
    assert (utada.aliases, utada.popularity > 0) == (("Utada Hikaru",), True)
    assert (queen.title, bowie.title, queen.aliases) == ("Queen", "David Bowie", ())


def test_the_servers_ids_are_found_again():
    for id_ in ("1", "al-1:2", "6f1b2a4e-0000-4000-8000-000000000000"):
        assert server_id(entity_id("album", id_)) == id_
    assert server_id("halo") is server_id("library-1") is None
    assert entity_id("album", 1) != entity_id("track", 1)
