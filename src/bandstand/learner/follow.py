"""The learner: follows the log from its stored position and commits what it learns together with that position."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice

import structlog

from bandstand.errors import DamagedRecord, ModelError, NotFound
from bandstand.feedback.joined import readable
from bandstand.feedback.log import Control, EntryKind, Log, LogEntry
from bandstand.learner.apply import COMMAND, ERASE, FORGET_USER, OBEYED, URGENT, Applier
from bandstand.learner.apply_settings import ApplySettings, Sources
from bandstand.learner.bandit_learner import STATE, BanditLearner
from bandstand.learner.open_searches import DueTimes, OpenSearches
from bandstand.learner.orders import FORGET_STRETCH, FORGOTTEN, PAUSE, PAUSED, Stretch, is_paused, resumed
from bandstand.learner.parking import RETRY, CannotLearn, Parked, Parking, parked_entries, parked_record
from bandstand.learner.relabelling import Relabelled
from bandstand.learner.rewards import REWARD_MODEL, RewardProvider, order_of
from bandstand.learner.standing import LEARNED_ANEW, note_chapters
from bandstand.memory_index.memory import Memory, MemoryBatch
from bandstand.memory_index.shared_queries import ENCODER
from bandstand.models.registry import ModelCard, ModelRegistry, Stamp
from bandstand.retrievers.encoder import Encoder
from bandstand.types import Clock, Entity, Impression, Ordinals

_FINALIZED = b"bandit/settled"
_FINALIZED_METRIC = "settled_searches"
_START = b"start/"
"""Before the keys of what self-play had taught the bandit."""
_RELEARNING = b"learner/relearning"
"""While everything is learned again: the number of the order that asked for it."""
_ERASED_WITHIN_S = 10.0
"""How long what was deleted waits to be overwritten while there is always something to learn."""
_EMBEDDED_AT_ONCE = 16
_TAUGHT_AT_ONCE = 50
_HALTING = frozenset({FORGET_USER, FORGET_STRETCH, PAUSE})
_PROMPT: tuple[EntryKind, ...] = ("event", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSettings:
    """How much is learned in one transaction, and how often the bandit is published (finalized searches).

    ``latecomers_s``: entries may reach the log so many seconds after the time that they bear. Where the log has
    ended, searches be finalized so much later by the clock, so that they be finalized as they would have, had the log
    gone on. ``gather_s``: a patient learner lets searches that nobody acts on gather for so long. ``reward_model`` lets
    the reward model that serves judge what people do; else constants do.
    """

    batch: int = 500
    publish_every: int = 200
    keep_models: int = 10
    latecomers_s: float = 5.0
    gather_s: float = 1.0
    reward_model: bool = True
    apply: ApplySettings = ApplySettings()


class Learner:
    """One learner at a time follows a log. Safe for threads: they wait for each other's transaction."""

    def __init__(  # noqa: PLR0913 - the parts that it ties together
        self,
        *,
        log: Log,
        memory: Memory,
        models: ModelRegistry,
        bandit: BanditLearner,
        ordinals: Callable[[Sequence[str]], Ordinals],
        entities: Callable[[Ordinals], Sequence[Entity | None]],
        encoder: Callable[[], Encoder | None],
        settings: LearnerSettings,
        clock: Clock,
    ) -> None:
        self._log = log
        self._memory = memory
        self._bandit = bandit
        self._models = models
        self._rewards = RewardProvider()
        self._sources = Sources(impression=log.impression, ordinals=ordinals, entities=entities, rewards=self._rewards)
        self._settings = settings
        self._encoder = encoder
        self._clock = clock
        self._turn = threading.Lock()
        self._loaded = False
        self._next_due = 0.0
        self._due_times: DueTimes | None = None
        self._published: int | None = None
        self._pointed: tuple[Stamp | None] | None = None
        self._stepped = -math.inf
        self._behind = False

    def tell_relabelled(self, listener: Callable[[Relabelled], None]) -> None:
        """Let somebody who knows what was wanted hear of every relabelled search."""
        self._sources = replace(self._sources, relabelled=listener)

    def step(self, *, patient: bool = False) -> int:
        """Learn from the next entries of the log, or finalize due searches; returns how many entries were read.

        A ``patient`` step waits for an action or an order, or until searches have gathered: a transaction costs more
        than all that a search teaches which nobody acts on.
        """
        with self._turn:
            if patient and not self._worthwhile():
                return 0
            self._carry_out()
            self._obey_first()
            if self._rests():
                return 0
            self._retry()
            self._name_reward()
            read = self._read()
            entries, self._behind = _up_to_command(read), len(read) == self._settings.batch
            finalized_by = self._clock() - self._settings.latecomers_s
            if entries or self._next_due <= finalized_by:
                self._learn_or_park(entries, finalized_by)
            self._embed()
            self._publish_if_due(at_end=not entries)
            self._erase(at_end=not entries)
            acted = any(not isinstance(entry.record, Impression) for entry in entries)
            self._stepped = -math.inf if acted else self._clock()  # an order may leave something to be carried out
        return len(entries)

    def _worthwhile(self) -> bool:
        """Whether searches have gathered for long enough, or something else was logged that should not wait."""
        if not 0 <= self._clock() - self._stepped < self._settings.gather_s:
            return True
        position = self._memory.position()
        return any(self._log.count(kind, after=position) for kind in _PROMPT)

    def catch_up(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Step until the log's end; returns how many entries were learned from."""
        total = 0
        while count := self.step():
            total += count
            if progress is not None:
                progress(total)
        return total

    def teach(self, examples: Iterable[tuple[Impression, Mapping[int, float]]]) -> str:
        """Learn from posed searches, whose outcome is known beforehand, publish, and return the version.

        Another thread's `step` gets its turn in between.
        """
        rest = iter(examples)
        while some := list(islice(rest, _TAUGHT_AT_ONCE)):
            with self._turn, self._transaction():
                for impression, grades in some:
                    self._bandit.learn(impression, grades, sampled=True)
        with self._turn, self._memory.batch() as batch:
            for key in STATE:
                batch.put(_START + key, batch.get(key) or b"")
        return self.publish()

    def publish(self) -> str:
        """Publish the bandit as it is now and let it serve, unless an operator pinned an older one."""
        with self._turn:
            return self._publish()

    @contextmanager
    def _transaction(self) -> Iterator[MemoryBatch]:
        """One transaction of memory and bandit; where it fails, neither has learned anything."""
        self._load()
        try:
            with self._memory.batch() as batch:
                yield batch
                self._bandit.save(batch)
        except BaseException:
            self._loaded = False  # what is in memory has learned what was not committed
            self._next_due, self._due_times = 0.0, None
            raise

    def _read(self) -> Sequence[LogEntry]:
        """The next entries: those before a damaged one first, then those after it, which is parked."""
        return readable(self._log, self._memory.position(), self._settings.batch, damaged=self._park)

    def _park(self, damaged: DamagedRecord) -> None:
        with self._memory.batch() as batch:
            Parking(batch).add(parked_record(damaged))
            batch.set_position(damaged.seq)
            note_chapters(batch, self._log.history(), damaged.seq)
        _report(parked_record(damaged))

    def _retry(self) -> None:
        """Try once more what is parked, where that was ordered; what raises again is parked with its new reason."""
        if self._memory.state(RETRY) is None:
            return
        for one in parked_entries(self._memory.scan):
            if one.seq or one.search is not None:  # else parked by a version that kept too little for that
                with suppress(DamagedRecord):  # it stays
                    self._learn_or_park(self._logged(one.seq), self._clock() - self._settings.latecomers_s, again=one)
        with self._memory.batch() as batch:
            batch.delete(RETRY)

    def _logged(self, seq: int) -> list[LogEntry]:
        """The log's entry of a number, where there is one and it is there still."""
        return [entry for entry in self._log.read(seq - 1, 1) if entry.seq == seq] if seq else []

    def _learn_or_park(self, entries: Sequence[LogEntry], finalized_by: float, *, again: Parked | None = None) -> None:
        """One transaction; begun again without each entry or search that raises, which is parked in it.

        Of what is learned ``again`` the position says nothing.
        """
        parked: dict[bytes, Parked] = {}
        while True:
            try:
                with self._transaction() as batch:
                    if again is not None:
                        Parking(batch).remove(again)
                    if again is not None and again.search is not None:
                        OpenSearches(batch).put(again.search)
                        self._due_times = None
                    self._learn(batch, entries, finalized_by, parked)
                    if again is not None:
                        batch.set_position(self._memory.position())
            except CannotLearn as refused:
                parked[refused.parked.key] = refused.parked
            else:
                for one in parked.values():
                    _report(one)
                return

    def _learn(
        self,
        batch: MemoryBatch,
        entries: Sequence[LogEntry],
        finalized_by: float,
        parked: Mapping[bytes, Parked] | None = None,
    ) -> None:
        applier = Applier(
            batch, self._bandit, self._sources, self._settings.apply, due_times=self._due_times, parked=parked
        )
        for entry in entries:
            applier.apply(entry)
        if entries:
            batch.set_position(entries[-1].seq)
            note_chapters(batch, self._log.history(), entries[-1].seq)
        else:
            applier.finalize(finalized_by)
        applier.finish()
        if applier.finalized:
            batch.put(_FINALIZED, str(int(batch.get(_FINALIZED) or b"0") + applier.finalized).encode())
        self._next_due, self._due_times = applier.next_due, applier.due_times

    def _load(self) -> None:
        if not self._loaded:
            self._bandit.restore(self._memory.state)
            self._rewards.restore(self._memory.state)
            self._loaded = True

    def _name_reward(self) -> None:
        """Put on record that another reward model is to judge: the log says from where on, so that it can be repeated.

        Whoever trains, promotes or rolls back only moves the registry's pointer. What cannot be read judges nothing.
        """
        stamp = self._models.stamp("reward") if self._settings.reward_model else None
        if self._pointed == (stamp,):
            return
        self._load()
        try:
            model = None if stamp is None else self._models.current("reward")
            order = order_of(model)
        except ModelError as error:
            structlog.get_logger("learner").error("reward_refused", reason=str(error))
            return
        finally:
            self._pointed = (stamp,)
        if order["version"] != self._rewards.version:
            self._log.append_control(REWARD_MODEL, order)

    def _rests(self) -> bool:
        """Whether learning is paused; it is not any more once an order to go on stands anywhere in the log."""
        if not is_paused(self._memory.state):
            return False
        if not resumed(self._log, int(self._memory.state(PAUSED) or b"0")):
            return True
        with self._memory.batch() as batch:
            batch.delete(PAUSED)
        return False

    def _obey_first(self) -> None:
        """Obey what operators ordered that stands behind more than is learned at once.

        A flood of events is no reason to show for minutes what was blocked.
        """
        if not self._behind:
            return
        after = max(self._memory.position(), int(self._memory.state(OBEYED) or b"0"))
        controls = readable(self._log, after, self._settings.batch, kind="control", damaged=lambda _: None)
        orders = _up_to_command([each for each in controls if _is_urgent(each)])
        if not orders:
            return
        with suppress(CannotLearn), self._transaction() as batch:  # what cannot be obeyed waits, and is parked there
            applier = Applier(batch, self._bandit, self._sources, self._settings.apply, due_times=self._due_times)
            for order in orders:
                applier.obey(order)
            applier.finish()
            self._next_due, self._due_times = applier.next_due, applier.due_times

    def _carry_out(self) -> None:
        """Bring to an end what an order asks for outside the transaction that obeyed it; repeating that is harmless.

        The log's entries of a forgotten user, or stretch, are deleted before anything after the order is read: nothing
        can be learned from them again, and an event that refers to them finds nothing.
        """
        order = int(self._memory.state(COMMAND) or b"0")
        if not order:
            return
        for entry in self._log.read(order - 1, 1):
            if entry.seq == order and isinstance(entry.record, Control):
                self._obey(entry.record)
                self._log.drop_control(order)
        with self._memory.batch() as batch:
            batch.delete(COMMAND)

    def _obey(self, control: Control) -> None:
        if control.kind == FORGET_USER:
            self._log.delete_user(control.payload["user_id"], control.payload.get("sessions", ()))
            self._unpark()
        else:
            entries = list(Stretch.of(control.payload).entries(self._log))
            self._log.delete(entries)
            self._begin_anew()

    def _unpark(self) -> None:
        """Drop what is parked and not in the log any more: it was a user's who is forgotten."""
        gone = [one for one in parked_entries(self._memory.scan) if not self._is_logged(one)]
        with self._memory.batch() as batch:
            for one in gone:
                Parking(batch).remove(one)

    def _is_logged(self, parked: Parked) -> bool:
        try:
            if parked.seq:
                return bool(self._logged(parked.seq))
            self._log.impression(str(parked.query_id))
        except NotFound:
            return False
        except DamagedRecord:
            return True
        return True

    def _erase(self, *, at_end: bool) -> None:
        """Overwrite what was deleted on somebody's order, in a quiet moment, or when it has waited for long enough."""
        since = self._memory.state(ERASE)
        if since is None or self._memory.state(COMMAND) is not None:
            return
        if (at_end or self._clock() - float(since) > _ERASED_WITHIN_S) and self._memory.erase():
            with self._memory.batch() as batch:
                batch.delete(ERASE)

    def _begin_anew(self) -> None:
        """Let everything be learned again from the log's beginning: as a learner that never saw what is gone from it.

        The bandit begins with what self-play taught it, and serves once the log's end is reached.
        """
        start = self._bandit_start()
        order = self._memory.state(COMMAND) or b"0"
        with self._memory.batch() as batch:
            batch.forget_everything(keep=(ENCODER, COMMAND, LEARNED_ANEW))
            for key, value in start.items():
                batch.put(key, value)
                batch.put(_START + key, value)
            batch.put(FORGOTTEN, order)
            batch.put(_RELEARNING, order)
            batch.put(ERASE, repr(self._clock()).encode())
        self._loaded, self._due_times, self._next_due = False, None, 0.0

    def _bandit_start(self) -> dict[bytes, bytes]:
        """What self-play had taught the bandit before anybody searched, by the keys of its state.

        Homes that began with an earlier version kept it in their first published version, if that is still there.
        """
        kept = {key: value for key in STATE if (value := self._memory.state(_START + key)) is not None}
        if kept:
            return kept
        with suppress(ModelError):
            for version in self._models.list("bandit"):
                if not version.card.metrics.get(_FINALIZED_METRIC):
                    return {key: version.read(name) for key, name in STATE.items()}
        return {}

    def _embed(self) -> None:
        """Store vectors of newly shared queries, so that rephrasings find them; outside the learning transaction.

        All of them are made anew, step by step, when another encoder is to read queries.
        """
        encoder = self._encoder()
        if encoder is None:
            return
        if self._memory.encoder() != encoder.fingerprint:
            with self._memory.batch() as batch:
                batch.adopt_encoder(encoder.fingerprint, encoder.dim)
        if wanted := self._memory.vectors_wanted(_EMBEDDED_AT_ONCE):
            vectors = {normalized: encoder.encode_query(normalized) for normalized in wanted}
            with self._memory.batch() as batch:
                for normalized, vector in vectors.items():
                    batch.set_vector(normalized, vector)

    def _publish_if_due(self, *, at_end: bool) -> None:
        """Publish once enough was learned; what was begun anew, once it has come to the log's end."""
        if self._memory.state(_RELEARNING) is None:
            if self._unpublished() >= self._settings.publish_every:
                self._publish()
        elif at_end:
            self._publish()
            with self._memory.batch() as batch:
                batch.delete(_RELEARNING)

    def _finalized(self) -> int:
        return int(self._memory.state(_FINALIZED) or b"0")

    def _unpublished(self) -> int:
        """How many searches have finalized since the newest version was published."""
        if self._published is None:
            self._published = self._last_published()
        finalized = self._finalized()
        return (
            finalized - self._published if finalized >= self._published else finalized
        )  # a memory that was begun anew

    def _last_published(self) -> int:
        """How many searches had finalized then, by the newest version's card. Was the learner killed before it served?

        Then it serves from now on.
        """
        newest = self._models.list("bandit")[-1:]
        if not newest:
            return 0
        with suppress(ModelError):  # a damaged one is left behind by the next that is published
            self._models.promote("bandit", newest[0].version, automatic=True)
        return int(newest[0].card.metrics.get(_FINALIZED_METRIC, 0))

    def _publish(self) -> str:
        self._load()
        finalized = self._finalized()
        card = ModelCard(metrics={_FINALIZED_METRIC: finalized})
        version = self._models.publish("bandit", self._bandit.files(), card)
        self._models.promote("bandit", version, automatic=True)
        self._models.prune("bandit", self._settings.keep_models)
        self._published = finalized
        return version


def _is_urgent(entry: LogEntry) -> bool:
    return isinstance(entry.record, Control) and entry.record.kind in URGENT


def _report(parked: Parked) -> None:
    fault = parked.reason.partition(":")[0]  # the rest may quote the entry; `bandstand doctor` says it
    structlog.get_logger("learner").error("entry_parked", seq=parked.seq, kind=parked.kind, fault=fault)


def _up_to_command(entries: Sequence[LogEntry]) -> Sequence[LogEntry]:
    """The entries up to and with the first order after which the learner has to do something before it goes on."""
    for count, entry in enumerate(entries, start=1):
        if isinstance(entry.record, Control) and entry.record.kind in _HALTING:
            return entries[:count]
    return entries
