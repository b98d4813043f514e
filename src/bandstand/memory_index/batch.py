"""One write transaction of the memory: everything that the learner may change, together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from bandstand.errors import BadInput
from bandstand.memory_index.environment import DATABASES, items_under
from bandstand.memory_index.evidence import Choices, Claim, Evidence, SenseWriting
from bandstand.memory_index.forgetting import Forgetting
from bandstand.memory_index.identity import Meta
from bandstand.memory_index.keys import counter_key, query_key
from bandstand.memory_index.phrase_senses import VERSION, SenseKey
from bandstand.memory_index.settings import MemorySettings
from bandstand.memory_index.shared_queries import ENCODER, VECTOR_HEADER
from bandstand.memory_index.tables import Tables
from bandstand.memory_index.trends import TrendPage, place
from bandstand.types import Ordinals, Place, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Databases, WriteTransaction

PLACE = b"ordinals/place"
"""In the learner's state: the place in the catalogue's history up to which its ordinals are known."""


class MemoryBatch:
    """Given out by `Memory.batch` and valid inside its block only; for one thread.

    ``now`` is seconds since 1970; a time before what is stored counts as of the stored time. ``user`` is an id, a
    stand-in made from the session, or None; ids are hashed with the home's secret before anything is written.

    Raises:
        StorageError: from any method, when LMDB fails; the whole batch is then undone.
    """

    def __init__(
        self, dbs: Databases, txn: WriteTransaction, settings: MemorySettings, user_key: Callable[[str], bytes]
    ) -> None:
        self._tables = Tables(dbs, txn, settings)
        self._evidence = Evidence(self._tables)
        self._choices = Choices(self._tables)
        self._senses = SenseWriting(self._tables)
        self._forgetting = Forgetting(self._tables, self._evidence, self._choices, self._senses)
        self._meta = Meta(txn, dbs["meta"])
        self._user_key = user_key
        self._touched = False

    def impression(self, normalized: str, ordinals: Ordinals, *, user: str | None, now: float) -> None:
        """Count one impression for each examined entity of a search; queries never chosen from are not recorded."""
        self._tables.spill()
        self._evidence.impression(normalized, ordinals, None if user is None else self._user_key(user), now)

    def click(
        self,
        normalized: str,
        ordinal: int,
        *,
        user: str | None,
        now: float,
        weight: float = 1.0,
        claim: Claim | None = None,
    ) -> None:
        """Count a click; ``weight`` below 1 for what is only inferred."""
        self._chosen("clicks", normalized, ordinal, user, now, weight, claim)

    def play(
        self,
        normalized: str,
        ordinal: int,
        *,
        user: str | None,
        now: float,
        weight: float = 1.0,
        claim: Claim | None = None,
    ) -> None:
        """Count a play that satisfied."""
        self._chosen("plays", normalized, ordinal, user, now, weight, claim)

    def predict(self, normalized: str, ordinals: Ordinals, scores: Scores) -> None:
        """Set predicted scores in (0, 1), shape (n,): the prior of each pair until clicks and plays outweigh it."""
        self._tables.spill()
        self._evidence.predict(normalized, ordinals, scores)

    def retract(self, ordinal: int, *, keep: set[str] | frozenset[str] = frozenset()) -> None:
        """Take an entity's predictions back, but for the normalised queries in ``keep``."""
        self._tables.spill()
        self._evidence.retract(ordinal, {query_key(query) for query in keep})

    def choose(
        self,
        user: str,
        ordinal: int,
        *,
        normalized: str | None,
        strength: float,
        now: float,
        beside: int | None = None,
        told: bool = True,
    ) -> None:
        """Add to a user's history, who chose the entity and what goes together; ``strength`` > 0, a click being 1.

        ``beside`` is the entity as related to which it was offered. Unless ``told``, it is added to the history alone.
        """
        self._tables.spill()
        self._choices.choose(self._user_key(user), ordinal, normalized, strength, now, beside=beside, told=told)

    def sense(self, phrase: str, clicks: Mapping[SenseKey, float], *, user: str | None, now: float) -> None:
        """Count clicks, by the sense of a phrase that they support; a click of several senses is shared among them."""
        self._tables.spill()
        self._senses.click(phrase, clicks, None if user is None else self._user_key(user), now)

    def trend(self, ordinal: int, amount: float, *, now: float) -> None:
        """Add to what is trending."""
        key, at = place(ordinal)
        page = self._tables.trend.get(key) or self._tables.trend.put(key, TrendPage.empty())
        page.add(at, amount, now, self._tables.settings.trend_half_life)

    def forget_user(self, user: str, *aliases: str) -> int:
        """Remove all that is personal to a user, also under other names; how many records.

        What enough others agree on stays; what is not enough without this user is not shared any more.
        """
        return self._forgetting.users([self._user_key(name) for name in (user, *aliases)])

    def forget_entity(self, ordinal: int) -> int:
        """Remove an entity; how many records changed."""
        return self._forgetting.entity(ordinal)

    def forget_everything(self, *, keep: Collection[bytes]) -> None:
        """Forget everything, predictions too, but for the learner's own values under the keys in ``keep``.

        Numbers that others follow go on from where they stand. Call it first in a batch.
        """
        txn = self._tables.txn
        for name, db in self._tables.dbs.items():
            several, kept = DATABASES[name], keep if name == "state" else ()
            for key, value in list(txn.cursor(db=db)) if name != "meta" else ():
                if key not in kept:
                    txn.delete(key, value if several else b"", db=db)
        for name in ("position", "pairs"):
            self._meta.set(name, 0)
        self._meta.add(VERSION, 1)
        self._touched = True

    def evict(self) -> int:
        """Bring the memory down to its bounds, predicted-only queries and lowest evidence first; how many went."""
        return self._forgetting.evict()

    def set_vector(self, normalized: str, vector: Scores) -> None:
        """Store the vector (dim,) of a shared query as float16; a query that is not shared is passed over."""
        txn, dbs, key = self._tables.txn, self._tables.dbs, query_key(normalized)
        record = self._tables.queries.get(key)
        if record is None or not record.is_shared:
            return
        self._tables.flush()
        old = txn.get(key, db=dbs["vectors"])
        if old is not None:
            txn.delete(counter_key(VECTOR_HEADER.unpack_from(old)[0]), db=dbs["changes"])
        change = self._meta.add("changes", 1)
        txn.put(key, VECTOR_HEADER.pack(change) + np.asarray(vector, np.float16).tobytes(), db=dbs["vectors"])
        txn.put(counter_key(change), key, db=dbs["changes"])
        txn.delete(key, db=dbs["wanted"])

    def adopt_encoder(self, fingerprint: str, dim: int) -> None:
        """Let the vectors be of one encoder: those of another one are dropped, and wanted again.

        Memories of version 0.1 do not say whose vectors they hold: these are kept where their length is ``dim``.
        """
        txn, dbs, before = self._tables.txn, self._tables.dbs, self.get(ENCODER)
        self._tables.flush()
        for key, value in list(items_under(txn, dbs["vectors"], b"")) if before != fingerprint.encode() else ():
            if before is None and len(value) == VECTOR_HEADER.size + np.dtype(np.float16).itemsize * dim:
                continue
            txn.delete(key, db=dbs["vectors"])
            txn.delete(counter_key(VECTOR_HEADER.unpack_from(value)[0]), db=dbs["changes"])
            txn.put(key, b"", db=dbs["wanted"])
        self.put(ENCODER, fingerprint.encode())

    def set_position(self, position: int) -> None:
        """Store how far the log is consumed, in the same transaction as what came of it."""
        self._meta.set("position", position)
        self._touched = True

    def get(self, key: bytes) -> bytes | None:
        """A value of the learner's own."""
        return self._tables.txn.get(key, db=self._tables.dbs["state"])

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value of the learner's own; keys have 1 to 511 bytes."""
        self._tables.txn.put(key, value, db=self._tables.dbs["state"])
        self._touched = True

    def delete(self, key: bytes) -> None:
        """Remove a value of the learner's own, if it is there."""
        self._touched = self._tables.txn.delete(key, db=self._tables.dbs["state"]) or self._touched

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The learner's keys under a prefix, ascending, as they were at the call; writing meanwhile is fine."""
        return iter(list(items_under(self._tables.txn, self._tables.dbs["state"], prefix)))

    def first(self, prefix: bytes) -> bytes | None:
        """The first of the learner's keys under a prefix, None where there is none."""
        return next((key for key, _ in items_under(self._tables.txn, self._tables.dbs["state"], prefix)), None)

    def finish(self, ordinals: Callable[[], Place]) -> None:
        """Write everything into the transaction, and to which ordinals it belongs; before the commit."""
        self._tables.flush()
        if self._tables.touched or self._touched:  # LMDB commits nothing at no cost
            place = b"%d %s" % ((found := ordinals()).number, found.chapter.encode())
            if self.get(PLACE) != place:
                self.put(PLACE, place)
            self._meta.add("pairs", self._tables.added_pairs)
            self._meta.add("version", 1)
        if self._senses.changed:
            self._meta.add(VERSION, 1)

    def _chosen(
        self,
        column: str,
        normalized: str,
        ordinal: int,
        user: str | None,
        now: float,
        weight: float,
        claim: Claim | None,
    ) -> None:
        if weight <= 0:
            raise BadInput(f"a choice must have a positive weight, not {weight}", field="weight")
        self._tables.spill()
        told = weight if claim is None else weight * claim.share
        key, network = map(self._key, (user, claim and claim.network))
        if told > 0:
            self._evidence.choice(column, normalized, ordinal, told, now)
        if key is not None:
            self._evidence.own_choice(column, normalized, ordinal, weight, key, now, person=network is None)
        if told > 0:
            self._evidence.support(normalized, ordinal, key, network=network)

    def _key(self, name: str | None) -> bytes | None:
        return None if name is None else self._user_key(name)
