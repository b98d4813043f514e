"""The tour behind `bandstand demo`: listeners search and click on a copy of the home, then the same comes again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bandstand.app.options import Options
from bandstand.app.searching import SearchingSide
from bandstand.door.facade import Bandstand
from bandstand.engine.request import SearchRequest
from bandstand.replay.environment import VirtualClock
from bandstand.settings import Settings
from bandstand.types import Entity, Impression


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What is typed, and the entity that is meant."""

    query: str
    entity_id: str


_WANTS = (
    ("bohemian rapsody", "track:queen-bohemian-rhapsody-a-night-at-the-opera"),
    ("is this the real life", "track:queen-bohemian-rhapsody-a-night-at-the-opera"),
    ("smells like teen spirt", "track:nirvana-smells-like-teen-spirit-nevermind"),
    ("beethovn moonlight piano", "track:ludwig-van-beethoven-moonlight-sonata"),
    ("that saxophone tune in five", "track:the-dave-brubeck-quartet-take-five-time-out"),
    ("sukiyaki", "track:kyu-sakamoto-ue-o-muite-aruko"),
    ("gruppa krovi", "track:kino-gruppa-krovi-gruppa-krovi"),
    ("young and sweet only seventeen", "track:abba-dancing-queen-arrival"),
    ("dancing qeen", "track:abba-dancing-queen-arrival"),
    ("wonderwall", "track:oasis-wonderwall-whats-the-story-morning-glory"),
    ("such a lovely place", "track:eagles-hotel-california-hotel-california"),
    ("mom's spaghetti", "track:eminem-lose-yourself"),
    ("the guy in the corner song", "track:rem-losing-my-religion-out-of-time"),
    ("radiohead creep", "track:radiohead-creep-pablo-honey"),
    ("jealousy turning saints into the sea", "track:the-killers-mr-brightside-hot-fuss"),
    ("na na na nananana", "track:the-beatles-hey-jude"),
    ("aha take on me", "track:a-ha-take-on-me-hunting-high-and-low"),
    ("birds flying high", "track:nina-simone-feeling-good-i-put-a-spell-on-you"),
    ("stranger things song", "track:kate-bush-running-up-that-hill-a-deal-with-god-hounds-of-love"),
    ("bowie just for one day", "track:david-bowie-heroes-heroes"),
    ("the cold never bothered me", "track:idina-menzel-let-it-go-frozen"),
    ("trees of green red roses", "track:louis-armstrong-what-a-wonderful-world"),
    ("world cup africa song", "track:shakira-waka-waka-this-time-for-africa-sale-el-sol"),
    ("moon represents my heart", "track:teresa-teng-yue-liang-dai-biao-wo-de-xin"),
    ("podcast where musicians take songs apart", "podcast:song-exploder"),
)

WANTS: tuple[Want, ...] = tuple(Want(query=query, entity_id=entity_id) for query, entity_id in _WANTS)


LISTENERS = 12
ROUNDS = 12
SECONDS_BETWEEN = 20.0
EXAMINED = 0.6
"""The share of listeners who look at position k is k to the power of -0.6; who sees what they want plays it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A set of searches: reciprocal ranks (0: not among the first ten), retrieval ms and arms played, each (n,)."""

    reciprocal: tuple[float, ...]
    retrieval_ms: tuple[float, ...]
    arms: tuple[int, ...]

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank over all searches."""
        return float(np.mean(self.reciprocal))

    @property
    def ms(self) -> float:
        """Median milliseconds of retrieval a search."""
        return float(np.median(self.retrieval_ms))

    @property
    def played(self) -> float:
        """Mean number of retrievers that played."""
        return float(np.mean(self.arms))


class Tour:
    """One evening on a copy of the home, with everything that is real but the listeners and the clock."""

    def __init__(self, settings: Settings, *, now: float, seed: int) -> None:
        self._clock = VirtualClock(now)
        self._random = random.Random(seed)
        new_id = lambda: f"{self._random.getrandbits(128):032x}"  # noqa: E731
        self._music = Bandstand(settings, Options(clock=self._clock, new_id=new_id))

    def close(self) -> None:
        """Close the copy."""
        self._music.close()

    def measure(self, wants: Sequence[Want], *, policy: str = "bandit") -> Measured:
        """Search as somebody new, under a policy; nothing is logged or learned."""
        answers = [(want, self._answer(want.query, policy)) for want in wants]
        return Measured(
            reciprocal=tuple(self._reciprocal(impression, want.entity_id) for want, impression in answers),
            retrieval_ms=tuple(sum(outcome.took_ms for outcome in i.outcomes) for _, i in answers),
            arms=tuple(sum(arm.depth > 0 for arm in impression.decision.arms) for _, impression in answers),
        )

    def evening(self, wants: Sequence[Want], *, progress: Callable[[str, int, int], None]) -> int:
        """Listeners search for what they want, and play it or search on; returns the number of searches."""
        searches, total = 0, ROUNDS * len(wants)
        for number in range(ROUNDS):
            for want in self._random.sample(list(wants), len(wants)):
                searches += self._listen(want)
                self._music.learn()
            progress("listening", (number + 1) * len(wants), total)
        self._pass(self._music.settings.join_minutes * 60 + 1)
        self._music.learn()
        self._music.platform.learning.learner.publish()
        self._home.refresh()
        return searches

    def titles(self, count: int) -> list[Want]:
        """Titles that nobody searched for yet, every second one misspelt."""
        columns = self._home.catalog.columns
        tracks = [
            o for o in range(columns.n) if columns.live[o] and columns.kind[o] == 0 and len(columns.titles[o]) > 3
        ]
        wants = []
        for number, ordinal in enumerate(self._random.sample(tracks, min(count, len(tracks)))):
            entity = self._home.catalog.entities(np.array([ordinal], np.int32))[0]
            text = full_name(entity)
            place = self._random.randrange(1, len(text) - 1)
            query = text if number % 2 else text[:place] + text[place + 1 :]
            wants.append(Want(query=query, entity_id=entity.id))
        return wants

    def _listen(self, want: Want) -> int:
        """One listener's session: at most two searches."""
        listener = f"listener-{self._random.randrange(LISTENERS)}"
        session = f"{self._random.getrandbits(64):016x}"
        wanted = self._home.store.get(want.entity_id)
        for attempt, query in enumerate((want.query, full_name(wanted)), start=1):
            self._pass(SECONDS_BETWEEN)
            page = self._music.search(query, user=listener, session=session, policy="bandit")
            place = self._place(page.result.impression, want.entity_id)
            if place and self._random.random() < place**-EXAMINED:
                self._pass(SECONDS_BETWEEN)
                page[place - 1].play(60.0)
                return attempt
        return 2

    def _pass(self, seconds: float) -> None:
        """An evening of searches passes in seconds."""
        self._clock.move_to(self._clock() + seconds)

    @property
    def _home(self) -> SearchingSide:
        return self._music.platform.searching

    def _answer(self, text: str, policy: str) -> Impression:
        engine = self._home.engine
        return engine.answer(engine.query(SearchRequest(query=text)), engine.policy(policy)).impression

    def _place(self, impression: Impression, entity_id: str) -> int:
        """The position from 1 among the first ten of the wanted recording, any release; 0 when it is not there."""
        keys = self._home.catalog.columns.dedupe_key
        wanted = keys[self._home.store.ordinals([entity_id])[0]]
        places = np.flatnonzero(keys[impression.ordinals[:10]] == wanted)
        return int(places[0]) + 1 if len(places) else 0

    def _reciprocal(self, impression: Impression, entity_id: str) -> float:
        place = self._place(impression, entity_id)
        return 1 / place if place else 0.0


def full_name(entity: Entity) -> str:
    """What somebody types who knows exactly what it is called."""
    return " ".join([*entity.artists[:1], entity.title])


def tour_settings(settings: Settings, home: Path) -> Settings:
    """The settings with the copy as home."""
    return settings.model_copy(update={"home": home})
