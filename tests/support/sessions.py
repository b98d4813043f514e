"""Searches and sessions made by hand, and logs of listeners who behave by a known rule."""

from __future__ import annotations

import numpy as np

from bandstand.feedback.attribution import Attribution
from bandstand.feedback.behaviour import Interaction
from bandstand.feedback.joined import Joined
from bandstand.feedback.sessions import SessionSearch
from bandstand.types import Decision, Event, Impression, Query

NOW = 1_750_000_000.0
NAMES = ("name_ratio", "memory.clicks", "other")
SYLLABLES = ("ka", "lo", "mi", "ren", "sto", "vel", "dra", "pin", "gu", "han", "tes", "bor")


def page(name, text="halo", *, after=0.0, session="s", hits=("a", "b", "c"), quality=None):
    """One logged search; ``quality`` is the ``name_ratio`` of its hits."""
    n = len(hits)
    features = np.full((n, len(NAMES)), np.nan, np.float32)
    features[:, 0] = 0.5 if quality is None else quality
    return Impression(
        query=Query(id=name, text=text, normalized=text, session_id=session, time=NOW + after),
        decision=Decision(policy="all", version="1"), outcomes=(), entity_ids=tuple(hits),
        ordinals=np.arange(n, dtype=np.int32), scores=np.arange(n, 0, -1, dtype=np.float32), features=features,
        feature_names=NAMES, shown=n,
    )  # fmt: skip


def search(*interactions, following=None, **fields):
    """A search of a session with its actions, given as (row, action, seconds after, seconds played)."""
    made = tuple(Interaction(row, action, after, *played) for row, action, after, *played in interactions)
    return SessionSearch(impression=page("q", **fields), interactions=made, following=following)


def event(on, object_id, action="click", *, after=5.0, played=None, number=0):
    return Event(
        id=f"{on.query.id}/{object_id}/{action}/{number}", action=action, time=on.query.time + after,
        query_id=on.query.id, session_id=on.query.session_id, object_id=object_id, play_seconds=played,
    )  # fmt: skip


def joined(on, *events):
    return Joined(impression=on, events=tuple(events), attribution=Attribution())


def listeners(sessions, *, seed=3, good=0.8, poor=0.1, strays=0.0):
    """Sessions of people who click one hit; it is what they wanted with P = ``good`` if its name fits, else ``poor``.

    Who wanted it plays it for 40 seconds; others leave after 5, and half of them search again: in other words, or, a
    share of ``strays``, for something else. The id of the second search ends in b, or in x.
    """
    rng = np.random.default_rng(seed)
    for number in range(sessions):
        quality = rng.choice([0.2, 0.9], size=3)
        first, second, third = ("".join(rng.choice(SYLLABLES, size=3)) for _ in range(3))
        text, when, who = f"{first} {second[:-1]}", 600.0 * number, f"s{number}"
        on = page(f"q{number}", text, after=when, session=who, hits=rng.permutation([*"abcdef"])[:3], quality=quality)
        row = int(rng.integers(3))
        content = rng.random() < (good if quality[row] > 0.5 else poor)
        played = 40.0 if content else 5.0
        hit = on.entity_ids[row]
        yield joined(on, event(on, hit), event(on, hit, "play", after=5.0 + played, played=played))
        if not content and rng.random() < 0.5:
            stray = rng.random() < strays
            other = " ".join("".join(rng.choice(SYLLABLES, size=3)) for _ in range(3))
            text, hits = other if stray else f"{first} {second} {third}", rng.permutation([*"abcdef"])[:3]
            again = page(f"q{number}{'x' if stray else 'b'}", text, after=when + 30, session=who, hits=hits)
            hit = again.entity_ids[1]
            yield joined(again, event(again, hit), event(again, hit, "play", after=45.0, played=40.0))
