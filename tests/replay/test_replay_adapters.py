"""Adapters on small files made by hand, and the real files' counts where they are there."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.lastfm import entity_id
from bandstand.errors import BadInput
from bandstand.replay.datasets.base import Timed, Zones, month_start, months, next_month, sorted_nearly
from bandstand.replay.datasets.registry import ADAPTERS, adapter_named
from bandstand.replay.stream import Ask, Interaction, Release, in_order
from bandstand.types import Entity

HOUR = 3_600.0


def parted(dataset):
    """Asks, deeds, releases and rejected rows of a stream, which must be in order."""
    found = {Ask: [], Interaction: [], Release: [], Rejected: []}
    for moment in in_order(dataset.stream()):
        found[type(moment)].append(moment)
    return found[Ask], found[Interaction], found[Release], found[Rejected]


# --- lastfm -----------------------------------------------------------------------------------------------------------

ARTISTS = [("1", "Abba"), ("2", "Björk"), ("3", "Cher"), ("4", "Devo")]
TAGS = [("10", "pop"), ("11", "Música ñandú")]


@pytest.fixture
def lastfm(tmp_path):
    """u1 calls 1 pop in January, 2 and 3 in February; u2 calls 3 pop in February; two rows that cannot be used."""

    def write(name, header, rows, encoding="utf-8"):
        lines = ["\t".join(header), *("\t".join(map(str, row)) for row in rows)]
        with gzip.open(tmp_path / f"{name}.gz", "wt", encoding=encoding) as file:
            file.write("\n".join(lines) + "\n")

    write("artists.dat", ("id", "name", "url", "pictureURL"), [(*row, "", "") for row in ARTISTS])
    write("tags.dat", ("tagID", "tagValue"), TAGS, encoding="latin-1")
    write(
        "user_taggedartists.dat",
        ("userID", "artistID", "tagID", "day", "month", "year"),
        [
            ("u1", 1, 10, 1, 1, 2009),
            ("u1", 2, 10, 1, 2, 2009),
            ("u1", 3, 10, 1, 2, 2009),
            ("u2", 3, 10, 1, 2, 2009),
            ("u2", 4, 11, 1, 3, 2009),
            ("u2", 99, 10, 1, 3, 2009),
            ("u2", 1, 10, 1, 9, 1956),
        ],
    )
    write("user_artists.dat", ("userID", "artistID", "weight"), [("u1", 4, 100)])
    return tmp_path


def lastfm_adapter(**changes):
    return adapter_named(
        "lastfm", **{"known": "2009-02", "train": "2009-02", "start": "2009-03", "end": "2009-03", **changes}
    )


def test_lastfm_months_become_searches_and_what_is_earlier_deeds(lastfm):
    asks, interactions, releases, rejected = parted(lastfm_adapter().open(lastfm))
    assert [(ask.user, ask.text, ask.counted) for ask in asks[2:]] == [("u2", "Música ñandú", True)]
    february = {ask.user: ask for ask in asks[:2]}
    assert not february["u1"].counted
    assert february["u1"].time == february["u2"].time == datetime(2009, 2, 1, tzinfo=UTC).timestamp()
    assert {answer.entity_id for answer in february["u1"].answers} == {entity_id("2"), entity_id("3")}
    assert february["u1"].known == (entity_id("1"),)
    assert february["u2"].known == ()
    assert all(february["u1"].time < answer.time < month_start((2009, 3)) for answer in february["u1"].answers)
    assert [(interaction.user, interaction.entity_id, interaction.text) for interaction in interactions] == [
        ("u1", entity_id("1"), "pop")
    ]
    assert [(row.line, row.reason) for row in rejected] == [
        (7, "user_taggedartists.dat: unknown artist or tag"),
        (8, "user_taggedartists.dat: no month since 2002, when Last.fm began"),
    ]
    # What February told is released with March, and February itself knows January from the catalogue.
    assert [sorted(entity.title for entity in release.entities) for release in releases] == [[], ["Björk", "Cher"]]


def test_lastfm_catalogue_knows_names_and_earlier_tags_only(lastfm):
    catalog = {entity.title: entity for entity in lastfm_adapter().open(lastfm).catalog() if isinstance(entity, Entity)}
    assert set(catalog) == {"Abba", "Björk", "Cher", "Devo"}
    assert [attribute.value for attribute in catalog["Abba"].attributes] == ["pop"]
    assert catalog["Björk"].attributes == ()
    assert catalog["Björk"].id == entity_id("2")


def test_lastfm_listening_is_a_leak_and_says_so(lastfm):
    closed, leaky = lastfm_adapter().open(lastfm), lastfm_adapter(listening=True).open(lastfm)
    assert closed.leaks is None
    assert "undated" in leaky.leaks
    assert closed.sha256 != leaky.sha256
    assert (parted(leaky)[1][0].entity_id, parted(leaky)[1][0].text) == (entity_id("4"), "")


def test_lastfm_groups_are_drawn_by_seed(lastfm):
    drawn = {
        seed: [(ask.user, ask.text) for ask in parted(lastfm_adapter(groups=1, seed=seed).open(lastfm))[0]]
        for seed in range(8)
    }
    assert {len(asks) for asks in drawn.values()} == {2}  # one a month
    assert len({tuple(asks) for asks in drawn.values()}) == 2


def test_lastfm_with_a_missing_file_or_column(lastfm, tmp_path_factory):
    with pytest.raises(BadInput, match=r"no user_taggedartists\.dat"):
        lastfm_adapter().open(tmp_path_factory.mktemp("empty"))
    (lastfm / "tags.dat").write_text("tagID\n10\n", encoding="latin-1")
    with pytest.raises(BadInput, match="lacks tagValue"):
        list(lastfm_adapter().open(lastfm).stream())


@pytest.mark.parametrize("changes", [{"start": "2009"}, {"start": "2010-13"}, {"end": "2008-01"}, {"groups": 0}])
def test_lastfm_options_that_make_no_sense(changes):
    with pytest.raises(BadInput):
        lastfm_adapter(**changes)


def test_months_go_over_the_turn_of_the_year():
    assert list(months((2009, 11), (2010, 2))) == [(2009, 11), (2009, 12), (2010, 1), (2010, 2)]
    assert next_month((2009, 12)) == (2010, 1)


# --- generic ----------------------------------------------------------------------------------------------------------

CATALOG = '{"id": "a", "kind": "track", "title": "A"}\n{"id": "b", "kind": "track", "title": "B"}\n'


def generic(folder, log, name="log.csv"):
    (folder / "catalog.ndjson").write_text(CATALOG)
    (folder / name).write_text(log)
    return adapter_named("generic").open(folder)


def test_generic_clicks_within_half_an_hour_are_one_search(tmp_path):
    rows = [(1000, "Rock", "u", "a"), (1100, "rock!", "u", "b"), (1200, "rock", "v", "a"), (4000, "rock", "u", "a")]
    log = "time,query,user,clicked\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
    asks, interactions, _, rejected = parted(generic(tmp_path, log))
    assert [(ask.time, ask.user, [a.entity_id for a in ask.answers]) for ask in asks] == [
        (1000, "u", ["a", "b"]), (1200, "v", ["a"]), (4000, "u", ["a"])
    ]  # fmt: skip
    assert [answer.time for answer in asks[0].answers] == [1000, 1100]
    assert (interactions, rejected) == ([], [])


def test_generic_bad_rows_are_named_and_the_others_used(tmp_path):
    rows = [
        {"time": "2020-01-01T10:00:00Z", "query": "rock", "user": "u", "clicked": "a", "id": "1"},
        {"time": "2020-01-01T10:00:00Z", "query": "rock", "user": "u", "clicked": "b", "id": "1"},
        {"time": "2020-01-01T10:00:00", "query": "rock", "user": "u", "clicked": "a", "id": "2"},
        {"time": "2020-01-01T12:00:00+02:00", "query": "jazz", "user": "u", "clicked": "b", "id": "3", "grade": 2},
        {"time": "noon", "query": "rock", "user": "u", "clicked": "a", "id": "4"},
        {"time": "2020-01-01T10:00:00Z", "query": "rock", "user": "u", "clicked": "", "id": "5"},
        {"time": "2020-01-01T10:00:00Z", "query": "rock", "user": "u", "clicked": "a", "id": "6", "grade": 9},
        {"time": "2020-01-01T10:00:00Z", "user": "u", "clicked": "a"},
    ]
    log = "".join(f"{orjson.dumps(row).decode()}\n" for row in rows) + "not json\n[]\n"
    asks, _, _, rejected = parted(generic(tmp_path, log, "log.ndjson"))
    assert [(ask.text, ask.answers[0].grade) for ask in asks] == [("rock", 1), ("jazz", 2)]
    assert asks[0].time == asks[1].time  # 12:00 at +02:00 is 10:00 UTC
    reasons = {row.line: row.reason for row in rejected}
    assert list(reasons) == [2, 3, 5, 6, 7, 8, 9, 10]
    expected = ("there before", "mixed time zones", "ISO 8601", "clicked is empty", "grade must be", "lacks query",
                "not JSON", "no object")  # fmt: skip
    assert all(part in reason for part, reason in zip(expected, reasons.values(), strict=True))


def test_generic_rows_without_a_query_are_behaviour(tmp_path):
    log = "time,query,user,clicked\n1000,,u,a\n1001,rock,u,b\n1002,,u,b\n"
    asks, interactions, _, _ = parted(generic(tmp_path, log))
    assert ([ask.time for ask in asks], [interaction.time for interaction in interactions]) == ([1001], [1000, 1002])


def test_generic_order_is_mended_within_reason(tmp_path):
    log = "time,query,user,clicked\n2000,rock,u,a\n1000,jazz,u,b\n"
    asks, *_ = parted(generic(tmp_path, log))
    assert [ask.text for ask in asks] == ["jazz", "rock"]
    late = [Timed(float(time), line, "x") for line, time in enumerate((5, 6, 7, 1), start=1)]
    assert [type(row).__name__ for row in sorted_nearly(late, room=2)] == ["Timed", "Rejected", "Timed", "Timed"]


@pytest.mark.parametrize("log", ["time,query,user\n1,a,b\n", ""])
def test_generic_missing_columns_are_an_error(tmp_path, log):
    with pytest.raises(BadInput, match=r"lacks .*clicked"):
        list(generic(tmp_path, log).stream())


def test_generic_missing_files_are_an_error(tmp_path):
    with pytest.raises(BadInput, match=r"no log\.ndjson or log\.csv"):
        adapter_named("generic").open(tmp_path)


def test_a_zone_that_is_written_out_is_a_zone():
    zones = Zones()
    assert zones.seconds("2020-01-01 00:00:00 UTC") == zones.seconds("2020-01-01T01:00:00+01:00") == 1_577_836_800.0


def test_zones_may_not_be_mixed():
    zones = Zones()
    assert zones.seconds("2020-01-01 00:00:00") == 1_577_836_800.0
    with pytest.raises(BadInput, match="mixed time zones"):
        zones.seconds("2020-01-01 00:00:00+01:00")
    with pytest.raises(BadInput, match="mixed time zones"):
        zones.seconds(1_577_836_800)


# --- bandstand's own log ----------------------------------------------------------------------------------------------


def ubi_query(number, time, **attributes):
    return {"query_id": f"q{number}", "user_query": f"query {number}", "timestamp": time,
            "query_response_hit_ids": ["a"], "query_attributes": attributes}  # fmt: skip


def ubi_event(action, query_id, time, entity, **more):
    return {"action_name": action, "query_id": query_id, "timestamp": time,
            "event_attributes": {"object": {"object_id": entity}, **more}}  # fmt: skip


def test_bandstand_log_as_it_is_exported(tmp_path):
    log = [
        ubi_query(1, "2020-01-01T10:00:00Z", user_id="u"),
        ubi_event("click", "q1", "2020-01-01T10:00:10Z", "a"),
        ubi_event("play", "q1", "2020-01-01T10:00:20Z", "b", play_seconds=60),
        ubi_event("skip", "q1", "2020-01-01T10:00:30Z", "a"),
        ubi_query(2, "2020-01-01T10:05:00Z", session_id="s"),
        ubi_event("click", "q2", "2020-01-01T10:00:00Z", "a"),
        ubi_event("click", "q2", "2020-01-01T11:00:00Z", "a"),
        ubi_event("click", None, "2020-01-01T11:00:01Z", "b"),
        ubi_query(2, "2020-01-01T10:06:00Z"),
        {"timestamp": "2020-01-01T12:00:00Z"},
    ]
    (tmp_path / "catalog.ndjson").write_text(CATALOG)
    (tmp_path / "log.ndjson").write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in log))
    asks, interactions, _, rejected = parted(adapter_named("bandstand").open(tmp_path))
    assert [(ask.id, ask.user, ask.session, ask.counted) for ask in asks] == [
        ("q1", "u", None, True), ("q2", None, "s", False)
    ]  # fmt: skip
    assert [(answer.entity_id, answer.grade) for answer in asks[0].answers] == [("a", 1), ("b", 2)]
    assert [interaction.entity_id for interaction in interactions] == ["b"]
    # A click before its search, one after the search's half hour, an id that was there, and a line that is neither.
    assert sorted(row.line for row in rejected) == [6, 7, 9, 10]


def test_bandstand_rows_that_cannot_be_used_are_named(tmp_path):
    """The second q1 comes when the window of the first is long over; ids and users that are no text."""
    log = [
        ubi_query(1, "2020-01-01T10:00:00Z"),
        ubi_event("click", "q1", "2020-01-01T10:00:10Z", "a"),
        ubi_query(1, "2020-01-01T15:00:00Z"),
        {**ubi_query(3, "2020-01-01T15:00:01Z"), "query_id": None},
        ubi_query(4, "2020-01-01T15:00:02Z", user_id=["u"]),
        ubi_query(5, "2020-01-01T15:00:03"),
        [],
    ]
    (tmp_path / "catalog.ndjson").write_text(CATALOG)
    (tmp_path / "log.ndjson").write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in log))
    asks, *_, rejected = parted(adapter_named("bandstand").open(tmp_path))
    assert [ask.id for ask in asks] == ["q1"]
    reasons = {row.line: row.reason for row in rejected}
    assert sorted(reasons) == [3, 4, 5, 6, 7]
    assert "was there before" in reasons[3]
    assert "query_id" in reasons[4]
    assert "user_id" in reasons[5]
    assert "mixed time zones" in reasons[6]


@pytest.mark.parametrize(
    ("name", "header", "missing"),
    [
        ("spotify", "track_name,track_artist", "track_id"),
        ("hot100", "date,song,artist", "this_week"),
    ],
)
def test_a_file_that_lacks_a_column_is_an_error_that_names_it(tmp_path, name, header, missing):
    path = tmp_path / "file.csv"
    path.write_text(header + "\n")
    with pytest.raises(BadInput, match=missing):
        list(adapter_named(name).open(path).catalog())


@pytest.mark.parametrize("name", ["spotify", "hot100"])
def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        list(adapter_named(name).open(tmp_path / "nowhere.csv").catalog())


# --- made searches ----------------------------------------------------------------------------------------------------

SPOTIFY_HEADER = (
    "track_id,track_name,track_artist,track_popularity,track_album_name,track_album_release_date,"
    "playlist_name,playlist_id,playlist_genre,playlist_subgenre"
)


def spotify_file(folder):
    rows = [
        f"t{n},Song number {n},Band {n % 3},50,Album,2019-01-01,Evening list {n % 2},p{n % 2},pop,dance"
        for n in range(12)
    ]
    path = folder / "songs.csv"
    path.write_text("\n".join([SPOTIFY_HEADER, *rows, "x,NA,NA,1,NA,2019,List,p0,pop,dance"]) + "\n")
    return path


def test_spotify_playlists_are_hidden_and_asked_for(tmp_path):
    dataset = adapter_named("spotify", searches=300, users=9).open(spotify_file(tmp_path))
    catalog = list(dataset.catalog())
    assert Counter(row.kind for row in catalog if isinstance(row, Entity)) == {"track": 12, "artist": 3}
    assert sum(isinstance(row, Rejected) for row in catalog) == 1
    asks, *_ = parted(dataset)
    assert len({ask.id for ask in asks}) == 300
    classes = Counter(dict(ask.labels)["class"] for ask in asks)
    assert classes["known"] == pytest.approx(120, abs=30)
    assert classes["misspelt"] == pytest.approx(75, abs=25)
    for ask in asks:
        if dict(ask.labels)["class"] == "playlist":
            assert ask.text.startswith("Evening list")
            assert len({answer.entity_id for answer in ask.answers}) == 3
            assert {int(answer.entity_id[1:]) % 2 for answer in ask.answers} == {int(ask.text[-1])}
    again = adapter_named("spotify", searches=300, users=9).open(tmp_path / "songs.csv")
    assert parted(again)[0] == asks


def test_hot100_songs_come_in_their_first_week(tmp_path):
    path = tmp_path / "hot100.csv"
    path.write_text(
        "date,this_week,song,artist\n2019-01-05,1,Old Hit,Ann\n2019-01-12,1,Old Hit,Ann\n2019-01-12,2,New One,Bob\n"
        "2019-01-12,3,New One,Bob\n2019-01-19,1,New One,Bob\n2019-01-19,x,Bad,Row\n"
    )
    dataset = adapter_named("hot100", since="2019-01-12", until="2019-02-01", searches=40).open(path)
    assert [entity.title for entity in dataset.catalog()] == ["Old Hit"]
    asks, _, releases, rejected = parted(dataset)
    assert [[entity.title for entity in release.entities] for release in releases] == [["New One"], []]
    assert sorted(row.line for row in rejected) == [5, 7]
    classes = Counter((ask.time >= releases[1].time, dict(ask.labels)["class"]) for ask in asks)
    assert set(classes) == {(False, "new"), (False, "on the chart"), (True, "on the chart")}
    # Places 1 and 2: two thirds look for the first.
    assert classes[False, "on the chart"] == pytest.approx(27, abs=9)


@pytest.mark.parametrize(
    ("name", "options"),
    [("spotify", {"known": 0.9, "misspelt": 0.2}), ("hot100", {"since": "2020"}), ("lastfm", {"colour": 1}), ("x", {})],
)
def test_unknown_adapters_and_options_are_refused(name, options):
    with pytest.raises(BadInput):
        adapter_named(name, **options)


# --- the real files ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_lastfm_counts(real_data):
    asks, interactions, releases, rejected = parted(adapter_named("lastfm", train="2010-01").open(real_data("lastfm")))
    assert sum(ask.counted for ask in asks) == 5_600  # 800 a month
    assert len(rejected) == 1_301
    assert len(releases) == 7
    usable = len(interactions) + sum(len(ask.answers) for ask in asks)
    assert usable + len(rejected) <= 186_479
    assert usable > 145_000


@pytest.mark.slow
def test_real_spotify_counts(real_data):
    dataset = adapter_named("spotify", searches=100).open(real_data("spotify_songs.csv.gz"))
    kinds = Counter(row.kind for row in dataset.catalog() if isinstance(row, Entity))
    assert kinds == {"track": 28_352, "artist": 10_676}
    assert len(parted(dataset)[0]) == 100


def test_every_adapter_has_its_name():
    assert {name: make().name for name, make in ADAPTERS.items()} == {name: name for name in ADAPTERS}


@pytest.mark.parametrize(("adapter", "file"), [("hot100", "hot100.csv.gz"), ("spotify", "spotify_songs.csv.gz")])
def test_a_folder_without_the_dump_is_told_which_file_is_missing(tmp_path, adapter, file):
    with pytest.raises(BadInput, match=f"give {file}, or the folder"):
        adapter_named(adapter).open(tmp_path)


def test_options_may_be_text():
    adapter = adapter_named("lastfm", groups="40", train="2009-07", fresh="false")
    assert (adapter.groups, adapter.train, adapter.fresh) == (40, "2009-07", False)
