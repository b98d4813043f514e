"""What users of navidrome, lms, ampache, meilisearch and typesense complain of, each complaint as a test."""

from __future__ import annotations

import pytest

# Literal music search.


def test_did_you_mean_navidrome_255(small):
    correction = small.correct("tayler swift")
    assert (correction.text, correction.mode) == ("taylor swift", "showing")


def test_accents_do_not_matter_lms_579(small):
    assert small.found(small.lexical, "Royksopp")[0] == "royksopp"
    assert small.found(small.lexical, "Röyksopp")[0] == "royksopp"
    assert small.found(small.structured, "royksopp")[0] == "royksopp"
    assert small.correct("royksopp") is None


@pytest.mark.parametrize("typed", ["aint no mountain", "ain't no mountain", "ain’t no mountain", "AIN`T NO MOUNTAIN"])
def test_apostrophes_do_not_matter_pixelplayer_2179(small, typed):
    assert small.found(small.structured, typed)[0] == "mountain"
    assert small.found(small.lexical, typed)[0] == "mountain"


def test_words_may_be_spread_over_fields(small):
    assert small.found(small.structured, "want christmas bublé")[0] == "bublé"
    assert small.found(small.lexical, "want christmas bublé")[0] == "bublé"


def test_an_artists_name_finds_the_songs_ampache_4515(small):
    found = small.found(small.structured, "ed sheeran")
    assert set(found[:3]) == {"sheeran", "shape", "perfect"}


@pytest.mark.parametrize("typed", ["utada hikaru", "utada", "宇多田ヒカル", "宇多田"])
def test_romanised_names_navidrome_121(small, typed):
    assert set(small.found(small.structured, typed)[:2]) == {"utada", "first-love"}


def test_misspelt_artists_spotify_268(small):
    assert small.correct("Ed Sheerun").text == "ed sheeran"
    assert set(small.found(small.structured, "Ed Sheerun")[:3]) == {"sheeran", "shape", "perfect"}


# Typo tolerance that overreaches.


def test_greece_is_not_greener_meilisearch_1358(small):
    assert small.correct("greece") is None
    assert "greener" not in small.found(small.structured, "greece")


@pytest.mark.parametrize(("typed", "other"), [("summer hits 2024", "hits-2025"), ("summer hits 2025", "hits-2024")])
def test_2024_is_not_2025(small, typed, other):
    assert small.correct(typed) is None
    found = small.found(small.structured, typed)
    assert found[0] != other


@pytest.mark.parametrize("typed", ["2026", "1998", "summer hits 2023", "90s"])
def test_numbers_are_never_corrected(small, typed):
    assert small.correct(typed) is None


@pytest.mark.parametrize("typed", ["ge", "gie", "hel", "blk"])
def test_very_short_words_are_never_corrected(small, typed):
    assert small.correct(typed) is None


def test_exact_comes_before_typo_typesense_1364(small):
    """Whatever is a name or a word of the catalogue is not replaced, however much more common its neighbour is."""
    for ordinal in range(small.catalog.columns.n):
        for text in (small.catalog.columns.titles[ordinal], small.catalog.columns.names[ordinal]):
            correction = small.correct(text)
            assert correction is None or correction.mode == "suggest"
    assert small.found(small.structured, "hello")[0] in {"hello", "hello-richie"}
