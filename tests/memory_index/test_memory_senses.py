"""What clicks say about the senses of phrases: shared once enough users agree, decayed, forgotten, bounded."""

from __future__ import annotations

import pytest

NOW = 1_700_000_000.0
MONTH = 30 * 86_400.0
YEAR, TRACK = ("year", "1999"), ("track", "1999")


def click(memory, *users, sense=YEAR, clicks=1.0, now=NOW, phrase="1999"):
    with memory.batch() as batch:
        for user in users:
            batch.sense(phrase, {sense: clicks}, user=user, now=now)


def counts(memory, phrase="1999"):
    return memory.senses.counts({phrase: [TRACK, YEAR]}).get(phrase, [0.0, 0.0])


def test_nothing_is_known_at_first(open_memory):
    assert open_memory().senses.counts({"1999": [YEAR], "": []}) == {}


def test_one_users_clicks_count_once_a_second_user_agrees(open_memory):
    memory = open_memory()
    click(memory, "ann", "ann", "ann")
    assert counts(memory) == [0.0, 0.0]
    click(memory, "bob")
    assert counts(memory) == [0.0, 4.0]
    click(memory, "ann")
    assert counts(memory) == [0.0, 5.0]


def test_agreement_is_by_sense(open_memory):
    memory = open_memory()
    click(memory, "ann", sense=YEAR)
    click(memory, "bob", sense=TRACK)
    assert counts(memory) == [0.0, 0.0]
    click(memory, "cem", sense=TRACK)
    assert counts(memory) == [2.0, 0.0]


def test_everybody_without_an_id_is_one_user(open_memory):
    memory = open_memory()
    click(memory, None, None)
    assert counts(memory) == [0.0, 0.0]
    click(memory, "ann")
    assert counts(memory) == [0.0, 3.0]


def test_counts_fade(open_memory):
    memory = open_memory()
    click(memory, "ann", "bob")
    click(memory, "ann", now=NOW + MONTH)
    assert counts(memory) == pytest.approx([0.0, 2.0])


def test_the_version_changes_with_what_everybody_sees(open_memory):
    memory = open_memory()
    first = memory.senses.version
    click(memory, "ann")
    assert memory.senses.version == first
    click(memory, "bob")
    assert memory.senses.version > first


def test_who_is_forgotten_takes_along_what_nobody_else_said(open_memory):
    memory = open_memory()
    click(memory, "ann", phrase="only hers")
    click(memory, "ann", "bob")
    click(memory, "ann", "bob", "cem", phrase="of three")
    before = memory.senses.version
    with memory.batch() as batch:
        batch.forget_user("ann")
    assert memory.senses.version > before
    click(memory, "bob", phrase="only hers")
    assert counts(memory, "only hers") == [0.0, 0.0]  # bob is alone with it now
    assert counts(memory) == [0.0, 0.0]  # and with this
    assert counts(memory, "of three") == [0.0, 3.0]
    click(memory, "cem")
    assert counts(memory) == [0.0, 2.0]


def test_the_phrases_are_bounded(open_memory):
    memory = open_memory(max_queries=20)
    for number in range(40):
        click(memory, "ann", "bob", phrase=f"phrase {number}", clicks=1.0 + number)
    with memory.batch() as batch:
        assert batch.evict() == 21
    assert counts(memory, "phrase 39") == [0.0, 80.0]
    assert counts(memory, "phrase 0") == [0.0, 0.0]


def test_neither_phrase_nor_value_is_written_in_words(open_memory):
    memory = open_memory()
    click(memory, "ann", phrase="my secret", sense=("text", "secret"))
    with memory._env.reading() as txn:
        held = b"".join(bytes(key) + bytes(value) for key, value in txn.cursor(db=memory._env.dbs["senses"]))
    assert held
    assert b"secret" not in held
