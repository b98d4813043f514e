"""Words and phrases that are never suggested, from an operator's file that is read again when it changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog

from bandstand.catalog.text import terms
from bandstand.errors import BadInput, StorageError

MAX_LINES = 100_000

Stamp = tuple[int, int, int]
"""What changes with a file's content: its inode, size, and time of change."""


class Phrases:
    """Phrases as terms, so that they are compared as queries are: case, accents and punctuation do not count."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        for line in lines:
            if found := terms(line):
                self._by_first.setdefault(found[0], []).append(found)

    def occur_in(self, text: str) -> bool:
        """Whether a text holds one of the phrases as whole words, one after another."""
        words = terms(text) if self._by_first else []
        return any(
            words[at : at + len(phrase)] == phrase
            for at, word in enumerate(words)
            for phrase in self._by_first.get(word, ())
        )


class DenyList:
    """The phrases of a file, one a line, ``#`` for remarks; none without a file. Safe for threads.

    Raises:
        BadInput: the file is too long.
        StorageError: the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._failure = ""
        self._phrases = Phrases()
        if path is not None:
            self._load(path)

    def denies(self, text: str) -> bool:
        """Whether a text must not be suggested."""
        return self._phrases.occur_in(text)

    def refresh(self) -> None:
        """Read the file again if it has changed; while it cannot be read, the phrases known before stay in force."""
        if self._path is None:
            return
        try:
            self._load(self._path)
            self._failure = ""
        except (BadInput, StorageError) as error:
            if str(error) != self._failure:  # the same failure many times a second is one piece of news
                structlog.get_logger("suggest").error("deny_list_kept", reason=str(error))
            self._failure = str(error)

    def _load(self, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._stamp:
                return
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as cause:
            raise StorageError(
                f"cannot read the deny list {path}: {cause}. Save it as UTF-8 text, or unset BANDSTAND_DENY_LIST."
            ) from cause
        if len(lines) > MAX_LINES:
            raise BadInput(f"the deny list {path} has {len(lines)} lines; at most {MAX_LINES} are read")
        self._phrases = Phrases(line.partition("#")[0] for line in lines)
        self._stamp = stamp
