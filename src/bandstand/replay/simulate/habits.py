"""How people in the held-out world ask for a track: habits that the platform is told nothing of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bandstand.types import Entity

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
