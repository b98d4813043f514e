"""Moods, genres, kinds and periods asked for in other languages than English."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.bundled import load_bundled
from bandstand.catalog.columns import attribute_key
from bandstand.understanding.segments import segmented
from bandstand.understanding.synonyms import parse_synonyms

TABLE = parse_synonyms((files("bandstand.understanding") / "translations.txt").read_text("utf-8"))
NO_ATTRIBUTES = {"request", "kind", "intent", "year"}


def test_every_meaning_is_one_that_the_product_knows():
    known = {attribute_key(each.name, each.value) for entity in load_bundled() for each in entity.attributes}
    meant = {(slot.name, slot.value) for slots in TABLE.meanings.values() for slot in slots}
    assert {key for key in meant if key[0] not in NO_ATTRIBUTES} <= known
    assert len(TABLE.meanings) > 900


HAPPY, MELANCHOLIC, ROMANTIC = ("mood", "happy"), ("mood", "melancholic"), ("mood", "romantic")
ROCK, CLASSICAL, TRACK = ("genre", "rock"), ("genre", "classical"), ("kind", "track")
EIGHTIES, NINETIES = ("year", "1980-1989"), ("year", "1990-1999")


ASKED = (
    ("весёлая музыка", {HAPPY}),
    ("грустные песни 90-х", {MELANCHOLIC, TRACK, NINETIES}),
    ("рок восьмидесятых", {ROCK, EIGHTIES}),
    ("楽しい曲", {HAPPY, TRACK}),
    ("90年代のロック", {NINETIES, ROCK}),
    ("クラシック音楽", {CLASSICAL}),
    ("أغاني رومانسية", {TRACK, ROMANTIC}),
    ("موسيقى كلاسيكية", {CLASSICAL}),
    ("موسيقى حزينة", {MELANCHOLIC}),
    ("canciones alegres", {TRACK, HAPPY}),
    ("música triste de los 80", {MELANCHOLIC, EIGHTIES}),
    ("música clásica", {CLASSICAL}),
    ("chansons tristes", {TRACK, MELANCHOLIC}),
    ("rock des années 90", {ROCK, NINETIES}),
    ("musique romantique", {ROMANTIC}),
    ("fröhliche Lieder", {HAPPY, TRACK}),
    ("90er Rock", {NINETIES, ROCK}),
    ("klassische Musik", {CLASSICAL}),
    ("músicas felizes", {TRACK, HAPPY}),
    ("rock dos anos 80", {ROCK, EIGHTIES}),
    ("música romântica", {ROMANTIC}),
    ("快乐的歌", {HAPPY, TRACK}),
    ("90年代的摇滚", {NINETIES, ROCK}),
    ("古典音乐", {CLASSICAL}),
    ("悲伤 歌曲", {MELANCHOLIC, TRACK}),
)


@pytest.mark.parametrize(("query", "meant"), ASKED)
def test_what_is_asked_for_is_read(small, query, meant):
    slots = {(slot.name, slot.value) for slot in small.read(query).slots(least=0.5)}
    assert {key for key in slots if key[0] not in {"request", "text"}} == meant


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("рок восьмидесятых", {"gruppa"}),
        ("90年代のロック", {"creep", "black"}),
        ("أغاني رومانسية", {"love-story"}),
        ("canciones tristes", {"creep", "black"}),
        ("musique classique", {"moonlight"}),
        ("traurige Lieder", {"creep", "black"}),
        ("músicas felizes", {"shake", "gee"}),
        ("古典音乐", {"moonlight"}),
    ],
)
def test_what_is_asked_for_is_found_by_its_attributes(small, query, found):
    assert set(small.found(small.structured, query, depth=len(found))) == found


@pytest.mark.parametrize("query", ["Группа крови", "宇多田ヒカル", "First Love"])
def test_names_stay_names(small, query):
    (best, *_) = small.read(query).readings
    assert [sense.slot for sense in best.senses] in (["track"], ["artist"])


def test_an_artist_is_found_in_a_query_without_spaces(small):
    (best, *_) = small.read("宇多田ヒカルの曲").readings
    assert [(sense.slot, sense.value) for sense in best.senses] == [
        ("artist", "宇多田ヒカル"), ("request", "join"), ("kind", "track"),
    ]  # fmt: skip


def test_a_word_is_taken_apart_as_its_meanings_say():
    means, named = {"悲しい", "曲", "の"}.__contains__, {"悲しい熱帯", "夜"}.__contains__

    def words(text):
        return segmented(text, means=means, named=named)

    assert words("悲しい曲") == ["悲しい", "曲"]
    assert words("悲しい夜の曲 90s") == ["悲しい", "夜", "の", "曲", "90s"]
    assert words("悲しい熱帯") == ["悲しい熱帯"]  # a title
    assert words("悲しい何か") == ["悲しい何か"]  # of which a part is unknown
    assert words("sad songs") == ["sad", "songs"]


@given(st.text("悲しい曲の夜何 ", max_size=30), st.sets(st.text("悲しい曲の夜", min_size=1, max_size=3)))
def test_no_letter_is_lost(text, known):
    found = segmented(text, means=known.__contains__, named=lambda _: False)
    assert "".join(found) == "".join(text.split())
