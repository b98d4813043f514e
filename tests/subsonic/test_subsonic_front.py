"""Players before the front, a real server behind it: searches are ours, everything else is the server's."""

from __future__ import annotations

import json
import logging
import shutil
from xml.etree import ElementTree as ET

import libsonic
import pytest

from bandstand.door.facade import Bandstand
from bandstand.errors import BadInput
from bandstand.feedback.joined import entries
from bandstand.settings import load_settings
from bandstand.subsonic.entities import entity_id
from bandstand.types import Event, Impression
from tests.support.api_world import eventually, settings_of
from tests.support.player import HTTP, fronting, player, ready
from tests.support.supysonic_server import OTHER, OTHER_PASSWORD, PASSWORD, USER

XML = "{http://subsonic.org/restapi}"


@pytest.fixture(scope="session")
def ingested(upstream, tmp_path_factory):
    """A home that holds what the server does."""
    home = tmp_path_factory.mktemp("ingested") / "home"
    with Bandstand(settings_of(home, subsonic_password=PASSWORD, selfplay_queries=0)) as bandstand:
        bandstand.ingest(f"subsonic://{USER}@127.0.0.1:{upstream}")
        bandstand.index()
    return home


@pytest.fixture(scope="module")
def front(ingested, upstream, tmp_path_factory):
    home = shutil.copytree(ingested, tmp_path_factory.mktemp("front") / "home")
    with fronting(home, f"http://127.0.0.1:{upstream}") as front:
        ready(front.port)
        yield front


@pytest.fixture
def port(front):
    return front.port


@pytest.fixture
def ann(port):
    return player(port, USER, PASSWORD)


@pytest.fixture
def direct(upstream):
    return player(upstream, USER, PASSWORD)


def rest(port, view, **parameters):
    login = {"u": USER, "p": f"enc:{PASSWORD.encode().hex()}", "v": "1.16.1", "c": "test"}
    return HTTP.get(f"http://127.0.0.1:{port}/rest/{view}", params={**login, **parameters})


def found(answer, kind="song", name="title"):
    return [each[name] for each in answer["searchResult3"].get(kind, ())]


def test_a_misspelt_search_finds_what_the_server_does_not(ann, direct):
    assert not found(direct.search3("hopipola"))
    answer = ann.search3("hopipola")
    assert found(answer)[0] == "Hoppípolla"
    assert answer["status"] == "ok"


def test_words_of_artist_and_title_find_the_song(ann, direct):
    assert not found(direct.search3("cash hurt"))
    assert found(ann.search3("cash hurt"))[0] == "Hurt"


def test_what_is_found_is_just_as_the_server_has_it(ann, direct):
    ours, theirs = ann.search3("halo")["searchResult3"], direct.search3("halo")["searchResult3"]
    assert ours["song"][0] == theirs["song"][0]
    theirs = direct.search3("Sigur")["searchResult3"]
    ours = ann.search3("sigur ros")["searchResult3"]
    assert ours["artist"][0] == theirs["artist"][0]
    assert (
        ann.search3("kind of blue")["searchResult3"]["album"][0]
        == direct.search3("Kind of")["searchResult3"]["album"][0]
    )


def test_counts_and_offsets_are_kept(ann):
    everything = found(ann.search3("jazz", artistCount=0, albumCount=0, songCount=50))
    assert len(everything) > 3
    page = ann.search3("jazz", artistCount=0, albumCount=0, songCount=2, songOffset=1)
    assert found(page) == everything[1:3]
    assert set(page["searchResult3"]) == {"song"}


def test_what_is_asked_for_kind_by_kind_is_one_search(ann, front):
    log = front.service.intake.log
    log.flush()
    before = log.count("impression")
    parts = [
        ann.search3("boy", artistCount=20 * (kind == 0), albumCount=20 * (kind == 1), songCount=20 * (kind == 2))
        for kind in range(3)
    ]
    assert [set(part["searchResult3"]) for part in parts] == [{"artist"}, {"album"}, {"song"}]
    log.flush()
    assert log.count("impression") == before + 1


def test_folders_are_found_by_the_older_search(ann, direct):
    ours = ann.search2("sigur ros takk")["searchResult2"]
    theirs = direct.search2("Takk")["searchResult2"]
    assert theirs["album"][0] in ours["album"]
    assert ours["song"]
    assert direct.search2("Sigur")["searchResult2"]["artist"][0]["id"] in [each["id"] for each in ours["artist"]]


def test_the_same_in_every_form(port):
    as_json = rest(port, "search3", query="halo", f="json").json()["subsonic-response"]
    padded = rest(port, "search3.view", query="halo", f="jsonp", callback="got.it")
    assert padded.headers["content-type"].startswith("application/javascript")
    assert json.loads(padded.text.removeprefix("got.it(").removesuffix(");"))["subsonic-response"] == as_json
    as_xml = rest(port, "search3", query="halo")
    assert as_xml.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(as_xml.content)
    assert (root.tag, root.get("status"), root.get("version")) == (f"{XML}subsonic-response", "ok", as_json["version"])
    (result,) = root
    songs = [dict(each.attrib) for each in result if each.tag == f"{XML}song"]
    wanted = as_json["searchResult3"]["song"]
    assert [each["id"] for each in songs] == [each["id"] for each in wanted]
    assert songs[0] == {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in wanted[0].items()
    }


@pytest.mark.parametrize("query", ["", '""', "*"])
def test_everything_is_asked_of_the_server(port, upstream, query):
    ours, theirs = (rest(place, "search3", query=query, f="json").json() for place in (port, upstream))
    assert ours == theirs


def test_a_wrong_password_gets_the_servers_refusal(port, upstream):
    for parameters in ({"p": "wrong"}, {"u": "nobody"}, {"u": ""}):
        ours, theirs = (rest(place, "search3", query="halo", f="json", **parameters) for place in (port, upstream))
        assert ours.json() == theirs.json()
        assert ours.json()["subsonic-response"]["status"] == "failed"
    with pytest.raises(libsonic.errors.CredentialError):
        player(port, USER, "wrong").search3("halo")


def test_music_is_passed_on_piece_by_piece(ann, direct, port):
    (song,) = [each for each in ann.search3("halo")["searchResult3"]["song"] if each["title"] == "Halo"]
    whole = direct.stream(song["id"]).read()
    assert ann.stream(song["id"]).read() == whole
    login = {"u": USER, "p": PASSWORD, "v": "1.16.1", "c": "test", "id": song["id"]}
    part = HTTP.get(f"http://127.0.0.1:{port}/rest/download", params=login, headers={"range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, whole[4:10])
    assert part.headers["content-range"] == f"bytes 4-9/{len(whole)}"


def test_what_is_not_ours_is_passed_on_and_what_is_ours_stays(port):
    assert HTTP.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    assert "Bandstand" in HTTP.get(f"http://127.0.0.1:{port}/").text
    theirs = HTTP.get(f"http://127.0.0.1:{port}/nothing/of/ours")
    assert theirs.status_code == 404
    assert theirs.headers["content-type"].startswith("text/html")  # supysonic's own page
    created = rest(port, "createPlaylist", name="Üben", f="json").json()["subsonic-response"]
    assert created["status"] == "ok"
    listed = rest(port, "getPlaylists", f="json").json()["subsonic-response"]["playlists"]["playlist"]
    assert [each["name"] for each in listed] == ["Üben"]
    rest(port, "deletePlaylist", id=listed[0]["id"])


@pytest.fixture
def events(front):
    """Everything that was done since the test began: (query, action, entity, seconds, user)."""
    log = front.service.intake.log
    before = log.head()

    def since():
        log.flush()
        records = [entry.record for entry in entries(log)]
        texts = {each.query.id: each.query.text for each in records if isinstance(each, Impression)}
        return [
            (texts[each.query_id], each.action, each.object_id, each.play_seconds, each.user_id)
            for each in (entry.record for entry in entries(log, after=before))
            if isinstance(each, Event)
        ]

    return since


def test_what_is_played_and_starred_is_an_event(ann, port, events):
    songs = ann.search3("blue")["searchResult3"]["song"]
    (song,) = [each for each in songs if each["title"] == "Blue in Green"]
    ann.stream(song["id"]).read()
    ann.stream(song["id"]).read()  # a player that comes back for another piece
    ann.scrobble(song["id"], submission=False)
    ann.scrobble(song["id"])
    ann.star([song["id"]])
    (starred,) = [each for each in ann.search3("in green")["searchResult3"]["song"] if each["id"] == song["id"]]
    assert "starred" in starred
    ann.unstar([song["id"]])
    ann.setRating(song["id"], 5)
    ann.setRating(song["id"], 3)
    player(port, OTHER, OTHER_PASSWORD).stream(song["id"]).read()  # was never shown to him
    with pytest.raises(libsonic.errors.SonicError):
        player(port, USER, "wrong").star([song["id"]])
    entity = entity_id("track", song["id"])
    assert events() == [
        ("blue", "play", entity, None, USER),
        ("blue", "play", entity, 30.0, USER),
        ("blue", "save", entity, None, USER),
        ("in green", "skip", entity, None, USER),
        ("in green", "save", entity, None, USER),
    ]


def test_of_two_names_in_one_call_nobody_is_taken_to_have_acted(ann, port, events):
    """The server has checked one of them, and which one is its own affair."""
    song = ann.search3("glosoli")["searchResult3"]["song"][0]
    query = {"u": USER, "p": PASSWORD, "v": "1.16.1", "c": "x", "f": "json", "id": song["id"]}
    starred = HTTP.post(f"http://127.0.0.1:{port}/rest/star.view", params=query, data={"u": OTHER})
    assert starred.json()["subsonic-response"]["status"] == "ok"
    assert events() == []


def test_what_is_played_is_found_again(ann, port):
    (song,) = [each for each in ann.search3("glosoli")["searchResult3"]["song"] if each["title"] == "Glósóli"]
    ann.scrobble(song["id"])

    def remembered():
        asked = {"query": "glosoli", "user_id": USER, "policy": "all"}
        hits = HTTP.post(f"http://127.0.0.1:{port}/v1/search", json=asked).json()["hits"]
        return {source for hit in hits for source in hit["sources"] if hit["title"] == "Glósóli"} & {
            "memory",
            "personal",
        }

    eventually(remembered)


def test_a_song_of_an_album_that_was_found_counts_for_the_album(ann, events):
    album = ann.search3("kind blue", artistCount=0, songCount=0)["searchResult3"]["album"][0]
    tracks = ann.getAlbum(album["id"])["album"]["song"]
    ann.scrobble(tracks[2]["id"])
    entity = entity_id("album", album["id"])
    assert events() == [("kind blue", "click", entity, None, USER), ("kind blue", "play", entity, 30.0, USER)]


def test_a_folder_that_was_found_is_the_album(ann, events):
    folder = ann.search2("takk")["searchResult2"]["album"][0]
    ann.getMusicDirectory(folder["id"])
    ((query, action, entity, *_),) = events()
    assert (query, action, entity.split(":")[1]) == ("takk", "click", "album")


def test_while_the_server_is_away_players_hear_so(tmp_path):
    with fronting(tmp_path / "home", "http://127.0.0.1:9") as (port, _):
        for view in ("search3", "ping"):
            answer = rest(port, view, query="halo", f="json")
            assert answer.status_code == 503
            assert (
                answer.json()["subsonic-response"]["error"]["message"]
                == "http://127.0.0.1:9 does not answer (ConnectError)"
            )
        assert ET.fromstring(rest(port, "ping").content).get("status") == "failed"
        assert HTTP.get(f"http://127.0.0.1:{port}/share/x").headers["content-type"] == "application/problem+json"


def test_until_we_can_answer_the_server_does(upstream, tmp_path):
    with fronting(tmp_path / "empty", f"http://127.0.0.1:{upstream}") as (port, _):
        ours, theirs = (rest(place, "search3", query="Halo", f="json").json() for place in (port, upstream))
        assert ours == theirs
        assert ours["subsonic-response"]["searchResult3"]["song"]


def test_no_password_in_any_log(front, capfd, caplog):
    port, home = front.port, front.service.settings.home
    caplog.set_level(logging.DEBUG)
    for view in ("search3", "ping", "stream", "star"):
        rest(port, view, query="hidden", id="x", f="json")
        rest(port, view, query="hidden", id="x", f="json", p="top-secret-42")
    printed = capfd.readouterr()
    written = caplog.text + printed.out + printed.err
    for secret in (PASSWORD, PASSWORD.encode().hex(), "top-secret-42"):
        assert secret not in written
        assert not [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("url", ["music.example", "ftp://music.example", "http://ann:secret@music.example"])
def test_a_server_is_named_by_a_url_without_a_user(tmp_path, url):
    with pytest.raises(BadInput, match="a URL such as"):
        load_settings(home=tmp_path, subsonic=url)
