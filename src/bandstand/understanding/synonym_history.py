"""What was changed in the operator's synonyms: a line of JSON each, beside the table, so that all can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

from bandstand.durable import append_line
from bandstand.errors import NotFound, StorageError
from bandstand.types import Clock, timed_id

Action = Literal["add", "remove"]

INVERSE: dict[Action, Action] = {"add": "remove", "remove": "add"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SynonymChange:
    """One change: ``id`` sorts by time (seconds since 1970), ``undoes`` names the change that it takes back, if any.

    ``undone`` is when it was taken back itself.
    """

    id: str
    time: float
    action: Action
    line: str
    undoes: str | None = None
    undone: float | None = None


class SynonymHistory:
    """The changes in the file at a path, which need not be there; who writes holds the lock of its folder."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path, self._clock = path, clock

    def record(self, action: Action, line: str, *, undoes: str | None = None) -> None:
        """Put a change on record, durably.

        Raises:
            StorageError: the file cannot be written.
        """
        now = self._clock()
        change = SynonymChange(id=timed_id(now), time=now, action=action, line=line, undoes=undoes)
        try:
            append_line(self._path, orjson.dumps(asdict(change)))
        except OSError as error:
            raise StorageError(f"the record of synonyms {self._path} cannot be written: {error}") from error

    def changes(self) -> list[SynonymChange]:
        """Every change, newest first.

        Raises:
            StorageError: the file cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
            found = [SynonymChange(**orjson.loads(line)) for line in lines if line.endswith(b"}")]  # else: cut off
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(f"the record of synonyms {self._path} cannot be read: {error}. Move it away.") from error
        return _with_undone(found)[::-1]

    def change(self, id_: str) -> SynonymChange:
        """The change of an id.

        Raises:
            NotFound: there is none.
            StorageError: the file cannot be read.
        """
        for change in self.changes():
            if change.id == id_:
                return change
        raise NotFound(f"there is no change {id_!r}: `bandstand synonyms changes` shows all")


def _with_undone(found: Sequence[SynonymChange]) -> list[SynonymChange]:
    times = {change.undoes: change.time for change in found if change.undoes is not None}
    return [replace(change, undone=times.get(change.id)) for change in found]
