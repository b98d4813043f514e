"""The text index: following the change feed, crashes, readers beside the writer, and other versions."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.catalog.store import Change
from bandstand.errors import Conflict, StorageError, Unavailable
from bandstand.retrievers import text_index
from bandstand.retrievers.text_index import TITLE, TextIndex
from bandstand.types import Entity


def added(seq, ordinal, title):
    return Change(seq, ordinal, Entity(id=str(ordinal), kind="track", title=title), 0.0)


def deleted(seq, ordinal):
    return Change(seq, ordinal, None, 0.0)


def having(index, word, size=10, mask=None):
    """The ordinals whose title holds a word, ascending."""
    searcher = index.searcher()
    mask = np.ones(1_000, bool) if mask is None else mask
    return sorted(searcher.head(searcher.term(TITLE, word), kinds=(), mask=mask, size=size)[0].tolist())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "text"


@pytest.fixture
def index(path):
    with TextIndex(path, writable=True) as opened:
        yield opened


def test_a_new_index_is_empty(index):
    assert (index.seq, index.applied, having(index, "one")) == (0, 0, [])


def test_changes_are_found_after_commit(index):
    index.apply([added(1, 0, "one two"), added(2, 1, "two")])
    assert (index.seq, index.applied, having(index, "two")) == (0, 2, [])
    index.commit()
    assert (index.seq, index.applied, having(index, "two")) == (2, 2, [0, 1])


def test_the_newest_state_of_an_entity_replaces_the_older(index):
    index.apply([added(1, 0, "one"), added(2, 1, "one")])
    index.commit()
    index.apply([added(3, 0, "two"), deleted(4, 1)])
    index.commit()
    assert (having(index, "one"), having(index, "two"), index.seq) == ([], [0], 4)


def test_an_entity_changed_twice_before_a_commit_is_there_once(index):
    index.apply([added(1, 0, "one")])
    index.apply([added(2, 0, "one again")])
    index.commit()
    assert (having(index, "one"), having(index, "again")) == ([0], [0])


def test_applying_changes_again_changes_nothing(index):
    changes = [added(1, 0, "one"), added(2, 1, "one"), deleted(3, 1)]
    for _ in range(2):
        index.apply(changes)
        index.commit()
        assert (having(index, "one"), index.seq) == ([0], 3)


def test_an_older_change_does_not_turn_the_position_back(index):
    index.apply([added(5, 0, "one")])
    index.apply([added(3, 1, "one")])
    index.apply([])
    index.commit()
    assert index.seq == 5


def test_what_was_not_committed_is_applied_again(path):
    with TextIndex(path, writable=True) as index:
        index.apply([added(1, 0, "one")])
        index.commit()
        index.apply([added(2, 1, "one")])
    with TextIndex(path, writable=True) as index:
        assert (index.seq, index.applied, having(index, "one")) == (1, 1, [0])


def test_a_reader_sees_commits_when_it_refreshes(path, index):
    index.apply([added(1, 0, "one")])
    index.commit()
    reader = TextIndex(path, writable=False)
    before = reader.searcher()
    index.apply([added(2, 1, "one")])
    index.commit()
    assert (reader.seq, having(reader, "one")) == (1, [0])
    reader.refresh()
    assert (reader.seq, having(reader, "one")) == (2, [0, 1])
    assert before.doc_freq(TITLE, "one") == 1  # a search under way keeps its state


def test_there_is_one_writer(path, index):
    with pytest.raises(Conflict, match="another process is writing"):
        TextIndex(path, writable=True)
    index.close()
    index.close()
    TextIndex(path, writable=True).close()


def test_a_reader_does_not_write(path, index):
    index.commit()
    reader = TextIndex(path, writable=False)
    for write in (lambda: reader.apply([added(1, 0, "one")]), reader.commit):
        with pytest.raises(Conflict, match="not open for writing"):
            write()


def test_a_reader_needs_an_index(path):
    with pytest.raises(Unavailable, match="bandstand index"):
        TextIndex(path, writable=False)


@pytest.fixture
def older(path, monkeypatch):
    """A folder whose index an older version wrote."""
    with monkeypatch.context() as patch:
        patch.setattr(text_index, "FORMAT_VERSION", text_index.FORMAT_VERSION - 1)
        with TextIndex(path, writable=True) as index:
            index.apply([added(1, 0, "one")])
            index.commit()
    return path


def test_another_version_is_built_anew(older):
    with pytest.raises(Unavailable, match="another version"):
        TextIndex(older, writable=False)
    with TextIndex(older, writable=True) as index:
        assert (index.seq, having(index, "one")) == (0, [])


def test_another_schema_is_built_anew(path):
    import tantivy

    path.mkdir()
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("something")
    tantivy.Index(builder.build(), path=str(path)).writer(15_000_000, 1).commit()
    with TextIndex(path, writable=True) as index:
        assert index.seq == 0


def test_a_damaged_index_says_what_to_do(path, index):
    index.commit()
    index.close()
    (path / "meta.json").write_text("{")
    with pytest.raises(StorageError, match="delete that folder"):
        TextIndex(path, writable=True)


def test_a_mask_is_looked_through_until_enough_is_found(index, monkeypatch):
    monkeypatch.setattr("bandstand.retrievers.text_index.PUSHED_DOWN", 0)
    index.apply([added(n + 1, n, "one") for n in range(200)])
    index.commit()
    mask = np.arange(200) >= 190
    assert having(index, "one", size=4, mask=mask) == [190, 191, 192, 193]
    assert having(index, "one", size=50, mask=mask) == list(range(190, 200))


def test_a_narrow_mask_becomes_part_of_the_query(index, monkeypatch):
    monkeypatch.setattr("bandstand.retrievers.text_index.PUSHED_DOWN", 10)
    monkeypatch.setattr("bandstand.retrievers.text_index.FARTHEST", 1)
    index.apply([added(n + 1, n, "one") for n in range(200)])
    index.commit()
    assert having(index, "one", size=1, mask=np.arange(200) == 199) == [199]


@pytest.mark.parametrize("size", [1, 3, 8, 16])
def test_ties_are_cut_by_ordinal_however_the_index_came_to_be(tmp_path, size):
    """The same twenty titles, alike in score: in one commit, or in four from the last to the first."""
    heads = []
    for name, commits in (("one", [range(20)]), ("four", [range(start, start + 5) for start in (15, 10, 5, 0)])):
        with TextIndex(tmp_path / name, writable=True) as index:
            for ordinals in commits:
                index.apply([added(ordinal + 1, ordinal, "Hello") for ordinal in ordinals])
                index.commit()
            heads.append(having(index, "hello", size))
    assert heads == [list(range(size))] * 2
