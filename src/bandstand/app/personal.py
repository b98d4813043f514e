"""Where personal data lies, and how it goes: every table, database, index, file and cache, in one register.

A test compares it with what there is, and `docs/security.md` with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bandstand.feedback.log import Log
from bandstand.learner.apply import FORGET_USER

Kind = Literal["table", "database", "state", "index", "file", "memory"]
"""A table of an SQLite file, a database of the memory's LMDB file, keys in its database ``state``, an index of a
cluster, another file of a home, memory of a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where data lies.

    ``name`` is file and table, the database, the prefix of keys, the index without its prefix, or a pattern of file
    names; ``parts`` are all columns of a table or fields of an index. ``holds`` says what of it is personal, "" where
    nothing is, ``kept`` for how long, ``goes`` how a deletion reaches it.
    """

    kind: Kind
    name: str
    parts: tuple[str, ...] = ()
    holds: str = ""
    kept: str = ""
    goes: str = ""


_BY_LOG = "as long as the log keeps (`BANDSTAND_KEEP_LOG_DAYS`, `BANDSTAND_KEEP_LOG_GB`)"
_BOUNDED = "fades, and goes with what is worth least (`BANDSTAND_MAX_QUERIES`, 100,000 users)"
_ERASED = "deleted, and its bytes overwritten"
_AGREED = f"{_ERASED}, where too few others agree; else it stays, without the user"
_WITH_SEARCH = "until the search's window ends (`BANDSTAND_JOIN_MINUTES`)"

PLACES: tuple[Place, ...] = (
    Place(
        kind="table",
        name="log.sqlite/log",
        parts=("seq", "kind", "id", "time", "query_id", "user_id", "session_id", "payload"),
        holds="searches and events: user and session ids, what was typed, what was shown and chosen",
        kept=_BY_LOG,
        goes="deleted and overwritten with zeros, the write-ahead log cut: the user's, what names nobody in their"
        " sessions, and what names nobody on these searches; then the order itself",
    ),
    Place(kind="table", name="log.sqlite/chapters", parts=("first", "name")),
    Place(kind="table", name="log.sqlite/spool", parts=("name", "value")),
    Place(kind="table", name="log.sqlite/delivered", parts=("upto", "last")),
    Place(
        kind="table",
        name="shown.sqlite/searches",
        parts=("query_id", "user", "text", "time", "seen", "shown"),
        holds="what accounts of a Subsonic server were shown: hashes of account and query, and the entities",
        kept="half an hour",
        goes="deleted and overwritten with zeros, the write-ahead log cut",
    ),
    Place(
        kind="table",
        name="catalog.sqlite/entities",
        parts=("ordinal", "id", "seq", "live", "added", "digest", "payload", "sum"),
    ),
    Place(kind="table", name="catalog.sqlite/ordinal_chapters", parts=("first", "name")),
    Place(kind="table", name="catalog.sqlite/chapters", parts=("first", "name")),
    Place(kind="table", name="catalog.ordinals/ordinals", parts=("ordinal", "id")),
    Place(kind="table", name="catalog.ordinals/chapters", parts=("first", "name")),
    Place(kind="table", name="vectors*.sqlite/vectors", parts=("ordinal", "seq", "digest", "vector", "sum")),
    Place(kind="table", name="vectors*.sqlite/state", parts=("seq", "fingerprint", "dim", "chapter")),
    Place(kind="table", name="minutes.sqlite/growth", parts=("start", "step", "process", "counts")),
    Place(kind="table", name="sources.sqlite/readings", parts=("source", "key", "stamp", "payload")),
    Place(kind="table", name="sources.sqlite/entities", parts=("source", "id")),
    Place(kind="table", name="sources.sqlite/covers", parts=("id", "source", "path")),
    Place(kind="database", name="meta"),
    Place(
        kind="database",
        name="queries",
        holds="what queries led to; their text once enough users agree (`BANDSTAND_AGREE_USERS`)",
        kept=_BOUNDED,
        goes=_AGREED,
    ),
    Place(
        kind="database",
        name="own",
        holds="what a user's queries led to, with their text; by a hash with the home's secret",
        kept=_BOUNDED,
        goes=_ERASED,
    ),
    Place(
        kind="database",
        name="support",
        holds="who chose what, by hash; for visitors without a token their network",
        kept=_BOUNDED,
        goes=f"{_ERASED}; a network speaks for others too, and stays",
    ),
    Place(
        kind="database",
        name="people",
        holds="how many people chose what, by hashes of queries",
        kept=_BOUNDED,
        goes=_ERASED,
    ),
    Place(kind="database", name="near", holds="hashes of shared queries", kept=_BOUNDED, goes=_AGREED),
    Place(kind="database", name="links", holds="hashes of shared queries", kept=_BOUNDED, goes=_AGREED),
    Place(
        kind="database", name="popular", holds="texts of shared queries, for suggestions", kept=_BOUNDED, goes=_AGREED
    ),
    Place(kind="database", name="phrases"),
    Place(kind="database", name="vectors", holds="vectors of shared queries", kept=_BOUNDED, goes=_AGREED),
    Place(kind="database", name="changes", holds="hashes of shared queries", kept=_BOUNDED, goes=_AGREED),
    Place(kind="database", name="wanted", holds="hashes of shared queries", kept=_BOUNDED, goes=_AGREED),
    Place(
        kind="database",
        name="users",
        holds="what a user chose, when, and under which query (a hash and a sketch of it); by hash",
        kept=_BOUNDED,
        goes=_ERASED,
    ),
    Place(kind="database", name="fans", holds="who chose an entity, by hash", kept=_BOUNDED, goes=_ERASED),
    Place(kind="database", name="related"),
    Place(kind="database", name="trend"),
    Place(kind="database", name="state"),
    Place(
        kind="database",
        name="senses",
        holds="who meant what by a word, all by hash",
        kept=_BOUNDED,
        goes=_AGREED,
    ),
    Place(kind="database", name="sense_users", holds="who meant something, by hash", kept=_BOUNDED, goes=_ERASED),
    Place(
        kind="state",
        name="open/",
        holds="a search that may still be acted on: a hash of who searched, what was done",
        kept=_WITH_SEARCH,
        goes=_ERASED,
    ),
    Place(
        kind="state", name="session/", holds="a hash of a session, the ids of its searches", kept="a day", goes=_ERASED
    ),
    Place(
        kind="state",
        name="hunch/",
        holds="what one person's sessions suggest, by hash",
        kept="30 days",
        goes=_ERASED,
    ),
    Place(kind="state", name="rate/", holds="how much somebody taught lately, by hash", kept="a day", goes=_ERASED),
    Place(
        kind="state",
        name="share/",
        holds="how much a voice may still add to what all see, by hash; without a token that of the network",
        kept="30 days",
        goes=f"{_ERASED}; a network's is nobody's in particular, and stays",
    ),
    Place(
        kind="state",
        name="asked/",
        holds="how often a query was asked, and by whom first, by hash; its text once enough users asked it",
        kept="20,000 queries",
        goes=_AGREED,
    ),
    Place(
        kind="state",
        name="parked/",
        holds="an entry that could not be learned: a hash of who acted, and the error, which may quote it",
        kept="until it is learned",
        goes=_ERASED,
    ),
    Place(
        kind="state",
        name="experiment/",
        holds="which policy a visitor has, and what came of it, by hash",
        kept="until the experiment ends",
        goes=_ERASED,
    ),
    Place(kind="state", name="ablation/", holds="ids of searches", kept=_WITH_SEARCH, goes=_ERASED),
    *(
        Place(kind="state", name=name)
        for name in (
            "bandit/",
            "start/",
            "edits/",
            "ledger/",
            "learner/",
            "log/chapter/",
            "memory_index/",
            "ordinals/",
            "query_encoder",
            "reward/",
        )
    ),
    Place(
        kind="index",
        name="ubi_queries",
        parts=(
            "timestamp",
            "query_id",
            "user_query",
            "client_id",
            "user_id",
            "application",
            "object_id_field",
            "query_response_id",
            "query_response_hit_ids",
            "query_attributes",
            "bandstand",
        ),
        holds="searches, as in the log",
        kept=_BY_LOG,
        goes="deleted; OpenSearch overwrites it when it merges the segment",
    ),
    Place(
        kind="index",
        name="ubi_events",
        parts=(
            "timestamp",
            "event_id",
            "action_name",
            "query_id",
            "session_id",
            "client_id",
            "user_id",
            "user_query",
            "application",
            "message",
            "message_type",
            "event_attributes",
            "bandstand",
        ),
        holds="events, as in the log",
        kept=_BY_LOG,
        goes="deleted; OpenSearch overwrites it when it merges the segment",
    ),
    Place(
        kind="index",
        name="log",
        parts=("number", "first", "last", "spool", "upto", "entries"),
        holds="orders to forget somebody",
        kept="until they are carried out",
        goes="user and sessions give way to hashes, by which machines that were away know whom to forget",
    ),
    Place(
        kind="index",
        name="memory",
        parts=("place", "db", "commit", "key", "value"),
        holds="the memory, as on every machine",
        kept=_BOUNDED,
        goes="deleted; OpenSearch overwrites it when it merges the segment",
    ),
    Place(
        kind="index",
        name="memory-journal",
        parts=("commit", "writes"),
        holds="the last changes of the memory",
        kept="half a minute or sixteen changes",
        goes="deleted half a minute after the order",
    ),
    Place(kind="index", name="state"),
    Place(
        kind="index",
        name="catalog",
        parts=("id", "ordinal", "seq", "live", "added", "digest", "payload"),
    ),
    Place(kind="index", name="text"),
    Place(kind="index", name="vectors"),
    Place(kind="index", name="models", parts=("data",)),
    Place(
        kind="file",
        name="log.sqlite-*",
        holds="the log's newest entries",
        kept="until they are in the log",
        goes="cut to nothing",
    ),
    Place(kind="file", name="log.shipping"),
    Place(
        kind="file",
        name="shown.sqlite-*",
        holds="the newest of what accounts were shown",
        kept="half an hour",
        goes="cut to nothing",
    ),
    Place(
        kind="file",
        name="training/*",
        holds="parts of the log, while the ranker is trained on Dask",
        kept="until that training ends",
        goes="deleted when that training ends",
    ),
    *(
        Place(kind="file", name=name)
        for name in (
            "*.sqlite",
            "catalog.sqlite-*",
            "catalog.ordinals",
            "catalog.ordinals-*",
            "vectors*.sqlite-*",
            "minutes.sqlite-*",
            "sources.sqlite-*",
            "text/*",
            "memory/data.mdb",
            "memory/lock.mdb",
            "models/*",
            "encoders/*",
            "tokens.table",
            "threads.json",
            "learner.lock",
            "estimates.json",
            "import.json",
            "ingest.json",
            "rejects.ndjson",
            "synonyms.txt",
            "synonyms.txt.*",
            "keys.json",
        )
    ),
    Place(
        kind="memory",
        name="searches not written yet",
        holds="searches, until they are in the log; on a cluster the last 2,000 that were read",
        kept="a moment; until others take their place",
        goes="written and deleted with the log; dropped",
    ),
    Place(
        kind="memory",
        name="suggestions and spelling",
        holds="texts of shared queries",
        kept="as they are shared",
        goes="dropped at the next look at the memory (`BANDSTAND_REFRESH_MS`)",
    ),
    Place(
        kind="memory",
        name="vectors and readings of the last queries",
        holds="what was typed, without who did",
        kept="until others take their place, or the process ends",
        goes="shown to nobody",
    ),
)
"""Everything that a platform keeps."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order to forget somebody: its number in the log, and how much of the log was deleted at once, by kind."""

    seq: int
    deleted: dict[str, int]


def order_to_forget(log: Log, user_id: str) -> Ordered:
    """Delete what the log holds of a user, and order the learner to forget the rest; done again, it is harmless.

    With the user go the sessions in which the user was seen.

    Raises:
        StorageError, Unavailable: the log cannot be written: ask again.
    """
    sessions = log.sessions_of(user_id)
    deleted = log.delete_user(user_id, sessions)
    return Ordered(log.append_control(FORGET_USER, {"user_id": user_id, "sessions": sessions}), deleted)
