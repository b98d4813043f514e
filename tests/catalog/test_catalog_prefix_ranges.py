import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from bandstand.catalog.prefix import one_typo, under

TEXTS = sorted(
    ["beatles", "beyonce halo", "bonnie", "halo", "hallelujah", "hello", "help", "help 2024", "宇多田ヒカル"]
)


def picked(find, typed, texts=TEXTS):
    return [text for each in find(texts, typed) for text in texts[each]]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", TEXTS),
        ("hel", ["hello", "help", "help 2024"]),
        ("宇", ["宇多田ヒカル"]),
        ("x", []),
    ],
)
def test_what_begins_as_typed(typed, expected):
    assert picked(under, typed) == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("beyonse", ["beyonce halo"]),  # another letter
        ("beyonnce", ["beyonce halo"]),  # one too many
        ("beynce h", ["beyonce halo"]),  # one missing
        ("byeonce", ["beyonce halo"]),  # two swapped
        ("eba", []),  # too short
        ("ebatles", ["beatles"]),
        ("bbeatles", ["beatles"]),
        ("teatles", []),  # the first letter is meant
        ("help 2025", []),  # digits do not slip
        ("help 204", []),
        ("help 2o24", []),  # nor does a letter become one
        ("hello", []),  # what begins as typed is no slip
        ("宇多田ひカル", ["宇多田ヒカル"]),
        ("zzzz", []),
    ],
)
def test_what_is_one_slip_away(typed, expected):
    assert picked(one_typo, typed) == expected


@settings(deadline=None)
@given(st.lists(st.text("abc", max_size=7), max_size=12), st.text("abc", min_size=4, max_size=7))
def test_it_is_what_comparing_with_every_text_finds(some, typed):
    texts = sorted(some)

    def mistyped(text):
        near = [text[:n] for n in range(len(text) + 1) if OSA.distance(text[:n], typed) == 1]
        first = any(one[:1] == typed[0] or one == typed[1:] or one[:2] == typed[1::-1] for one in near)
        return first and not text.startswith(typed)

    assert picked(one_typo, typed, texts) == [text for text in texts if mistyped(text)]


def test_ranges_are_disjoint_and_ascending():
    found = one_typo(["aaaa", "aaab", "aaba", "abaa", "baaa"], "aaaaa")
    assert all(one.stop < two.start for one, two in itertools.pairwise(found))
