"""What the commands do, as text and as JSON."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.settings import Settings
from tests.support.cli_world import ENTITIES, ndjson

HOLDER = """
import sys, time
from bandstand.app.platform import Platform
from bandstand.settings import load_settings
learning = Platform(load_settings()).learning
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(home):
    """Another process has the home, as a server would."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield
    process.communicate("", timeout=30)


class TestIngest:
    @pytest.mark.parametrize("packed", [False, True])
    def test_ndjson(self, cli, tmp_path, packed):
        path = ndjson(tmp_path / "e.ndjson", ENTITIES)
        if packed:
            path = path.rename(tmp_path / "plain")
            (tmp_path / "e.ndjson.gz").write_bytes(gzip.compress(path.read_bytes()))
            path = tmp_path / "e.ndjson.gz"
        first, again = cli("ingest", path, "--json").json(), cli("ingest", path, "--json").json()
        assert (first["read"], first["changed"], first["rejected"], first["rejects"]) == (7, 7, 0, None)
        assert (again["read"], again["changed"]) == (7, 0)

    def test_csv(self, cli, tmp_path):
        with (tmp_path / "e.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "kind", "title", "artists"])
            writer.writeheader()
            writer.writerow({"id": "a", "kind": "track", "title": "Ä", "artists": "B"})
        assert cli("ingest", tmp_path / "e.csv", "--json").json()["read"] == 1

    def test_rejected_rows_are_counted_and_written_down(self, cli, tmp_path):
        path = ndjson(tmp_path / "e.ndjson", [ENTITIES[0], {"id": "x"}, ENTITIES[1]])
        path.write_text(path.read_text() + "{oops\n")
        answer = cli("ingest", path, "--json").json()
        assert (answer["read"], answer["rejected"]) == (2, 2)
        with Path(answer["rejects"]).open(encoding="utf-8") as file:
            rejects = [json.loads(line) for line in file]
        assert [reject["line"] for reject in rejects] == [2, 4]
        assert all(set(reject) == {"line", "reason", "raw"} for reject in rejects)
        assert answer["rejects"] in cli("ingest", path).out

    def test_not_one_usable_row_is_a_failure(self, cli, tmp_path):
        ended = cli("ingest", ndjson(tmp_path / "e.ndjson", [{"name": "other"}]))
        assert ended.code == 1
        assert "1 rejected" in ended.out

    def test_without_a_file_it_is_the_bundled_catalogue(self, cli):
        assert cli("ingest", "--json").json()["read"] > 500
        assert cli("ingest", "--if-empty", "--json").json()["read"] == 0

    def test_the_home_of_the_option_beats_that_of_the_environment(self, cli, tmp_path):
        path = ndjson(tmp_path / "e.ndjson", ENTITIES)
        cli("ingest", path, "--home", tmp_path / "other")
        assert (tmp_path / "other" / "catalog.sqlite").exists()
        assert not (tmp_path / "home").exists()


class TestIndex:
    @pytest.mark.slow
    def test_makes_searchable_and_trains_the_first_time_only(self, cli, tmp_path):
        cli("ingest", ndjson(tmp_path / "e.ndjson", ENTITIES))
        first, again = cli("index", "--json").json(), cli("index", "--json").json()
        assert first["entities"] == 7
        assert first["changes"] > 0
        assert first["ranker"]["examples"] > 0
        assert again == {"entities": 7, "changes": 0, "ranker": None}
        assert cli("index", "--rebuild", "--json").json()["changes"] > 0
        assert cli("search", "hello", "--json").json()["hits"]

    @pytest.mark.usefixtures("empty")
    def test_of_nothing_says_what_comes_next(self, cli):
        ended = cli("index")
        assert ended.code == 0
        assert "bandstand ingest" in ended.out

    def test_of_one_entity(self, cli, tmp_path):
        cli("ingest", ndjson(tmp_path / "e.ndjson", ENTITIES[:1]))
        assert cli("index", "--json").json()["ranker"] is None  # nothing to tell apart
        assert [hit["entity_id"] for hit in cli("search", "halo", "--json").json()["hits"]] == ["halo"]

    def test_without_selfplay_nothing_is_trained(self, cli, tmp_path, monkeypatch):
        monkeypatch.setenv("BANDSTAND_SELFPLAY_QUERIES", "0")
        cli("ingest", ndjson(tmp_path / "e.ndjson", ENTITIES))
        assert cli("index", "--json").json()["ranker"] is None
        assert cli("search", "hello", "--json").json()["hits"]

    @pytest.mark.usefixtures("held")
    def test_a_home_that_another_process_has_is_left_to_it(self, cli):
        ended = cli("index")
        assert ended.code == 1
        assert "another process" in ended.err


@pytest.mark.usefixtures("home")
class TestSearch:
    def test_text(self, cli):
        ended = cli("search", "halo", "--policy", "lexical", "--explain")
        assert ended.code == 0
        for shown in ("Halo", "Beyoncé", "2008", "lexical:1", "query id"):
            assert shown in ended.out

    def test_titles_are_shown_as_they_are_but_cannot_command_the_terminal(self, cli):
        shown = cli("search", "untitled", "--policy", "lexical").out
        assert "[bold]Untitled[/bold]" in shown.replace("\n", " ")
        assert ":smile:" in shown
        assert "\x1b" not in shown

    def test_nothing_found_says_what_to_try(self, cli):
        assert "--policy all" in cli("search", "zzzzzz", "--policy", "lexical").out

    def test_json_is_that_of_the_api(self, cli):
        answer = cli("search", "halo", "--json", "-k", 2, "--kind", "track", "--user", "ann", "--session", "s").json()
        assert set(answer) == {"query_id", "query", "hits", "decision", "took_ms"}
        assert {hit["kind"] for hit in answer["hits"]} == {"track"}
        assert "explain" in cli("search", "halo", "--json", "--explain").json()["hits"][0]

    def test_a_correction_is_said_and_can_be_declined(self, cli):
        assert "showing results for beyonce" in cli("search", "beyonec").out
        declined = cli("search", "beyonec", "--literal")
        assert "showing results" not in declined.out
        answer = cli("search", "beyonec", "--json").json()["query"]["corrected"]
        assert (answer["text"], answer["mode"]) == ("beyonce", "showing")

    def test_a_further_page(self, cli):
        first = cli("search", "halo", "--policy", "all", "--json", "-k", 2).json()
        later = cli("search", "halo", "--query-id", first["query_id"], "--offset", 2, "-k", 2, "--json").json()
        assert later["decision"] == first["decision"]
        assert [hit["position"] for hit in later["hits"]] == [3, 4]

    def test_shows_no_progress_where_there_is_no_terminal(self, cli, tmp_path):
        path = ndjson(tmp_path / "more.ndjson", [{"id": "new", "kind": "track", "title": "New"}])
        for words in (["ingest", path], ["index"], ["train"], ["search", "a"]):
            assert cli(*words).err == ""


@pytest.mark.usefixtures("home")
class TestClick:
    def test_is_learned_at_once(self, cli):
        asked = cli("search", "a sad old man", "--user", "ann", "--json").json()
        assert cli("click", asked["query_id"], "hurt", "--json").json() == {
            "accepted": 1,
            "duplicates": 0,
            "learned": True,
        }
        again = cli("search", "a sad old man", "--user", "ann", "--policy", "memory", "--json").json()
        assert [hit["entity_id"] for hit in again["hits"]] == ["hurt"]

    def test_by_position_or_id_with_action_and_seconds(self, cli):
        asked = cli("search", "halo", "--policy", "all", "--json").json()
        first = asked["hits"][0]["entity_id"]
        ended = cli("click", asked["query_id"], 1, "--action", "play", "--seconds", 45)
        assert f"play on {first}: learned" in ended.out
        assert cli("click", asked["query_id"], first, "--action", "save").code == 0

    @pytest.mark.parametrize("hit", ["0", "99", "-1", "nobody", "½", "１"])
    def test_a_hit_that_is_none_exits_2(self, cli, hit):
        asked = cli("search", "halo", "--json").json()
        assert cli("click", asked["query_id"], "--", hit).code == 2

    @pytest.mark.usefixtures("held")
    def test_beside_a_server_the_server_learns(self, cli):
        asked = cli("search", "halo", "--policy", "all", "--json").json()
        assert cli("click", asked["query_id"], 1, "--json").json()["learned"] is False
        assert "learns from it" in cli("click", asked["query_id"], 2).out


class TestModels:
    @pytest.mark.slow
    @pytest.mark.usefixtures("home")
    def test_train_list_promote_roll_back(self, cli):
        first = cli("models", "list", "--json").json()["ranker"]["current"]
        second = cli("train", "--json").json()
        assert second["promoted"] is True
        assert second["version"] in cli("models", "list").out
        assert cli("models", "rollback", "ranker", "--json").json() == {
            "model": "ranker",
            "current": first,
            "pinned": True,
        }
        assert "pinned" in cli("models", "list").out
        assert cli("train", "--json").json()["promoted"] is False
        assert "waits" in cli("train").out
        promoted = cli("models", "promote", "ranker", second["version"], "--json").json()
        assert promoted == {"model": "ranker", "current": second["version"], "pinned": False}
        assert "pinned" in cli("models", "rollback", "ranker").out

    @pytest.mark.usefixtures("empty")
    def test_of_an_empty_home(self, cli):
        assert "bandstand index" in cli("models", "list").out
        assert cli("models", "list", "--json").json()["ranker"]["versions"] == []

    @pytest.mark.usefixtures("held")
    def test_train_works_beside_a_server(self, cli):
        assert cli("train", "--json").json()["promoted"] is True


class TestSynonyms:
    LINE = "the loud one = u2"

    def test_list_add_remove(self, cli):
        assert "no synonyms of its own" in cli("synonyms", "list").out
        assert cli("synonyms", "add", self.LINE).out.strip() == self.LINE
        assert cli("synonyms", "list", "--json").json() == {"synonyms": [self.LINE]}
        assert cli("synonyms", "remove", self.LINE, "--json").json() == {"synonyms": []}
        removed, added = cli("synonyms", "changes", "--json").json()["changes"]
        assert (removed["action"], added["action"]) == ("remove", "add")
        assert cli("synonyms", "undo", removed["id"]).out.strip() == self.LINE
        assert "remove" in cli("synonyms", "changes").out
        cli("synonyms", "remove", self.LINE)

    def test_what_is_wrong_exits_2_and_what_is_not_there_1(self, cli):
        assert cli("synonyms", "add", "just words").code == 2
        assert cli("synonyms", "remove", self.LINE).code == 1


class TestExport:
    @pytest.fixture
    def clicked(self, cli, home):
        assert home.exists()
        for query in ("halo", "hello"):
            asked = cli("search", query, "--json").json()
            cli("click", asked["query_id"], 1)

    @pytest.mark.parametrize(
        ("form", "records", "starts"),
        [
            ("ubi", 4, b"{"),
            ("trec", None, b""),
            ("qrels", None, b""),
            ("svmlight", None, b"#"),
            ("dsjson", None, b"{"),
            ("obp", None, b"PK"),
        ],
    )
    @pytest.mark.usefixtures("clicked")
    def test_every_format(self, cli, tmp_path, form, records, starts):
        answer = cli("export", tmp_path / "out", "--format", form, "--json").json()
        assert (answer["format"], answer["path"]) == (form, str(tmp_path / "out"))
        assert answer["records"] == records if records else answer["records"] > 0
        written = (tmp_path / "out").read_bytes()
        assert written.startswith(starts)
        if form == "trec":
            assert (tmp_path / "out.qrels").exists()

    @pytest.mark.usefixtures("empty")
    def test_of_an_empty_log(self, cli, tmp_path):
        for form in ("ubi", "trec", "qrels", "svmlight", "dsjson", "obp"):
            assert cli("export", tmp_path / form, "--format", form, "--json").json()["records"] == 0


class TestDoctor:
    def findings(self, ended):
        return {finding["what"]: finding for finding in json.loads(ended.out)["findings"]}

    @pytest.mark.usefixtures("home")
    def test_a_healthy_home(self, cli):
        ended = cli("doctor", "--json")
        assert ended.code == 0
        assert json.loads(ended.out)["ok"] is True
        assert "MEND" not in cli("doctor").out

    @pytest.mark.usefixtures("empty")
    def test_an_empty_home_names_what_to_do(self, cli):
        ended = cli("doctor", "--json")
        assert ended.code == 1
        found = self.findings(ended)
        assert "bandstand ingest" in found["catalogue"]["says"]
        assert "bandstand index" in found["indexes"]["says"]
        assert "MEND" in cli("doctor").out

    @pytest.mark.usefixtures("home")
    def test_what_was_ingested_but_not_indexed(self, cli, tmp_path):
        cli("ingest", ndjson(tmp_path / "more.ndjson", [{"id": "new", "kind": "track", "title": "New"}]))
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "bandstand index" in self.findings(ended)["indexes"]["says"]

    def test_a_home_that_cannot_be_used(self, cli, tmp_path):
        (tmp_path / "home").write_text("not a folder")
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "BANDSTAND_HOME" in self.findings(ended)["home"]["says"]

    def test_a_synonym_table_with_a_wrong_line(self, cli, home):
        (home / "synonyms.txt").write_text("# ours\njust words\n", "utf-8")
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "line 2 of the synonym table" in self.findings(ended)["synonyms"]["says"]

    def test_a_model_that_is_refused(self, cli, home):
        for file in (home / "models" / "ranker").glob("*/*.txt"):
            file.write_bytes(b"not a model")
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "bandstand train" in self.findings(ended)["ranker"]["says"]

    def test_a_log_entry_that_cannot_be_learned_from(self, cli, home):
        with closing(SqliteLog(home / "log.sqlite", clock=lambda: 1.0)) as log:
            seq = log.append_control("undo_edit", {})
        assert cli("click", cli("search", "hello", "--json").json()["query_id"], 1).code == 0  # it learns
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert f"control {seq}: KeyError" in self.findings(ended)["parked"]["says"]

    @pytest.mark.usefixtures("home")
    def test_an_encoder_that_is_to_come(self, cli, tmp_path, monkeypatch):
        monkeypatch.setenv("BANDSTAND_ENCODER", str(tmp_path / "model"))
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "bandstand index makes it" in self.findings(ended)["encoder"]["says"]

    def test_a_file_of_settings_with_mistakes(self, cli, home):
        (home / "bandstand.toml").write_text("prt = 1\n", "utf-8")
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "did you mean port?" in self.findings(ended)["settings"]["says"]
        refused = cli("search", "hello")
        assert (refused.code, "bandstand.toml" in refused.err) == (2, True)

    @pytest.mark.usefixtures("home")
    def test_a_misspelt_setting(self, cli, monkeypatch):
        monkeypatch.setenv("BANDSTAND_DEDLINE_MS", "5")
        ended = cli("doctor", "--json")
        assert ended.code == 1
        assert "BANDSTAND_DEDLINE_MS" in self.findings(ended)["settings"]["says"]


class TestConfig:
    def test_it_says_what_each_setting_is_and_where_that_comes_from(self, cli, tmp_path, monkeypatch):
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "bandstand.toml").write_text("seed = 7\n", "utf-8")
        monkeypatch.setenv("BANDSTAND_ADMIN_KEY", "s3cret")
        found = cli("config", "show", "--json").json()
        assert list(found) == list(Settings.model_fields)
        assert found["seed"] == {"value": 7, "origin": "bandstand.toml"}
        assert found["encoder"] == {"value": "hashing", "origin": "BANDSTAND_ENCODER"}
        assert found["admin_key"] == {"value": "********", "origin": "BANDSTAND_ADMIN_KEY"}
        assert found["host"] == {"value": "127.0.0.1", "origin": "default"}
        shown = cli("config", "show", "--home", tmp_path / "other").out
        assert "s3cret" not in shown
        assert re.search(r'^home = "\S+other" +# argument$', shown, re.MULTILINE)
        assert tomllib.loads(shown)["selfplay_queries"] == 40
