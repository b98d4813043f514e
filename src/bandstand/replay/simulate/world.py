"""The world: tracks and playlists, what can be asked for, who asks what when, and how people type it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.readers.base import Rejected
from bandstand.catalog.readers.spotify import SpotifyReader
from bandstand.catalog.text import normalize, terms
from bandstand.errors import BadInput
from bandstand.memory_index.typos import LETTERS, most_typos, with_typo
from bandstand.replay.datasets.base import dump_file
from bandstand.replay.simulate.experiments import Experiment, QueryClass
from bandstand.replay.stream import sha256_of
from bandstand.types import Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Music:
    """Tracks by order of the file; ``playlists`` maps a name to the ids of the tracks that playlists of that name hold.

    A playlist's name is a query whose answers are its tracks: it is never indexed.
    """

    name: str
    sha256: str
    tracks: tuple[Entity, ...]
    playlists: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, name: str, sha256: str, entities: Iterable[Entity]) -> Music:
        """Tracks and playlists among entities; other kinds are left out."""
        tracks: list[Entity] = []
        playlists: dict[str, dict[str, None]] = {}
        for entity in entities:
            if entity.kind == "track":
                tracks.append(entity)
            elif entity.kind == "playlist" and entity.members:
                playlists.setdefault(entity.title, {}).update(dict.fromkeys(entity.members))
        if not tracks:
            raise BadInput(f"{name} holds no track")
        return cls(
            name=name,
            sha256=sha256,
            tracks=tuple(tracks),
            playlists={title: tuple(members) for title, members in playlists.items()},
        )


def spotify_songs(path: Path) -> Music:
    """`spotify_songs` (TidyTuesday 2020-01-21) from its file or the folder that holds it: 28,352 tracks.

    Rows without title or artist are dropped, repeated ids are one track.

    Raises:
        BadInput: the file is missing or no such file.
    """
    path = dump_file(path, "spotify_songs.csv.gz")
    rows = SpotifyReader().read(path)
    return Music.of("spotify_songs", sha256_of([path]), (row.entity for row in rows if not isinstance(row, Rejected)))


_SMALL = frozenset({"the", "a", "an", "of", "and", "to", "in", "my", "you", "i", "me"})


def _title(track: Entity) -> str:
    return track.title.partition(" (")[0].partition(" - ")[0]


def _artist(track: Entity) -> str:
    return track.artists[0] if track.artists else ""


def _by_last_name(track: Entity) -> str:
    return " ".join([*_title(track).split()[:2], *_artist(track).split()[-1:]])


def _last_name_first(track: Entity) -> str:
    return " ".join([*_artist(track).split()[-1:], *_title(track).split()[:1]])


def _telegram(track: Entity) -> str:
    """Without the small words: "dancing dark springsteen"."""
    words = [word for word in _title(track).split() if word.lower() not in _SMALL]
    return " ".join([*words, *_artist(track).split()[-1:]])


def _genre(track: Entity) -> str:
    named = [attribute.value for attribute in track.attributes if attribute.name == "genre"]
    return " ".join([_artist(track), *named[:1]])


HABITS: Mapping[Callable[[Entity], str], float] = {
    _title: 0.15,
    lambda track: f"{_title(track)} {_artist(track)}": 0.15,
    _by_last_name: 0.3,
    _last_name_first: 0.2,
    _telegram: 0.15,
    _genre: 0.05,
}
"""Share of each habit. Nearly half of what is typed is a form that no template of the platform has."""


def habitual(track: Entity, rng: np.random.Generator) -> str:
    """What somebody types who wants the track."""
    habits = list(HABITS)
    return habits[int(rng.choice(len(habits), p=list(HABITS.values())))](track)


_TYPOS = ("omit", "insert", "swap", "replace")


def misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with one random edit, two if it is longer than nine letters; never the text itself.

    An edit leaves a letter out, puts one in, puts another in its place, or swaps two neighbours, each equally likely
    (the four of Damerau 1964).
    """
    found = text
    while found == text:
        for _ in range(most_typos(text)):
            found = _typo(found, rng)
    return found


def _typo(text: str, rng: np.random.Generator) -> str:
    place, kind = int(rng.integers(max(len(text), 1))), _TYPOS[int(rng.integers(len(_TYPOS)))]
    impossible = (kind == "omit" and len(text) < 2) or (kind == "swap" and place + 1 >= len(text))
    return with_typo(text, "replace" if impossible else kind, place, LETTERS[int(rng.integers(len(LETTERS)))])


_NICKNAME_WORDS = 3
_WORD_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Need:
    """One wish: what is typed for it, which tracks would do, and its class.

    ``key`` names the distinct query behind it: two misspellings of one title share it.
    """

    text: str
    wanted: tuple[str, ...]
    query_class: QueryClass
    key: int = 0


class World:
    """All wishes of an experiment, in order: the same seed, the same wishes, whatever is answered."""

    def __init__(self, music: Music, experiment: Experiment, *, seed: int) -> None:
        self.experiment = experiment
        self._by_id = {track.id: track for track in music.tracks}
        self._seed = seed
        pools = _Pools(music, experiment, np.random.default_rng([seed, 1]))
        self.released, self.held_back, self.baits = pools.released, pools.held_back, pools.baits
        self.pools, self._moved = pools.pools, pools.moved
        self._classes, self._picks = self._schedule(np.random.default_rng([seed, 2]))

    def need(self, number: int) -> Need:
        """The wish behind search ``number``, from 0."""
        query_class: QueryClass = self._classes[number]
        pick = int(self._picks[number])
        need = self.pools[_pool_of(query_class)][pick]
        changes_at = self.experiment.changes_at
        if query_class == "nickname" and changes_at is not None and number >= changes_at:
            need = self._moved.get(pick, need)
        if query_class in {"misspelt", "new title misspelt"}:
            text = misspelt(need.text, np.random.default_rng([self._seed, 3, number]))
            return Need(text, need.wanted, query_class, need.key)
        return need

    def full_name(self, need: Need, rng: np.random.Generator) -> str:
        """What somebody types who knows exactly what one of the wanted tracks is called."""
        track = self._by_id[need.wanted[int(rng.integers(len(need.wanted)))]]
        return full_name(track)

    def _schedule(self, rng: np.random.Generator) -> tuple[list[QueryClass], NDArray[np.int64]]:
        """The class of every search, and which of the class's queries it asks."""
        experiment = self.experiment
        classes = _drawn_classes(experiment, rng)
        picks = np.empty(experiment.searches, np.int64)
        names = np.array(classes, object)
        for pool, needs in self.pools.items():
            mine = np.flatnonzero(np.array([_pool_of(name) == pool for name in names]))
            if not len(mine):
                continue
            if pool == "new title":
                if len(mine) > len(needs):
                    raise BadInput(
                        f"{len(mine)} searches want new titles, the catalogue has {len(needs)}", field="new_titles"
                    )
                picks[mine] = rng.permutation(len(needs))[: len(mine)]
            else:
                picks[mine] = rng.choice(len(needs), size=len(mine), p=power_law(len(needs), experiment.exponent))
        return classes, picks


def power_law(n: int, exponent: float) -> NDArray[np.float64]:
    """P(r) proportional to r^-``exponent`` for ranks 1 to n, (n,)."""
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def full_name(track: Entity) -> str:
    """First artist and title."""
    return " ".join([*track.artists[:1], track.title])


def _drawn_classes(experiment: Experiment, rng: np.random.Generator) -> list[QueryClass]:
    names: list[QueryClass] = list(experiment.shares)
    classes = [names[at] for at in rng.choice(len(names), size=experiment.searches, p=list(experiment.shares.values()))]
    drift, changes_at = experiment.drift, experiment.changes_at
    if drift is not None and changes_at is not None and drift.releases:
        for number in range(changes_at, experiment.searches):
            if rng.random() < drift.release_share:
                classes[number] = "new release"
    return classes


def _pool_of(query_class: QueryClass) -> QueryClass:
    if query_class == "misspelt":
        return "known-item"
    return "new title" if query_class == "new title misspelt" else query_class


class _Pools:
    """The distinct queries of each class, made once; no two have the same normalised text."""

    def __init__(self, music: Music, experiment: Experiment, rng: np.random.Generator) -> None:
        self._rng, self._habits = rng, experiment.habits
        drift = experiment.drift
        order = rng.permutation(len(music.tracks))
        held = order[: drift.releases] if drift is not None else order[:0]
        self.held_back = tuple(music.tracks[at] for at in held)
        gone = {track.id for track in self.held_back}
        self.released = tuple(track for track in music.tracks if track.id not in gone)
        self._texts: set[str] = set()
        self._keys = 0
        popular = self._by_popularity(self.released)
        titles = self._titles(popular, experiment.titles, "known-item")
        asked = {need.wanted[0] for need in titles}
        rest = [track for track in self._shuffled(self.released) if track.id not in asked]
        self.pools: dict[QueryClass, list[Need]] = {
            "known-item": titles,
            "playlist": self._playlists(music, gone, experiment.playlists),
            "nickname": self._nicknames(popular, experiment.nicknames),
            "new title": self._titles(rest, experiment.new_titles, "new title") if self._tail(experiment) else [],
            "new release": self._titles(self.held_back, len(self.held_back), "new release"),
        }
        self.pools = {name: needs for name, needs in self.pools.items() if needs}
        self.moved = self._moved(popular, drift.moved if drift is not None else 0.0)
        self.baits = frozenset(track.id for track in self._shuffled(self.released)[: experiment.baits])

    @staticmethod
    def _tail(experiment: Experiment) -> bool:
        return any(name.startswith("new title") and share for name, share in experiment.shares.items())

    def _by_popularity(self, tracks: Sequence[Entity]) -> list[Entity]:
        """A random order in which popular tracks tend to come first (Efraimidis & Spirakis 2006)."""
        keys = self._rng.random(len(tracks)) ** (1 / np.array([0.02 + track.popularity for track in tracks]))
        return [tracks[at] for at in np.argsort(-keys)]

    def _shuffled(self, tracks: Sequence[Entity]) -> list[Entity]:
        return [tracks[at] for at in self._rng.permutation(len(tracks))]

    def _titles(self, tracks: Sequence[Entity], count: int, query_class: QueryClass) -> list[Need]:
        needs: list[Need] = []
        for track in tracks:
            if len(needs) == count:
                break
            if self._habits:
                text = habitual(track, self._rng)
            else:
                text = track.title if self._rng.random() < 0.5 else full_name(track)
            self._add(needs, text, (track.id,), query_class)
        return needs

    def _playlists(self, music: Music, gone: set[str], count: int) -> list[Need]:
        needs: list[Need] = []
        for name in self._rng.permutation(sorted(music.playlists)).tolist()[:count]:
            wanted = tuple(track for track in music.playlists[name] if track not in gone)
            if wanted:  # names that differ in signs only stay different queries: each has its own tracks
                needs.append(Need(name, wanted, "playlist", self._key()))
        return needs

    def _nicknames(self, popular: Sequence[Entity], count: int) -> list[Need]:
        words = sorted({word for track in self.released for word in terms(track.title) if len(word) >= _WORD_LETTERS})
        needs: list[Need] = []
        for track in popular[:count]:
            text = " ".join(words[at] for at in self._rng.integers(len(words), size=_NICKNAME_WORDS).tolist())
            self._add(needs, text, (track.id,), "nickname")
        return needs

    def _moved(self, popular: Sequence[Entity], share: float) -> dict[int, Need]:
        """Nicknames by number, with what they mean after the drift."""
        nicknames = self.pools.get("nickname", [])
        others = popular[len(nicknames) :] or popular
        moving = np.flatnonzero(self._rng.random(len(nicknames)) < share).tolist()
        return {
            at: Need(nicknames[at].text, (others[at % len(others)].id,), "nickname", nicknames[at].key) for at in moving
        }

    def _add(self, needs: list[Need], text: str, wanted: tuple[str, ...], query_class: QueryClass) -> None:
        """Unless the text says nothing or somebody means something else by it already."""
        normalized = normalize(text)
        if normalized and normalized not in self._texts:
            self._texts.add(normalized)
            needs.append(Need(text, wanted, query_class, self._key()))

    def _key(self) -> int:
        self._keys += 1
        return self._keys
