"""Which titles are versions, and by which words they are asked for."""

import pytest

from bandstand.catalog.versions import version_words


@pytest.mark.parametrize(
    ("title", "artist", "expected"),
    [
        ("Comfortably Numb", "pink floyd", set()),
        ("Comfortably Numb - 2011 Remaster", "pink floyd", set()),
        ("Comfortably Numb (Single Version)", "pink floyd", set()),
        ("Comfortably Numb (Live at Pompeii)", "david gilmour", {"live", "pompeii"}),
        ("Comfortably Numb (Originally Performed by Pink Floyd)", "diamonds", {"performed"}),
        ("Comfortably Numb (Tribute to Pink Floyd)", "all stars", {"tribute"}),
        ("Pink Floyd - Comfortably Numb", "piano covers club", {"covers"}),
        ("Shadows Movement - Komytea Remix", "michael cassette", {"komytea", "remix"}),
        ("Live Forever", "oasis", set()),
        ("(I Can't Get No) Satisfaction", "the rolling stones", set()),
        ("", "", set()),
    ],
)
def test_words_that_ask_for_a_version(title, artist, expected):
    assert version_words(title, [artist]) == expected
