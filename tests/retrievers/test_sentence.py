"""The sentence about an entity, by known answers."""

from __future__ import annotations

import pytest

from bandstand.retrievers.sentence import entity_sentence
from bandstand.types import Attribute, Entity

HALO = Entity(
    id="t", kind="track", title="Halo", artists=("Beyoncé",), album="I Am... Sasha Fierce", released="2008-11-18",
    attributes=(Attribute("language", "english", 0.5), Attribute("genre", "soul", 0.6), Attribute("genre", "pop", 0.9),
                Attribute("mood", "romantic", 0.8)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("entity", "sentence"),
    [
        (HALO, "Halo by Beyoncé, a pop and soul track from I Am... Sasha Fierce (2008), romantic, english"),
        (Entity(id="a", kind="artist", title="!!!"), "!!!, an artist"),
        (
            Entity(id="a", kind="artist", title="Кино", aliases=("Kino",), attributes=(Attribute("genre", "rock"),)),
            "Кино, a rock artist, also known as Kino",
        ),
        (Entity(id="a", kind="artist", title="Кино"), "Кино, an artist, also known as kino"),
        (
            Entity(id="l", kind="album", title="25", artists=("Adele",), album="25", released="2015"),
            "25 by Adele, an album (2015)",
        ),
        (
            Entity(
                id="p", kind="playlist", title="Mix",
                attributes=tuple(Attribute("genre", genre) for genre in ("indie", "rock", "folk", "jazz")),
            ),
            "Mix, an indie, rock and folk playlist",
        ),
        (
            Entity(id="t", kind="track", title="One", artists=("Mary J. Blige", "U2")),
            "One by Mary J. Blige, U2, a track",
        ),
    ],
)  # fmt: skip
def test_known_sentences(entity, sentence):
    assert entity_sentence(entity) == sentence


def test_what_is_often_repeated_is_said_once():
    attributes = (Attribute("genre", "pop", 0.9), Attribute("subgenre", "pop", 0.5), Attribute("tag", "pop", 0.5))
    entity = Entity(id="t", kind="track", title="Halo", attributes=attributes)
    assert entity_sentence(entity) == "Halo, a pop track"


def test_it_stays_short_whatever_is_known():
    entity = Entity(
        id="t", kind="track", title="Halo", aliases=tuple(f"alias{i}" for i in range(100)),
        attributes=tuple(Attribute("mood", f"mood{i}", 1 / (i + 1)) for i in range(100)),
    )  # fmt: skip
    sentence = entity_sentence(entity)
    assert "mood0" in sentence
    assert "alias0" in sentence
    assert len(sentence) < 300
