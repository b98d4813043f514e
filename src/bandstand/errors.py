"""The one error tree: everything that Bandstand raises on purpose, each with the remedy in its message.

An upstream exception (sqlite3, lmdb, tantivy, lightgbm, ...) is mapped into this tree at the edge that calls
upstream, and raised ``from`` its cause. The CLI turns `BadInput` into exit code 2 and the rest into 1; HTTP
turns each class into the status that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from reprlib import Repr

_SHOWN = Repr()
_SHOWN.maxlevel = _SHOWN.maxdict = _SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxset = 20
_SHOWN.maxstring = _SHOWN.maxother = 120
_SHOWN_CHARS = 60


def shown(value: object) -> str:
    """A value that somebody sent, for a message: its beginning, however long or deep it is."""
    text = _SHOWN.repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, as the end of a message; "" where none is like it."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class BandstandError(Exception):
    """Root of the tree. ``status`` is the HTTP status that stands for the class."""

    status = 500
    title = "Bandstand failed"


def loggable(error: BaseException) -> str:
    """What a log of the process may say of an error: the message of one of ours, of others the class alone.

    What others say may quote what somebody asked, or who it was.
    """
    return str(error) if isinstance(error, BandstandError) else type(error).__name__


class BadInput(BandstandError):
    """The caller's value cannot be used; ``field`` names it where there is one."""

    status = 422
    title = "Bad value"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Unreadable(BandstandError):
    """What came is no request."""

    status = 400
    title = "Not readable"


class Unauthorized(BandstandError):
    """A key or a user token is missing, unknown, or has expired."""

    status = 401
    title = "Not authorised"


class Forbidden(BandstandError):
    """Who asks is known, and may not do this."""

    status = 403
    title = "Forbidden"


class NotFound(BandstandError):
    """What was asked for does not exist (any more)."""

    status = 404
    title = "Not found"


class TooSlow(BandstandError):
    """The request did not come in the time that the server waits for it."""

    status = 408
    title = "Too slow"


class Conflict(BandstandError):
    """The request contradicts what is stored, or somebody else holds the lock."""

    status = 409
    title = "Conflict"


class TooLarge(BandstandError):
    """The request is larger than the documented limit."""

    status = 413
    title = "Too large"


class Misdirected(BandstandError):
    """The request names a host that this server does not answer for."""

    status = 421
    title = "Unknown host"


class TooMany(BandstandError):
    """More requests than the key allows, or too many wrong keys. Try again after ``retry_after`` seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class HeaderTooLarge(BandstandError):
    """The header of the request is larger than the documented limit."""

    status = 431
    title = "Header too large"


class Unavailable(BandstandError):
    """Not now: still loading, overloaded, or a part is missing. Try again after ``retry_after`` seconds."""

    status = 503
    title = "Not available now"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageError(BandstandError):
    """A file of the home folder cannot be read or written (disk full, damaged, wrong version)."""

    status = 503
    title = "Storage failed"


class DamagedFile(StorageError):
    """A file of the home is not what was written; the message says what to do about it."""


class DamagedRecord(StorageError):
    """A record of the log cannot be decoded. ``seq`` is its place and ``time`` when it was logged, 0 where unknown."""

    def __init__(self, message: str, *, seq: int = 0, time: float = 0.0) -> None:
        super().__init__(message)
        self.seq, self.time = seq, time


class ModelError(BandstandError):
    """A model is missing, damaged, or was trained on other features than this version computes."""

    status = 409
    title = "Model cannot be used"


class MissingDependency(BandstandError):
    """A library or a model package is not installed; the message gives the install line."""

    status = 503
    title = "Something is not installed"


class RetrievalError(BandstandError):
    """A retriever could not answer; the search goes on without it."""

    status = 503
    title = "Retriever failed"


class Cancelled(RetrievalError):
    """A retriever's work was called off before its end, as nobody needs it any more."""

    title = "Called off"
