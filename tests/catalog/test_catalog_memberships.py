"""Which lists hold an entity and what stands beside it there; by hand, and against reading the lists one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.catalog.columns import Catalog
from bandstand.catalog.memberships import Memberships
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.types import Entity


def a_track(id_):
    return Entity(id=id_, kind="track", title=id_)


def a_list(id_, *members):
    return Entity(id=id_, kind="playlist", title=id_, members=members)


def test_both_ways_and_beside(store):
    store.upsert(
        [a_track("a"), a_track("b"), a_track("c"), a_list("x", "b", "a", "b", "gone"), a_list("y", "a", "c", "b")]
    )
    lists = Memberships(Catalog(store))
    assert lists.held_by(3).tolist() == [1, 0]
    assert lists.holders_of(0).tolist() == [3, 4]
    assert not len(lists.held_by(0))
    assert not len(lists.holders_of(3))
    ordinals, scores = lists.beside(0)
    short, long = 1 / np.log2(3), 1 / np.log2(4)  # two known members, and three
    assert ordinals.tolist() == [1, 2]
    assert scores.tolist() == pytest.approx([(short + long) / (1 + short + long), long / (1 + short + long)])
    assert not len(lists.beside(3)[0])


def test_a_member_that_comes_back_is_found(store):
    """It was deleted before anybody saw it: the list is the same and nothing was added, but now it has an id."""
    store.upsert([a_track("a"), a_list("x", "a")])
    store.delete({"a"})
    catalog = Catalog(store)
    lists = Memberships(catalog)
    assert lists.held_by(1).tolist() == []
    store.upsert([a_track("a")])
    catalog.refresh()
    assert lists.held_by(1).tolist() == [0]
    assert lists.holders_of(0).tolist() == [1]


def test_an_empty_catalogue(store):
    store.upsert([a_track("a")])
    assert not len(Memberships(Catalog(store)).beside(0)[0])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_it_follows_the_catalogue(tmp_path_factory, data):
    store = SqliteStore(tmp_path_factory.mktemp("lists") / "c.sqlite", clock=lambda: 0.0)
    catalog = Catalog(store)
    lists = Memberships(catalog)
    lists.follow()  # nothing to do yet
    for _ in range(3):
        for id_ in data.draw(st.sets(st.sampled_from("abc"), min_size=1)):
            store.upsert([a_track(id_)])
        for id_ in data.draw(st.sets(st.sampled_from("xy"))):
            store.upsert([a_list(id_, *data.draw(st.lists(st.sampled_from("abc"), max_size=4)))])
        store.delete(data.draw(st.sets(st.sampled_from("abcxy"), max_size=2)))
        catalog.refresh()
        lists.follow()
        live = {entity.id: (ordinal, entity) for ordinal, entity in store.scan()}
        for id_, (ordinal, entity) in live.items():
            known = [live[member][0] for member in dict.fromkeys(entity.members) if member in live]
            holders = sorted(other for other, each in live.values() if id_ in each.members)
            assert lists.held_by(ordinal).tolist() == known
            assert lists.holders_of(ordinal).tolist() == holders
    store.close()
