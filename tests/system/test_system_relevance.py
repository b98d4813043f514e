"""Before any click the default is no worse than fusion of every retriever, on samples of what people type and say."""

from __future__ import annotations

from dataclasses import replace

import pytest

import bandstand as bs
from bandstand.catalog.bundled import load_bundled
from bench.judged.commands import commands
from bench.judged.conversations import conversations
from bench.relevance import FUSION, measured

SAMPLE = 25
MARGIN = 0.02


def sets(folder):
    """Sets that share a catalogue stand together."""
    songs = [entity for entity in load_bundled() if entity.kind == "track"]
    return {"conversations": conversations(folder), "commands": (commands(folder, songs, count=SAMPLE),)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conversations", "commands"])
def test_the_default_is_not_below_fusion_of_all(real_data, tmp_path, name):
    together = sets(real_data("."))[name]
    settings = {"encoder": "hashing", "epsilon": 1e-9, "deadline_ms": 60_000.0}
    with bs.open(tmp_path, background=False, **settings) as music:
        music.ingest(together[0].entities)
        music.platform.learning.index()
        for judged in together:
            some = judged.searches[:: max(len(judged.searches) // SAMPLE, 1)][:SAMPLE]
            measures, _ = measured(music.platform.searching, replace(judged, searches=some))
            values = measures[judged.headline]
            assert values["bandit"].mean() >= values[FUSION].mean() - MARGIN, judged.name
