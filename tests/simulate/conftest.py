"""A tiny world: two hundred tracks, ten playlists, the hashing encoder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandstand.replay.simulate.closed_loop import simulate
from bandstand.replay.simulate.world import Music
from bandstand.types import Entity
from tests.support.tiny_world import TINY, tiny_settings

SYLLABLES = ("ka", "lo", "mi", "ren", "sto", "vel", "dra", "pin", "gu", "han", "tes", "bor")


@pytest.fixture(scope="session")
def music():
    rng = np.random.default_rng(7)

    def word():
        return "".join(rng.choice(SYLLABLES, size=int(rng.integers(2, 4))).tolist())

    tracks = [
        Entity(
            id=f"t{number}", kind="track", title=f"{word()} {word()}", artists=(word(),),
            popularity=float(rng.random()), released="2010",
        )
        for number in range(200)
    ]  # fmt: skip
    lists = [
        Entity(
            id=f"p{number}", kind="playlist", title=f"{word()} evening",
            members=tuple(f"t{track}" for track in rng.choice(200, size=6, replace=False)),
        )
        for number in range(10)
    ]  # fmt: skip
    return Music.of("tiny", "0" * 64, [*tracks, *lists])


@pytest.fixture(scope="session")
def played(music, made_once):
    """One tiny closed loop with two policies, and the folder that it left."""

    def play(folder):
        return simulate(music, TINY, tiny_settings(policies=("bandit", "lexical")), folder)

    folder = made_once("tiny", play)
    return play(folder), folder


@pytest.fixture
def tiny():
    """The tiny experiment with changes."""
    return lambda **changes: replace(TINY, **changes)
