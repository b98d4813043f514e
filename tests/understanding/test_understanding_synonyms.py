"""The operator's table: its format, its errors, and what it changes."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bandstand.errors import BadInput, NotFound, StorageError
from bandstand.types import Slot
from bandstand.understanding.synonym_file import SynonymFile
from bandstand.understanding.synonyms import EQUAL, load_synonyms, parse_synonyms


def test_both_kinds_of_lines():
    table = parse_synonyms(
        "# a comment\n\nChill, Laid-Back -> mood:calm 0.8, genre:lo-fi\nR&B = RnB = rhythm & blues # too\n"
    )
    assert table.meanings["chill"] == (Slot("mood", "calm", 0.8), Slot("genre", "lo fi", 1.0))
    assert table.meanings["laid back"] == table.meanings["chill"]
    assert table.equals["rnb"] == ("r and b", "rhythm and blues")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("just words", "needs 'phrase"),
        ("tv => television", "has '=>'"),
        ("chill -> calm", "slot:value"),
        ("chill ->", "slot:value"),
        ("-> mood:calm", "empty phrase"),
        ("a, , b -> mood:calm", "empty phrase"),
        ("chill -> mood:calm 1.5", r"\(0, 1\]"),
        ("chill -> mood:calm 0", r"\(0, 1\]"),
        ("old -> year:eighties", "1980-1989"),
        ("a b c d e f g h i -> mood:calm", "more than 8 words"),
        ("same = Same", "needs 'phrase"),
    ],
)
def test_a_wrong_line_is_named(line, reason):
    with pytest.raises(BadInput, match=f"line 2 of the synonym table .*{reason}"):
        parse_synonyms(f"# first\n{line}\n")


def test_too_many_lines():
    with pytest.raises(BadInput, match="at most 100000"):
        parse_synonyms("\n" * 100_001)


def test_the_bundled_table_is_right():
    table = load_synonyms()
    assert Slot("kind", "track") in table.meanings["songs"]
    assert Slot("intent", "like") in table.meanings["songs like"]


def test_an_operators_file_goes_over_the_bundled_one(tmp_path):
    path = tmp_path / "synonyms.txt"
    path.write_text("songs -> kind:album\nwoof -> mood:happy\n", "utf-8")
    table = load_synonyms(path)
    assert table.meanings["songs"] == (Slot("kind", "album"),)
    assert table.meanings["woof"] == (Slot("mood", "happy"),)
    assert "tracks" in table.meanings


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(StorageError, match="Save it as UTF-8"):
        load_synonyms(tmp_path / "missing.txt")
    (tmp_path / "latin").write_bytes(b"caf\xe9 -> mood:calm")
    with pytest.raises(StorageError, match="Save it as UTF-8"):
        load_synonyms(tmp_path / "latin")


def test_a_table_changes_readings_at_once(own):
    assert own.best("woof music").get("mood") is None
    own.understanding.use(parse_synonyms("woof -> mood:happy"))
    assert own.best("woof")["mood"] == "happy"
    assert own.understanding.synonyms.equals == {}


def test_values_that_the_catalogue_lacks_are_no_readings(small):
    assert "language" not in small.best("hindi")


def test_an_equal_phrase_stands_for_a_name(own):
    own.understanding.use(parse_synonyms("the boss of pop = taylor swift"))
    (best,) = own.senses("the boss of pop")
    assert (best.slot, best.value, best.likelihood) == ("artist", "taylor swift", pytest.approx(EQUAL))
    assert set(own.found(own.structured, "the boss of pop")[:3]) == {"taylor", "love-story", "shake"}


class TestFile:
    @pytest.fixture
    def table(self, tmp_path):
        return SynonymFile(tmp_path / "home" / "synonyms.txt")

    def test_entries_are_added_and_removed_and_remarks_stay(self, table, tmp_path):
        path = tmp_path / "home" / "synonyms.txt"
        path.parent.mkdir()
        path.write_text("# ours\nchill -> mood:calm", "utf-8")
        assert table.add("  rnb =  rhythm & blues # too") == ["chill -> mood:calm", "rnb = rhythm & blues"]
        assert table.add("chill  -> mood:calm") == table.lines()  # there already
        assert table.remove("chill -> mood:calm") == ["rnb = rhythm & blues"]
        assert path.read_text("utf-8") == "# ours\nrnb = rhythm & blues\n"

    def test_a_change_that_a_kill_cut_off_is_no_change_and_spoils_none(self, table, tmp_path):
        table.add("a = b")
        record = tmp_path / "home" / "synonyms.changes.ndjson"
        record.write_bytes(record.read_bytes() + b'{"id":"x","ti')
        (added,) = table.changes()
        table.remove("a = b")
        assert [change.action for change in table.changes()] == ["remove", "add"]
        assert table.undo(added.id) == []  # out already: nothing to take out

    def test_what_was_undone_can_be_undone(self, table):
        table.add("a = b")
        (added,) = table.changes()
        assert table.undo(added.id) == []
        undoing, added = table.changes()
        assert (undoing.undoes, added.undone) == (added.id, undoing.time)
        assert table.undo(added.id) == []
        assert table.undo(undoing.id) == ["a = b"]

    @pytest.mark.parametrize("line", ["", " # only a remark", "just words", "a = b\nc = d", "chill -> calm"])
    def test_what_is_no_entry_is_refused_and_nothing_is_written(self, table, line):
        with pytest.raises(BadInput):
            table.add(line)
        assert table.lines() == []

    def test_what_is_not_there_cannot_be_removed(self, table):
        with pytest.raises(NotFound, match="bandstand synonyms list"):
            table.remove("chill -> mood:calm")

    def test_changes_are_met_once(self, table):
        assert table.changed() is None  # there is no file, and nothing was in use
        table.add("zoned out -> mood:calm 0.8")
        found = table.changed()
        assert found.meanings["zoned out"] == (Slot("mood", "calm", 0.8),)
        assert found.meanings.keys() > load_synonyms().meanings.keys()
        assert table.changed() is None

    def test_a_table_that_is_taken_away_leaves_the_bundled_one(self, table, tmp_path):
        table.add("chill -> mood:calm 0.8")
        table.changed()
        (tmp_path / "home" / "synonyms.txt").unlink()
        assert table.changed() == load_synonyms()

    def test_a_wrong_table_is_refused_until_it_is_right(self, table, tmp_path):
        path = tmp_path / "home" / "synonyms.txt"
        path.parent.mkdir()
        path.write_text("just words\n", "utf-8")
        with capture_logs() as logs:
            assert table.changed() is None
            assert table.changed() is None
        assert [entry["event"] for entry in logs] == ["synonyms_refused"]  # one piece of news
        assert "line 1" in logs[0]["reason"]
        path.write_bytes(b"zoned out -> mood:calm\n")
        assert "zoned out" in table.changed().meanings
