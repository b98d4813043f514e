import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.text import (
    MAX_READ_BYTES,
    beginning,
    fold_title,
    index_terms,
    normalize,
    romanize,
    terms,
    trigrams,
)
from tests.support.effort import effort

ANY_TEXT = st.text(st.characters(), max_size=40)  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \t\n ", ""),
        ("Beyoncé", "beyonce"),
        ("Beyonce\u0301", "beyonce"),
        ("Röyksopp", "royksopp"),
        ("Sigur Rós", "sigur ros"),
        ("Ain't", "aint"),
        ("ain’t", "aint"),
        ("ainʼt", "aint"),
        ("ain´t", "aint"),
        ("Rock 'n' Roll", "rock n roll"),
        ("AC/DC", "ac dc"),
        ("P!nk", "pink"),
        ("Wham!", "wham"),
        ("Ke$ha", "kesha"),
        ("$uicideboy$", "suicideboys"),
        ("Joey Bada$$", "joey badass"),
        ("$100", "100"),
        ("!!!", "!!!"),
        ("…", "..."),
        ("'", "'"),
        ("♥", "♥"),
        ("÷", "÷"),
        ("Ed Sheeran ÷", "ed sheeran ÷"),
        (" + Ed Sheeran", "+ ed sheeran"),
        ("Florence + the Machine", "florence the machine"),
        ("Adam K &amp; Soha", "adam k and soha"),
        ("Don&#39;t Speak", "dont speak"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ışık", "isik"),
        ("Mø", "mo"),
        ("Ænima", "aenima"),
        ("Łódź", "lodz"),
        ("Đorđe", "dorde"),
        ("Sinéad O’Connor", "sinead oconnor"),
        ("Simon & Garfunkel", "simon and garfunkel"),
        ("Simon and Garfunkel", "simon and garfunkel"),
        ("Song (feat. X)", "song x"),
        ("Song ft. X", "song x"),
        ("Song Featuring X", "song x"),
        ("6 ft. Under", "6 ft under"),
        ("Feat", "feat"),
        ("Кино", "кино"),
        ("Виктор Цой", "виктор цой"),
        ("Ёлка", "елка"),
        ("宇多田ヒカル", "宇多田ヒカル"),
        ("ガンダム", "ガンダム"),
        ("ｶﾞﾝﾀﾞﾑ", "ガンダム"),
        ("방탄소년단", "방탄소년단"),
        ("فيروز", "فيروز"),
        ("فَيْرُوز", "فيروز"),
        ("שָׁלוֹם", "שלום"),
        ("Μαρία", "μαρια"),
        ("हिन्दी", "हिन्दी"),
        ("ＡＣ／ＤＣ", "ac dc"),
        ("a\u202eb\u200bc\x00d", "abcd"),
        ("two\tlines\nhere", "two lines here"),
    ],
)
def test_normal_form(text, expected):
    assert normalize(text) == expected


@given(ANY_TEXT)
def test_normalizing_twice_changes_nothing(text):
    once = normalize(text)
    assert normalize(once) == once
    assert once == " ".join(once.split())


@given(ANY_TEXT)
def test_no_text_makes_analysis_fail(text):
    normalized = normalize(text)
    assert normalize(romanize(normalized)) == romanize(normalized)
    assert len(set(index_terms(text))) == len(index_terms(text))
    assert set(terms(text)) <= set(index_terms(text))
    assert all(len(gram) == 3 for gram in trigrams(text))
    fold_title(text)


@given(st.text(st.characters(categories=["L", "Zs"]), max_size=30))
def test_case_never_matters(text):
    assert normalize(text.casefold()) == normalize(text)


@pytest.mark.slow
def test_every_character_of_unicode_has_a_normal_form():
    characters = map(chr, range(sys.maxunicode + 1))
    for character in (c for c in characters if unicodedata.category(c)[0] != "C"):
        once = normalize(character)
        assert normalize(once) == once, hex(ord(character))


@pytest.mark.parametrize(
    ("normalized", "expected"),
    [("", ""), ("abba", "abba"), ("кино", "kino"), ("فيروز", "fyrwz"), ("ガンダム", "gandamu"), ("μαρια", "maria")],
)
def test_romanized(normalized, expected):
    assert romanize(normalized) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Let It Be", ["let", "it", "be"]),
        ("宇多田ヒカル", ["宇多", "多田", "田ヒ", "ヒカ", "カル"]),
        ("愛", ["愛"]),
        ("J愛pop", ["j", "愛", "pop"]),
        ("!!!", ["!!!"]),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("AC/DC", "acdc"),
        ("AC/DC", "ac dc"),
        ("AC DC", "acdc"),
        ("P!nk", "pink"),
        ("P!nk", "p!nk"),
        ("Ke$ha", "kesha"),
        ("A-ha", "aha"),
        ("R.E.M.", "rem"),
        ("t.A.T.u.", "tatu"),
        ("HELLO!GOODBYE", "hello goodbye"),
        ("Кино", "kino"),
        ("Кино", "КИНО"),
        ("宇多田ヒカル", "宇多田"),
        ("فيروز", "فيروز"),
        ("Röyksopp", "Royksopp"),
        ("!!!", "!!!"),
    ],
)
def test_what_is_typed_finds_what_is_written(written, typed):
    assert set(terms(typed)) <= set(index_terms(written))


def test_trigrams_are_padded_words():
    assert trigrams("Cat") == ["  c", " ca", "cat", "at "]
    assert trigrams("") == []
    assert set(trigrams("kino")) < set(trigrams("Кино"))


@pytest.mark.parametrize(
    "title",
    [
        "Heroes",
        "Heroes - 2017 Remaster",
        "Heroes (Remastered)",
        "Heroes [Remastered 2017]",
        "Heroes - Remastered Version",
        "Heroes (Deluxe Edition)",
        "Heroes - Single Version",
        "Heroes - Radio Edit",
        "Heroes (Original Mix)",
        "Heroes (25th Anniversary Edition)",
        "Heroes - Mono / Remastered",
        "Heroes – 2017 Digital Remaster",
        "Heroes (feat. X)",
        "Heroes feat. X",
        "Heroes ft. X & Y (Remastered)",
        "Heroes (with X) - Remastered",
        "HEROES (Album Version) [Explicit]",
    ],
)
def test_releases_of_one_recording_fold_together(title):
    assert fold_title(title) == "heroes"


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Heroes - Live", "heroes live"),
        ("Heroes (Acoustic)", "heroes acoustic"),
        ("Heroes - Live (Remastered)", "heroes live"),
        ("Heroes - Someone's Remix", "heroes someones remix"),
        ("Heroes - Instrumental", "heroes instrumental"),
        ("1999", "1999"),
        ("1999 - Remastered", "1999"),
        ("Remastered", "remastered"),
        ("(Remastered)", "remastered"),
        ("Deluxe Edition", "deluxe edition"),
        ("Song - 2011", "song 2011"),
        ("(I Can't Get No) Satisfaction", "i cant get no satisfaction"),
        ("With or Without You", "with or without you"),
        ("Defeat", "defeat"),
        ("", ""),
        ("!!!", "!!!"),
    ],
)
def test_other_recordings_and_bare_titles_keep_their_words(title, expected):
    assert fold_title(title) == expected


@given(st.text(max_size=30))
def test_a_title_never_folds_to_nothing(title):
    assert bool(fold_title(title)) == bool(normalize(title))


@pytest.mark.parametrize(
    "unit", ["a", "é ", "$", "!a", "ft ", "(", " - ", "e\u0301", "宇", "😀", "\u202e", " feat. ", "[("]
)
def test_ten_thousand_characters_are_quick(unit):
    text = unit * (10_000 // len(unit)) + "("
    assert effort(lambda: [analyse(text) for analyse in (normalize, index_terms, trigrams, fold_title)]) < 15


@given(st.text(st.characters(), max_size=40), st.integers(0, 60))
def test_a_beginning_is_as_many_whole_characters_as_are_read(text, times):
    whole = text * times
    read = beginning(whole)
    assert whole.startswith(read)
    assert len(read.encode("utf-8", "surrogatepass")) <= MAX_READ_BYTES
    assert read == whole or len(whole.encode("utf-8", "surrogatepass")) > MAX_READ_BYTES
    assert beginning(read) == read


def test_a_beginning_of_known_length():
    assert beginning("a" * 751) == "a" * 750
    assert beginning("a" + "é" * 400) == "a" + "é" * 374  # two bytes each, and no half of one
    assert beginning("🎵" * 300) == "🎵" * 187
    assert beginning("ab " * 250 + "c") == ("ab " * 250).rstrip()
