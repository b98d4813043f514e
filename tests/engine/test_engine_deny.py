"""The operator's deny list: what it holds, how it is compared, and how it follows its file."""

from __future__ import annotations

import os

import pytest

from bandstand.engine import suggest
from bandstand.engine.suggest import DenyList, Phrases
from bandstand.errors import BadInput, StorageError


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("bad", "a bad day", True),
        ("bad", "badly drawn boy", False),  # whole words
        ("bad day", "Bad, DAY!", True),
        ("bad day", "bad good day", False),
        ("bad day", "day bad", False),
        ("Beyoncé", "beyonce halo", True),
        ("ヒカル", "宇多田ヒカル", True),  # unspaced scripts by bigrams
        ("", "anything", False),
    ],
)
def test_phrases_are_compared_as_queries_are(phrase, text, expected):
    assert Phrases([phrase]).occur_in(text) is expected


def test_without_a_file_nothing_is_denied():
    assert not DenyList().denies("anything")


def test_it_follows_its_file(tmp_path):
    path = tmp_path / "suggest.txt"
    path.write_text("halo  # a remark\n# another\n\n")
    listed = DenyList(path)
    assert listed.denies("halo")
    assert not listed.denies("remark")
    assert not listed.denies("hello")
    path.write_text("hello\n")
    os.utime(path, ns=(1, 1))  # another moment, whatever the clock's grain
    listed.refresh()
    assert listed.denies("hello")
    assert not listed.denies("halo")


def test_while_it_cannot_be_read_what_was_known_stays_in_force(tmp_path):
    path = tmp_path / "suggest.txt"
    path.write_text("halo\n")
    listed = DenyList(path)
    path.unlink()
    listed.refresh()
    listed.refresh()
    assert listed.denies("halo")
    path.write_bytes(b"\xff\xfe")
    listed.refresh()
    assert listed.denies("halo")


def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="BANDSTAND_DENY_LIST"):
        DenyList(tmp_path / "missing.txt")
    monkeypatch.setattr(suggest, "MAX_LINES", 1)
    (tmp_path / "long.txt").write_text("a\nb\n")
    with pytest.raises(BadInput, match="2 lines"):
        DenyList(tmp_path / "long.txt")
