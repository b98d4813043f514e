"""Which ordinal every id was given, in a file beside the catalogue: one that is made anew gives the same ones again.

Memory, log and learner know entities by their ordinals. The book and the catalogue know all of each other but the
entities themselves, so that either can be lost: what is left says what the other held.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from bandstand.errors import DamagedFile
from bandstand.sqlite import CHAPTERS, Database, Format
from bandstand.types import Chapter, History

_COUNT = "SELECT coalesce(max(ordinal) + 1, 0) FROM ordinals"
_FORMAT = Format(
    version=1,
    schema=("CREATE TABLE ordinals (ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT", CHAPTERS),
    numbers=_COUNT,
)
CHAPTERS_KEPT = "CREATE TABLE ordinal_chapters (first INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"
"""In the catalogue: the chapters of the book."""

_KEEP = "INSERT OR REPLACE INTO ordinal_chapters VALUES (?, ?)"


def keep_untold(connection: sqlite3.Connection) -> None:
    """Upgrade a catalogue that had no book: all ordinals that it gave are one chapter."""
    connection.execute(CHAPTERS_KEPT)
    connection.execute("INSERT INTO ordinal_chapters SELECT first, name FROM chapters")


class OrdinalBook:
    """The ordinals of ids, never given twice, also where the ``catalogue`` was replaced or set back.

    Raises:
        StorageError: from any method, when a file cannot be read or written.
    """

    def __init__(self, path: Path, catalogue: Database) -> None:
        self.path, self._catalogue = path, catalogue
        self._kept = False
        self._database = self._opened()
        self._agree()

    def give(self, catalogue: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
        """The ordinals of ids, new ones for new ids; within the write transaction of the catalogue that needs them."""
        if not ids:
            return {}
        with self._database.transaction() as book:
            rows = book.execute(
                "SELECT id, ordinal FROM ordinals WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
            )
            given = dict(rows.fetchall())
            (following,) = book.execute(_COUNT).fetchone()
            new = {id_: ordinal for ordinal, id_ in enumerate((id_ for id_ in ids if id_ not in given), following)}
            book.executemany("INSERT INTO ordinals (id, ordinal) VALUES (?, ?)", new.items())
        if not self._kept:
            catalogue.executemany(_KEEP, self.history().chapters)
            self._kept = True
        return given | new

    def history(self) -> History:
        """What ordinals belong to; number n is that of ordinal n - 1."""
        return self._database.history()

    def rows(self) -> list[tuple[int, str]]:
        """Every ordinal with its id, ascending."""
        return self._database.rows("SELECT ordinal, id FROM ordinals ORDER BY ordinal")

    def damage(self) -> list[str]:
        """See `Database.damage`."""
        return self._database.damage()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._database.close()

    def _opened(self) -> Database:
        """The file; one that is damaged is made anew, as the catalogue holds the same."""
        try:
            return Database(self.path, _FORMAT)
        except DamagedFile as error:
            structlog.get_logger("catalogue").error("ordinals_made_anew", reason=str(error))
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            return Database(self.path, _FORMAT)

    def _agree(self) -> None:
        """Let book and catalogue hold the same where one of them is new, was put back, or is another home's."""
        history, kept = self.history(), self._kept_chapters()
        ((given,),) = self._catalogue.rows("SELECT coalesce(max(ordinal) + 1, 0) FROM entities")
        if set(kept) <= set(history.chapters) and given <= history.last:
            if len(kept) < len(history.chapters):
                self._keep(history.chapters)
        elif set(history.chapters) <= set(kept):
            self._refill((), kept)
        else:
            structlog.get_logger("catalogue").error("ordinals_of_another_catalogue", path=str(self.path))
            self._refill(("DELETE FROM ordinals",), kept)

    def _kept_chapters(self) -> list[Chapter]:
        rows = self._catalogue.rows("SELECT first, name FROM ordinal_chapters ORDER BY first")
        return [Chapter(*row) for row in rows]

    def _keep(self, chapters: Iterable[Chapter]) -> None:
        with self._catalogue.transaction() as connection:
            connection.executemany(_KEEP, chapters)

    def _refill(self, before: Sequence[str], chapters: Sequence[Chapter]) -> None:
        """Take what the catalogue knows into the book; ordinals that come after it begin a chapter."""
        with self._database.transaction() as book:
            for statement in (*before, "DELETE FROM chapters"):
                book.execute(statement)
            rows = self._catalogue.rows("SELECT ordinal, id FROM entities")
            book.executemany("INSERT OR REPLACE INTO ordinals VALUES (?, ?)", rows)
            book.executemany("INSERT INTO chapters VALUES (?, ?)", chapters)
        self._database.close()
        self._database = Database(self.path, _FORMAT)
