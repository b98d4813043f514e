"""Writing what people did: what queries led to, what a user chose, how phrases were meant, what becomes shared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bandstand.errors import BadInput
from bandstand.memory_index.environment import items_under, values_of
from bandstand.memory_index.history import CHOICE, CoChosen, History, UsersWhoChose, sketch
from bandstand.memory_index.keys import (
    ANONYMOUS,
    HASH_BYTES,
    NUMBER,
    SUPPORTERS,
    is_network,
    keys_in,
    ordinal_key,
    query_key,
    voice_key,
)
from bandstand.memory_index.phrase_senses import SenseKey, SenseRecord, hashed
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.query_records import PENDING, SEEN, SHARED, QueryRecord, worth
from bandstand.memory_index.tables import Tables
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, WriteTransaction


_COUNTS = ("impressions", "clicks", "plays")
_NETWORK_COUNTS = 0.5


class Claim(NamedTuple):
    """What of a choice others hear, where nobody vouches for it.

    ``network`` speaks for a visitor who is not proved to be anybody (None: the user speaks). ``share`` in [0, 1] is
    what the voice may still add to what is everybody's; the choice is its user's all the same.
    """

    network: str | None
    share: float


class Evidence:
    """The (query, entity) pairs of one write transaction. Users come as keys."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings
        self._own_counts: dict[bytes, int] = {}

    def impression(self, normalized: str, ordinals: Ordinals, user: bytes | None, now: float) -> None:
        """Count one examined impression for each entity, where the query is known by a choice or a prediction."""
        key = query_key(normalized)
        record = self._tables.queries.get(key)
        own = None if user is None else self._tables.own.get(user + key)
        if record is None and own is None:
            return
        shown = np.unique(ordinals).astype(np.int32)
        if record is not None:
            record.advance(now, self._settings.half_life)
            at = record.add(shown)
            record.rows["impressions"][at] += 1
        if own is not None:
            own.advance(now, self._settings.half_life)
            own.rows["impressions"][np.isin(own.rows["ordinal"], shown)] += 1

    def choice(self, column: str, normalized: str, ordinal: int, weight: float, now: float) -> None:
        """Count in the query's record; ``column`` is "clicks" or "plays"."""
        record = self._tables.query(normalized)
        record.advance(now, self._settings.half_life)
        at = record.row(ordinal)  # may replace the rows: not inside the next line
        record.rows[column][at] += weight

    def support(self, normalized: str, ordinal: int, user: bytes | None, *, network: bytes | None = None) -> None:
        """Remember who chose a pair; with enough different voices it is shared.

        Everybody without an id is one and the same supporter. Where a ``network`` speaks for a visitor whom nobody
        vouches for, it is its voice that counts, as half of one. Of the voices that agree the first few are remembered,
        so that it can be told what is left when somebody is forgotten.
        """
        record = self._tables.query(normalized)
        at, voice = record.row(ordinal), voice_key(network or user or ANONYMOUS, network=network is not None)
        pair, (txn, db) = query_key(normalized) + ordinal_key(ordinal), self._support
        known, shared = txn.get(pair, db=db), record.rows["state"][at] == SHARED
        if shared and known is None:  # agreed on before voices were remembered
            return
        voices = keys_in(known or b"")
        if voice not in voices and len(voices) < max(SUPPORTERS, self._settings.agree_users / _NETWORK_COUNTS):
            voices.append(voice)
            txn.put(pair, b"".join(voices), db=db)
        if not shared and self._agree(voices):
            record.rows["state"][at], record.text = SHARED, normalized
        elif not shared:
            record.rows["state"][at] = PENDING

    def _agree(self, voices: Sequence[bytes]) -> bool:
        """Whether these are enough, a network's counting for half of one."""
        return sum(_NETWORK_COUNTS if is_network(each) else 1.0 for each in voices) >= self._settings.agree_users

    def own_choice(
        self, column: str, normalized: str, ordinal: int, weight: float, user: bytes, now: float, *, person: bool
    ) -> None:
        """Count a click or play in the user's own record; a ``person`` counts among those who chose the pair."""
        key = user + query_key(normalized)
        own = self._tables.own.get(key)
        if own is None:
            self._make_room(user)
            own = self._tables.own.put(key, QueryRecord(normalized, now))
        own.advance(now, self._settings.half_life)
        at = own.row(ordinal)
        own.rows[column][at] += weight
        if person and own.rows["state"][at] != PENDING:
            own.rows["state"][at] = PENDING
            self._count_people(query_key(normalized) + ordinal_key(ordinal), 1)

    def predict(self, normalized: str, ordinals: Ordinals, scores: Scores) -> None:
        """Set the predicted scores of entities, replacing earlier ones of the same entities."""
        scores = np.asarray(scores, np.float32)
        if not ((scores > 0) & (scores < 1)).all():
            raise BadInput("a predicted score must lie between 0 and 1, both excluded", field="scores")
        unique = np.asarray(ordinals, np.int32)
        if len(unique) > 1:  # most phrases are of one entity
            unique, first = np.unique(unique, return_index=True)
            scores = scores[first]
        record, key = self._tables.query(normalized), query_key(normalized)
        record.text = normalized
        at = record.add(unique)
        record.rows["predicted"][at] = scores
        for ordinal in unique.tolist():
            entity = ordinal_key(ordinal)
            (self._tables.phrases.get(entity) or self._tables.phrases.put(entity, set())).add(key)

    def retract(self, ordinal: int, keep: set[bytes]) -> None:
        """Take back an entity's predictions, but for the queries whose keys are to be kept."""
        phrases = self._tables.phrases.get(ordinal_key(ordinal))
        for key in phrases - keep if phrases else ():
            record = self._tables.queries.get(key)
            at = -1 if record is None else record.find(ordinal)
            if record is not None and at >= 0:
                record.rows["predicted"][at] = np.nan
                if record.rows["state"][at] == SEEN:
                    record.drop(ordinal)
        if phrases:
            phrases &= keep
            if not phrases:
                self._tables.phrases.delete(ordinal_key(ordinal))

    def leave(self, users: Collection[bytes]) -> None:
        """Take users out of what is shared: of some of it too few voices are left, and nobody else sees it any more.

        What enough others agree on stays as it is, with their counts. What networks said for them stays said.
        """
        self._tables.flush()
        (txn, db), said = self._support, {each for user in users for each in (user, voice_key(user, network=False))}
        for pair, known in [(bytes(pair), bytes(known)) for pair, known in txn.cursor(db=db)]:
            if not any(each in known for each in said):
                continue
            key, ordinal, left = pair[:HASH_BYTES], int.from_bytes(pair[HASH_BYTES:]), keys_in(known)
            left = [each for each in left if each not in said]
            record = self._tables.queries.get(key)
            at = -1 if record is None else record.find(ordinal)
            if record is None or at < 0 or record.rows["state"][at] != SHARED:  # else their own records tell
                continue
            if not self._agree(left):
                self._disagree(record, at, supported=bool(left))
            self._keep_supporters(pair, left)

    def withdraw_own(self, user: bytes, key: bytes) -> None:
        """Remove a user's own record of a query, and from pairs that are not shared yet what it had added."""
        own, record = self._tables.own.get(user + key), self._tables.queries.get(key)
        if own is not None and record is not None:
            self._unsupport(key, own, record, user)
        for ordinal in own.in_state(PENDING) if own is not None else ():
            self._count_people(key + ordinal_key(ordinal), -1)
        self._tables.own.delete(user + key)

    def _count_people(self, pair: bytes, step: int) -> None:
        """Bring how many users' own records hold a pair up or down."""
        txn, db = self._tables.txn, self._tables.dbs["people"]
        (known,) = NUMBER.unpack(txn.get(pair, db=db) or bytes(NUMBER.size))
        if known + step > 0:
            txn.put(pair, NUMBER.pack(known + step), db=db)
        else:
            txn.delete(pair, db=db)

    def _unsupport(self, key: bytes, own: QueryRecord, record: QueryRecord, user: bytes) -> None:
        (txn, db), said = self._support, {user, voice_key(user, network=False)}
        for ordinal in own.rows["ordinal"].tolist():
            at = record.find(ordinal)
            if at < 0 or record.rows["state"][at] != PENDING:
                continue
            pair = key + ordinal_key(ordinal)
            left = [each for each in keys_in(txn.get(pair, db=db) or b"") if each not in said]
            self._take_back(record, at, own, ordinal)
            self._disagree(record, at, supported=bool(left))
            self._keep_supporters(pair, left)

    def _take_back(self, record: QueryRecord, at: int, own: QueryRecord, ordinal: int) -> None:
        """Let what a user has added to a row be gone from it."""
        record.advance(own.updated, self._settings.half_life)
        own.advance(record.updated, self._settings.half_life)
        place = own.find(ordinal)
        for name in _COUNTS if place >= 0 else ():
            record.rows[name][at] = max(record.rows[name][at] - own.rows[name][place], 0)

    def _disagree(self, record: QueryRecord, at: int, *, supported: bool) -> None:
        """Let a row be some users' own again, or nobody's."""
        row = record.rows[at]  # a view: what is set in it is set in the record
        row["state"] = PENDING if supported else SEEN
        if not supported:
            row["clicks"], row["plays"] = 0, 0
            if np.isnan(row["predicted"]):
                record.drop(int(row["ordinal"]))

    def _keep_supporters(self, pair: bytes, left: Sequence[bytes]) -> None:
        txn, db = self._support
        if left:
            txn.put(pair, b"".join(left), db=db)
        else:
            txn.delete(pair, db=db)

    def _make_room(self, user: bytes) -> None:
        """Bound a user's own queries; when there are too many, the tenth with the least evidence goes."""
        limit, tables = self._settings.history_per_user, self._tables
        if user not in self._own_counts:
            self._own_counts[user] = sum(1 for _ in items_under(tables.txn, tables.dbs["own"], user))
        if self._own_counts[user] >= limit:
            tables.flush()
            held = [(key, *worth(value)) for key, value in items_under(tables.txn, tables.dbs["own"], user)]
            newest = max(updated for _, _, updated, _ in held)
            held.sort(key=lambda query: query[1] * decay(newest - query[2], self._settings.half_life))
            for key, *_ in held[: len(held) - limit + 1 + limit // 10]:
                self.withdraw_own(user, key[HASH_BYTES:])
                self._own_counts[user] -= 1
        self._own_counts[user] += 1

    @property
    def _support(self) -> tuple[WriteTransaction, Database]:
        return self._tables.txn, self._tables.dbs["support"]


_TOGETHER = 5
"""How many of the entities chosen before go together with a new one."""


class Choices:
    """The personal side of one write transaction; users come as keys."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings

    def choose(
        self,
        user: bytes,
        ordinal: int,
        normalized: str | None,
        strength: float,
        now: float,
        *,
        beside: int | None = None,
        told: bool = True,
    ) -> None:
        """Add a choice to the user's history; an entity new to it is counted as chosen with the latest others.

        ``beside`` is an entity as related to which it was offered: that one counts as chosen just before. Unless it is
        ``told``, it stays between the user and their history.
        """
        history = self._tables.users.get(user) or self._tables.users.put(user, History(np.empty(0, CHOICE)))
        before = history.rows["ordinal"]
        if told and ordinal not in before:
            offered = [] if beside in {None, ordinal} else [beside]
            self._choose_together(ordinal, np.append(before, np.array(offered, np.int32)))
        query = ANONYMOUS if normalized is None else query_key(normalized)
        row = np.array([(ordinal, 1.0, strength, now, query, sketch(normalized))], CHOICE)
        history.choose(row, self._settings.history_half_life)
        if told:
            entity, known = ordinal_key(ordinal), self._tables.users_who_chose
            users = known.get(entity) or known.put(entity, UsersWhoChose([]))
            users.add(user, self._settings.users_per_entity)
        for gone in history.trim(self._settings.history_per_user, self._settings.history_half_life):
            self._leave(user, gone)

    def _choose_together(self, ordinal: int, before: Ordinals) -> None:
        limit, this = self._settings.related_per_entity, self._co_chosen(ordinal)
        this.choosers += 1
        for other in dict.fromkeys(before[: -4 * _TOGETHER : -1].tolist()[:_TOGETHER]):
            this.add(other, limit)
            self._co_chosen(other).add(ordinal, limit)

    def _co_chosen(self, ordinal: int) -> CoChosen:
        key = ordinal_key(ordinal)
        return self._tables.co_chosen.get(key) or self._tables.co_chosen.put(key, CoChosen(0.0, {}))

    def _leave(self, user: bytes, ordinal: int) -> None:
        users = self._tables.users_who_chose.get(ordinal_key(ordinal))
        if users is not None:
            users.remove(user)
            if not users.keys:
                self._tables.users_who_chose.delete(ordinal_key(ordinal))

    def forget_user(self, user: bytes) -> int:
        """Remove a user's history; how many choices it held."""
        history = self._tables.users.get(user)
        if history is None:
            return 0
        for ordinal in set(history.rows["ordinal"].tolist()):
            self._leave(user, ordinal)
        self._tables.users.delete(user)
        return len(history.rows)

    def forget_entity(self, ordinal: int) -> int:
        """Remove an entity from the histories of users who chose it and from what goes together; how many records."""
        key, changed = ordinal_key(ordinal), 0
        users, together = self._tables.users_who_chose.get(key), self._tables.co_chosen.get(key)
        for user in users.keys if users else ():
            history = self._tables.users.get(user)
            if history is not None:
                history.rows = history.rows[history.rows["ordinal"] != ordinal]
                changed += 1
        for other in together.users if together else ():
            beside = self._tables.co_chosen.get(ordinal_key(other))
            changed += beside is not None and beside.users.pop(ordinal, None) is not None
        self._tables.users_who_chose.delete(key)
        self._tables.co_chosen.delete(key)
        return changed


_LOW_WATER = 0.95
"""To which share of the bound an eviction goes down."""


class SenseWriting:
    """The senses of one write transaction; users come as keys. ``changed``: whether readings would see a difference."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings
        self.changed = False

    def click(self, phrase: str, clicks: Mapping[SenseKey, float], user: bytes | None, now: float) -> None:
        """Count clicks on a phrase by the sense that they support."""
        key = query_key(phrase)
        record = self._tables.senses.get(key) or self._tables.senses.put(key, SenseRecord())
        record.advance(now, self._settings.half_life)
        for sense, share in clicks.items():
            self.changed |= record.add(hashed(sense), share, user, self._settings.agree_users)
        if user is not None and user in record.users():
            self._tables.txn.put(user, key, db=self._tables.dbs["sense_users"])

    def forget_user(self, user: bytes) -> int:
        """Take a user out of what they stand for; in how many phrases that was looked for."""
        keys = values_of(self._tables.txn, self._tables.dbs["sense_users"], user)
        for key in keys:
            record = self._tables.senses.get(key)
            self.changed |= record is not None and record.forget(user, self._settings.agree_users)
            self._left(user, key, record)
        return len(keys)

    def evict_user(self, user: bytes) -> None:
        """Drop what a user alone stands for; what is shared stays so."""
        for key in values_of(self._tables.txn, self._tables.dbs["sense_users"], user):
            record = self._tables.senses.get(key)
            if record is not None:
                record.drop(user)
            self._left(user, key, record)

    def _left(self, user: bytes, key: bytes, record: SenseRecord | None) -> None:
        """Keep in step with a record what is known of a user, and drop a record that says nothing."""
        if record is None or user not in record.users():
            self._tables.txn.delete(user, key, db=self._tables.dbs["sense_users"])
        if record is not None and not record.evidence:
            self._tables.senses.delete(key)

    def evict(self) -> int:
        """Bring the phrases down to their bound, those with the least evidence first; how many went."""
        txn, db, limit = self._tables.txn, self._tables.dbs["senses"], self._settings.max_queries
        if txn.stat(db)["entries"] <= limit:
            return 0
        held = [(key, SenseRecord.load(value)) for key, value in txn.cursor(db=db)]
        newest = max(record.updated for _, record in held)
        held.sort(
            key=lambda item: (item[1].evidence * decay(newest - item[1].updated, self._settings.half_life), item[0])
        )
        surplus = held[: len(held) - int(_LOW_WATER * limit)]
        for key, record in surplus:
            for user in record.users():
                txn.delete(user, key, db=self._tables.dbs["sense_users"])
            self._tables.senses.delete(key)
        self.changed = True
        return len(surplus)
