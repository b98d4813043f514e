"""`bandstand ingest` of tables, `bandstand catalogue`, and every command of docs/catalogue.md as it stands there."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SONGS = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)[0]
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the page speaks of, as the one in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs.csv").write_text(SONGS)
    with sqlite3.connect("music.db") as database:
        database.execute("CREATE TABLE songs (id, name, plays)")
        database.execute("INSERT INTO songs VALUES (3, 'Hurt', 7)")
    database.close()
    return tmp_path


def test_every_command_of_the_page(cli, folder):
    ended = [cli(*shlex.split(line)[1:]) for line in LINES]
    assert [each.code for each in ended] == [0] * len(LINES)
    said = [each.out for each in ended]
    assert "2 read, 2 new or changed, 0 rejected" in said[0]
    assert "1 read, 1 new or changed" in said[1]
    assert "2 read, 2 new or changed, 0 rejected, 1 removed" in said[2]
    listed, shown, whole, columbia, deleted, older = said[3:]
    assert "Crazy in Love" in listed
    assert '"length": "4:21"' in shown
    assert "2 entities" in whole
    assert "2 entities" in columbia
    assert "1 deleted" in deleted
    assert "0 deleted" in older
    assert (folder / "music.parquet").read_bytes()[:4] == b"PAR1"


def test_the_first_command_gives_what_the_page_says(cli, folder):
    cli(*shlex.split(LINES[0])[1:])
    entity = cli("catalogue", "show", "t2", "--home", "music").json()
    assert entity == {
        "id": "t2", "kind": "track", "title": "Crazy in Love", "artists": ["Beyoncé", "Jay-Z"], "popularity": 1.0,
        "released": "2003-05-18", "attributes": {"genre": {"pop": 1.0, "r&b": 1.0}}, "duration": 236.0,
        "fields": {"label": "Columbia"},
    }  # fmt: skip


def test_the_mapping_of_the_homes_file_and_options_over_it(cli, folder):
    (folder / "music").mkdir()
    (folder / "music" / "bandstand.toml").write_text(TOML)
    cli("ingest", "songs.csv", "--map", "title='Untitled'", "--home", "music")
    found = cli("catalogue", "list", "--home", "music", "--json").json()["entities"]
    assert [(each["title"], each["artists"]) for each in found] == [
        ("Untitled", ["Beyoncé"]), ("Untitled", ["Beyoncé", "Jay-Z"]),
    ]  # fmt: skip
    assert not any("fields" in each for each in found)
    (folder / "music" / "bandstand.toml").write_text(TOML.replace("unknown", "unkown"))
    refused = cli("ingest", "songs.csv", "--home", "music")
    assert (refused.code, "[ingest] has no unkown; did you mean unknown?" in refused.err) == (2, True)


def test_a_sync_that_nobody_agreed_to_says_what_it_would_do(cli, folder):
    mapped = ("--kind", "track", "--map", "id=track_id", "--map", "title=track_name")
    cli("ingest", "songs.csv", *mapped, "--home", "music")
    (folder / "songs.csv").write_text(SONGS.replace("t1;Halo", "t9;Halo"))
    refused = cli("ingest", "songs.csv", *mapped, "--sync", "--home", "music")
    assert refused.code == 2
    assert "1 new, 1 known, 0 rejected; to be deleted: 1 (Halo)" in refused.err
    assert "--yes" in refused.err
    assert "t1" in cli("catalogue", "list", "--home", "music").out


def test_the_first_rejected_rows_are_shown(cli, folder):
    (folder / "songs.csv").write_text("id,title,popularity\n" + "a,,1\n" * 7 + "b,B,many\nc,C,1\n")
    shown = cli("ingest", "songs.csv", "--kind", "track", "--home", "music")
    assert "line 2: title" in shown.out
    assert "line 8" not in shown.out
    assert "1 read, 1 new or changed, 8 rejected" in shown.out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("ingest", "songs.csv"), "the table lacks id, kind, title"),
        (("ingest", "songs.csv", "--kind", "track", "--map", "titel=track_name"), "did you mean title"),
        (("ingest", "songs.csv", "--kind", "track", "--map", "title=trackname"), "did you mean track_name"),
        (("ingest", "sqlite:///music.db"), "--query"),
        (("ingest", "sqlite:///nothing.db", "--query", "SELECT 1"), "there is no file"),
        (("catalogue", "export", "music.txt"), "says no format"),
        (("catalogue", "delete"), "name ids"),
        (("catalogue", "delete", "--filters", "{"), "not JSON"),
        (("catalogue", "delete", "--filters", '{"lable": ["x"]}'), "no field 'lable'"),
        (("catalogue", "list", "--kind", "song"), "unknown kinds song"),
    ],
)
def test_what_cannot_be_done_exits_2_and_says_what_to_do(cli, folder, home, command, says):
    refused = cli(*command)
    assert refused.code == 2
    assert says in refused.err


def test_an_entity_that_is_not_there_exits_1(cli, home):
    assert cli("catalogue", "show", "nobody").code == 1


def test_a_deletion_by_filters_is_agreed_to(cli, folder):
    cli(*shlex.split(LINES[0])[1:])
    asked = ("catalogue", "delete", "--kind", "track", "--home", "music")
    refused = cli(*asked)
    assert (refused.code, "2 entities would be deleted" in refused.err) == (2, True)
    assert cli(*asked, "--yes", "--json").json() == {"deleted": 2}
