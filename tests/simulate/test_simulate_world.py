"""The world: how wishes are drawn, and that they do not depend on who answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.text import normalize
from bandstand.errors import BadInput
from bandstand.replay.simulate.experiments import EXPERIMENTS, Cascade, Drift, Listeners, experiment_named
from bandstand.replay.simulate.world import Music, World, misspelt, power_law
from bandstand.types import Entity

TITLES_ONLY = {"new title": 1.0}


def wishes(world):
    return [world.need(number) for number in range(world.experiment.searches)]


def test_the_same_seed_wishes_the_same_and_another_does_not(music, tiny):
    first, again, other = (wishes(World(music, tiny(), seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_wish_can_be_asked_for_in_any_order(music, tiny):
    world = World(music, tiny(), seed=1)
    backwards = [world.need(number) for number in reversed(range(tiny().searches))]
    assert backwards[::-1] == wishes(world)


def test_classes_come_in_their_shares(music, tiny):
    counts = Counter(need.query_class for need in wishes(World(music, tiny(searches=5_000), seed=1)))
    for name, share in tiny().shares.items():
        assert counts[name] / 5_000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 5_000))


def test_frequent_queries_follow_the_power_law(music, tiny):
    world = World(music, tiny(searches=20_000, shares={"playlist": 1.0}), seed=1)
    counts = Counter(need.key for need in wishes(world))
    expected = power_law(10, 0.8)
    found = np.array([counts[need.key] for need in world.pools["playlist"]]) / 20_000
    np.testing.assert_allclose(found, expected, atol=0.015)
    assert expected[0] / expected[1] == pytest.approx(2**0.8)


def test_a_new_title_is_asked_once(music, tiny):
    world = World(music, tiny(searches=100, shares=TITLES_ONLY), seed=1)
    assert max(Counter(need.key for need in wishes(world)).values()) == 1


def test_more_new_titles_than_there_are_is_refused(music, tiny):
    with pytest.raises(BadInput, match="new titles"):
        World(music, tiny(searches=201, shares=TITLES_ONLY), seed=1)


def test_a_playlist_is_asked_for_by_name_and_its_tracks_are_the_answers(music, tiny):
    world = World(music, tiny(shares={"playlist": 1.0}), seed=1)
    assert all(set(need.wanted) == set(music.playlists[need.text]) for need in wishes(world))


def test_a_nickname_has_three_words_of_the_catalogue(music, tiny):
    words = {word for track in music.tracks for word in normalize(track.title).split()}
    for need in World(music, tiny(shares={"nickname": 1.0}), seed=1).pools["nickname"]:
        assert len(need.text.split()) == 3
        assert set(need.text.split()) <= words


def test_misspelt_queries_ask_for_what_the_title_asks_for(music, tiny):
    world = World(music, tiny(shares={"misspelt": 1.0}), seed=1)
    titles = {need.key: need for need in world.pools["known-item"]}
    found = wishes(world)
    assert all(need.wanted == titles[need.key].wanted and need.text != titles[need.key].text for need in found)
    assert len({need.text for need in found}) > len({need.key for need in found})  # a slip is made anew every time


@given(st.text("abcdef ", min_size=1, max_size=20), st.integers(0, 1_000))
def test_a_slip_is_one_edit_or_two_in_long_texts(text, seed):
    from rapidfuzz.distance import DamerauLevenshtein

    found = misspelt(text, np.random.default_rng(seed))
    assert found != text
    assert DamerauLevenshtein.distance(text, found) <= (2 if len(text) > 9 else 1)


def test_drift_moves_nicknames_and_releases_at_its_time_only(music, tiny):
    drift = Drift(at=0.5, moved=1.0, releases=20, release_share=0.2)
    world = World(music, tiny(searches=400, drift=drift), seed=1)
    found = wishes(world)
    assert len(world.held_back) == 20
    assert not {track.id for track in world.released} & {track.id for track in world.held_back}
    assert all(need.query_class != "new release" for need in found[:200])
    assert any(need.query_class == "new release" for need in found[200:])
    meant = {need.key: need.wanted for need in found[:200] if need.query_class == "nickname"}
    later = [need for need in found[200:] if need.query_class == "nickname" and need.key in meant]
    assert later
    assert all(need.wanted != meant[need.key] for need in later)


def test_held_back_tracks_are_not_wanted_before_they_are_released(music, tiny):
    world = World(music, tiny(searches=400, drift=Drift(releases=20)), seed=1)
    held = {track.id for track in world.held_back}
    assert all(not held & set(world.need(number).wanted) for number in range(200))


def test_playlists_of_one_name_are_one_query():
    tracks = [Entity(id=f"t{n}", kind="track", title=f"song {n}") for n in range(3)]
    lists = [Entity(id=f"p{n}", kind="playlist", title="Mix", members=(f"t{n}", "t2")) for n in range(2)]
    assert Music.of("x", "", [*tracks, *lists]).playlists == {"Mix": ("t0", "t2", "t1")}


def test_a_catalogue_without_tracks_is_refused():
    with pytest.raises(BadInput, match="no track"):
        Music.of("nothing", "", [])


def test_the_default_experiments_are_those_of_the_prototype():
    default, tail = EXPERIMENTS["default"], EXPERIMENTS["long-tail"]
    assert (default.searches, tail.searches) == (40_000, 19_800)
    assert default.shares == {"known-item": 0.35, "misspelt": 0.25, "playlist": 0.25, "nickname": 0.15}
    assert tail.shares["new title"] + tail.shares["new title misspelt"] == pytest.approx(0.6)
    assert (default.titles, default.playlists, default.nicknames, default.exponent) == (2_500, 449, 600, 0.8)


@pytest.mark.parametrize(
    "make",
    [
        lambda tiny: tiny(searches=0),
        lambda tiny: tiny(shares={"playlist": 0.5}),
        lambda tiny: tiny(gap_s=1.0),
        lambda _: Drift(at=1.0),
        lambda _: Listeners(wanted=1.5),
        lambda _: Listeners(users=-1),
        lambda _: experiment_named("none"),
        lambda _: experiment_named("default", clicks="none"),
    ],
)
def test_what_cannot_be_played_is_refused(make, tiny):
    with pytest.raises(BadInput):
        make(tiny)


def test_an_experiment_with_another_click_model():
    cascade = experiment_named("clickbait", clicks="cascade")
    assert cascade.listeners == replace(EXPERIMENTS["clickbait"].listeners, clicks=Cascade())
    assert experiment_named("clickbait") == EXPERIMENTS["clickbait"]
