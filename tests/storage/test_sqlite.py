"""SQLite files: who may open them, what a failed transaction leaves, and what every error says to do."""

import sqlite3
from pathlib import Path

import pytest

from bandstand.errors import StorageError
from bandstand.sqlite import Database, Format, mapped

PLAIN = Format(version=1, schema=("CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT)",))
UNSIGNED = Format(version=1, schema=PLAIN.schema, signed=False)


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "file", PLAIN)
    yield opened
    opened.close()


def numbers(database):
    return [n for (n,) in database.rows("SELECT n FROM numbers ORDER BY n")]


def full(database, pages):
    """Let a file grow by no more than some pages, as on a full disk."""
    ((used,),) = database.rows("PRAGMA page_count")
    database.rows(f"PRAGMA max_page_count = {used + pages}")


def test_a_block_that_raises_is_undone(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (?, '')", (1,)) and 1 / 0
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (2, '')")
    assert numbers(database) == [2]


@pytest.mark.parametrize("text", ["x" * 100_000, "x"])
def test_a_full_disk_is_named_and_the_next_transaction_succeeds(database, text):
    full(database, pages=1)
    with (
        pytest.raises(StorageError, match="the disk is full; free some space"),
        database.transaction() as connection,
    ):
        connection.executemany("INSERT INTO numbers (text) VALUES (?)", [(text,)] * 20_000)
    full(database, pages=1_000)
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (7, '')")
    assert numbers(database) == [7]


def test_a_commit_that_fails_is_undone(database, tmp_path):
    database.rows("PRAGMA foreign_keys = ON")
    database.rows("CREATE TABLE names (n INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(StorageError, match="FOREIGN KEY"), database.transaction() as connection:
        connection.execute("INSERT INTO names VALUES (5)")
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (1, '')")
    assert database.rows("SELECT * FROM names") == []
    assert numbers(database) == [1]


def test_connections_of_one_file_see_what_was_committed_and_old_pages_can_be_cut(database, tmp_path):
    other = Database(tmp_path / "file", PLAIN)
    with database.transaction() as connection:
        connection.execute("INSERT INTO numbers VALUES (1, '')")
        assert numbers(other) == []
    assert numbers(other) == [1]
    other.truncate_log()
    assert (tmp_path / "file-wal").stat().st_size == 0
    other.close()


def test_a_file_of_another_program_is_refused_untouched_unless_files_of_the_kind_are_unsigned(tmp_path):
    with sqlite3.connect(tmp_path / "file") as theirs:
        theirs.execute("CREATE TABLE theirs (x)")
    theirs.close()
    before = (tmp_path / "file").read_bytes()
    with pytest.raises(StorageError, match="another program"):
        Database(tmp_path / "file", PLAIN)
    assert (tmp_path / "file").read_bytes() == before
    Database(tmp_path / "file", UNSIGNED).close()


@pytest.mark.parametrize("form", [PLAIN, UNSIGNED])
def test_a_newer_file_is_refused(tmp_path, form):
    Database(tmp_path / "file", form).close()
    with sqlite3.connect(tmp_path / "file") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StorageError, match="upgrade Bandstand"):
        Database(tmp_path / "file", form)


def test_a_closed_file_says_so(database):
    database.close()
    database.close()
    with pytest.raises(StorageError, match="closed"):
        database.rows("SELECT 1")


@pytest.mark.parametrize(
    "kind", [each for each in vars(sqlite3).values() if isinstance(each, type) and issubclass(each, sqlite3.Error)]
)
def test_every_error_of_sqlite_is_mapped(kind):
    cause = kind("something")
    with pytest.raises(StorageError) as raised, mapped(Path("file")):
        raise cause
    assert raised.value.__cause__ is cause
