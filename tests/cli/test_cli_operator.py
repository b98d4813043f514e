"""Commands of the operator: edits of the memory, estimates of every policy, and what repeats them."""

from __future__ import annotations

import sys
import time
from contextlib import closing

import pytest

from bandstand.cli.repeated import Repeated
from bandstand.dashboard.estimates import read_estimates
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.learner.edits import UNDO_EDIT


def first(cli, query):
    return cli("search", query, "--policy", "all", "--json").json()["hits"][0]["entity_id"]


def test_a_pin_holds_and_is_undone(cli, home):
    assert first(cli, "halo") == "halo"
    made = cli("memory", "pin", "Halo", "so-what", "--note", "campaign").out.strip()
    assert first(cli, "halo") == "so-what"
    (change,) = cli("memory", "changes", "--json").json()
    assert (change["id"], change["query"], change["note"], change["undone"]) == (made, "halo", "campaign", None)
    assert cli("memory", "undo", made).code == 0
    assert first(cli, "halo") == "halo"
    assert "undone" in cli("memory", "changes").out


def test_blocks_and_scores(cli, home):
    assert cli("memory", "block", "halo", "halo").code == 0
    assert first(cli, "halo") != "halo"
    assert cli("memory", "score", "sad tune", "hurt", "0.9").code == 0
    assert cli("search", "sad tune", "--policy", "memory", "--json").json()["hits"][0]["entity_id"] == "hurt"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("pin", "halo", "nobody"), 1),
        (("pin", " ", "halo"), 2),
        (("undo", "never"), 1),
        (("score", "a", "halo", "2"), 2),
    ],
)
def test_what_cannot_be_done_is_refused(cli, home, words, code):
    assert cli("memory", *words).code == code


def test_every_policy_is_estimated_for_the_dashboard(cli, home):
    for number in range(9):
        found = cli("search", ("halo", "hurt")[number % 2], "--policy", "random", "--json").json()
        if number % 3 and found["hits"]:
            cli("click", found["query_id"], 1)
    answer = cli("estimates", "--json").json()
    kept = read_estimates(home / "estimates.json")
    assert (kept.searches, answer["searches"]) == (9, 9)
    by_policy = {row.policy: row for row in kept.policies}
    assert {"as logged", "bandit", "all", "random"} <= set(by_policy)
    assert by_policy["all"].reason  # nine searches are few
    assert by_policy["random"].low <= by_policy["as logged"].value <= by_policy["random"].high
    assert "not enough data" in cli("estimates").out


def test_without_searches_every_policy_is_grey(cli, home):
    rows = cli("estimates", "--json").json()["policies"]
    assert rows
    assert all(row["reason"] for row in rows)


class TestRepeated:
    def command(self, path):
        return [sys.executable, "-c", f"open({str(path)!r}, 'a').write('x')"]

    def wait_for(self, path, repeated):
        with repeated:
            while not path.exists():
                assert repeated._thread.is_alive()
                repeated._thread.join(timeout=0.02)

    def test_what_is_missing_is_made(self, tmp_path):
        path = tmp_path / "made"
        self.wait_for(path, Repeated(self.command(path), made=path, minutes=60.0, first_s=0.0))
        assert not Repeated([], made=path, minutes=60.0)._thread.is_alive()

    def test_what_is_young_waits_and_never_is_never(self, tmp_path):
        path = tmp_path / "made"
        path.write_text("x")
        for minutes in (60.0, 0.0):
            with Repeated(self.command(path), made=path, minutes=minutes, first_s=0.0):
                pass
        assert path.read_text() == "x"

    def test_a_long_command_ends_with_us(self, tmp_path):
        path = tmp_path / "made"
        command = [sys.executable, "-c", f"import time; open({str(path)!r}, 'w').close(); time.sleep(600)"]
        repeated = Repeated(command, made=path, minutes=60.0, first_s=0.0)
        self.wait_for(path, repeated)
        assert not repeated._thread.is_alive()


def test_what_is_parked_is_listed_and_tried_again(cli, home):
    assert "no log entry is parked" in cli("parked").out
    with closing(SqliteLog(home / "log.sqlite", clock=time.time)) as log:
        log.append_control(UNDO_EDIT, {})
    for words in (["parked", "--retry"], ["parked"]):
        (row,) = cli(*words, "--json").json()
        assert (row["kind"], row["reason"].partition(":")[0]) == ("control", "KeyError")
    assert "control" in cli("parked").out
    assert "parked --retry" in cli("doctor").out


def test_doctor_reads_every_byte_when_asked(cli, home):
    assert "every byte" not in cli("doctor").out
    assert "MEND" not in "".join(line for line in cli("doctor", "--deep").out.splitlines() if "every byte" in line)
    model = next((home / "models" / "ranker").glob("*/start.json"))
    model.write_bytes(model.read_bytes()[:-1])
    ended = cli("doctor", "--deep")
    assert ended.code == 1
    assert "MEND  models, every byte" in ended.out
    assert "bandstand train" in ended.out
