"""One tiny closed loop, looked into."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.replay.selective.audit import CHOICES, Audits
from bandstand.replay.selective.choices import SelectiveSettings, closed_loop
from bandstand.replay.simulate.world import Music
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Entity
from tests.support.tiny_world import PLATFORM, TINY


@pytest.fixture(scope="session")
def music():
    rng = np.random.default_rng(7)
    names = ("kalo", "miren", "stovel", "drapin", "guhan", "tesbor", "renlo", "velmi", "pinka", "hantes")

    def words():
        return " ".join(rng.choice(names, size=2, replace=False).tolist())

    tracks = [
        Entity(id=f"t{n}", kind="track", title=f"{words()} {n}", artists=(words(),), popularity=float(rng.random()))
        for n in range(200)
    ]
    lists = [
        Entity(id=f"p{n}", kind="playlist", title=f"{words()} evening", members=(f"t{n}", f"t{n + 50}"))
        for n in range(10)
    ]
    return Music.of("tiny", "0" * 64, [*tracks, *lists])


@pytest.fixture(scope="session")
def settings():
    return SelectiveSettings(
        policies=("selective", "all"), searches=48, held_out=0.5, retrain_every=24, ablation_share=0.8, bootstrap=50,
        platform=(*PLATFORM, ("selfplay_queries", 160)),
    )  # fmt: skip


@pytest.fixture(scope="session")
def runs(music, settings, made_once):
    def play(folder):
        return closed_loop(music, TINY, settings, folder, lambda *_: None)

    return play(made_once("selective", play))


@pytest.fixture
def make():
    """Audits of searches whose ranks are given by what played: only these arms make a difference."""

    def audits(*searches, classes=None, p_useful=None):
        ranks = [[each(choice) for choice in CHOICES] for each in searches]
        count = len(searches)
        return Audits(
            users=np.arange(count).astype(np.str_),
            classes=np.array(classes or ["known-item"] * count),
            ranks=np.array(ranks, np.int64).reshape(count, len(CHOICES)),
            p_useful=np.array(
                p_useful if p_useful is not None else [[0.5] * len(BUILT_IN.expensive)] * count, np.float64
            ),
            played=np.zeros((count, len(BUILT_IN.expensive)), np.bool_),
            shown=np.ones(count, np.int64),
            cost_ms=np.ones(count),
        )

    return audits
