"""Look-alike letters of another alphabet, and umlauts as two letters."""

from __future__ import annotations

import pytest

from bandstand.catalog.text import spell_umlauts, unmix


@pytest.mark.parametrize(
    ("mixed", "one"),
    [
        ("", ""),
        ("metallica", "metallica"),
        ("мetallica", "metallica"),
        ("μetallica", "metallica"),
        ("кинo", "кино"),
        ("αθhνα", "αθηνα"),
        ("группа metallica", "группа metallica"),
        ("λdλ", "λdλ"),
        ("дance кино", "дance кино"),
        ("мetallica кинo λdλ", "metallica кино λdλ"),
    ],
)
def test_one_alphabet_a_word_where_that_is_possible(mixed, one):
    assert unmix(mixed) == one
    assert unmix(one) == one


def test_a_very_long_word_is_quick():
    assert unmix("dя" * 20_000) == "dя" * 20_000


@pytest.mark.parametrize(
    ("text", "spelt"),
    [("Ärzte", "Aerzte"), ("Bjo\u0308rk", "Bjoerk"), ("Røyksopp", "Roeyksopp"), ("Åsa", "Aasa"), ("abc", "abc")],
)
def test_umlauts(text, spelt):
    assert spell_umlauts(text) == spelt
