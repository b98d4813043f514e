"""How people ask: wordings, slips and counts by hand, and what a generator makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.catalog.text import normalize
from bandstand.errors import ModelError
from bandstand.memory_index.generator import Generator, context, count_pairs, explain, wordings
from bandstand.memory_index.predicted import LONGEST_PHRASE, predicted_queries
from bandstand.memory_index.typos import TYPOS, Typos, mistyped, typos_between
from bandstand.types import Attribute, Entity

SONG = Entity(
    id="s", kind="track", title="Purple Rain Again (Remastered)", artists=("Tom Waits",), album="Rain Dogs",
    attributes=(Attribute("genre", "blues", 0.9), Attribute("genre", "rock", 0.5), Attribute("label", "x")),
)  # fmt: skip
FOREIGN = Entity(id="f", kind="track", title="初恋", artists=("宇多田ヒカル",))


def song(number):
    return Entity(id=f"s{number}", kind="track", title=f"Blue Song Number {number}", artists=(f"Ann Band{number}",))


@pytest.fixture(scope="module")
def counted():
    """People who ask by surname and first word: 90; by nickname: 10."""
    usual = [(normalize(f"band{n} blue"), song(n)) for n in range(90)]
    return count_pairs([*usual, *((f"that thing {n}", song(n)) for n in range(10))])


class TestWordings:
    def test_names_are_shortened_ordered_and_combined(self):
        found = wordings(SONG)
        expected = {
            "title": "purple rain again remastered", "folded": "purple rain again", "first": "purple",
            "first two": "purple rain", "last": "again", "surname+first two": "waits purple rain",
            "folded+artist": "purple rain again tom waits", "artist+album": "tom waits rain dogs",
            "genre": "blues", "artist+genre": "tom waits blues", "genre+kind": "blues track",
        }  # fmt: skip
        assert {form: found[form] for form in expected} == expected
        assert len(set(found.values())) == len(found)
        assert not any("rock" in text for text in found.values())  # the surest genre alone

    def test_other_scripts_are_asked_for_in_latin_letters_too(self):
        assert wordings(FOREIGN)["latin"].isascii()
        assert "other script" in context(FOREIGN)[-1]

    def test_nothing_has_no_wording_but_its_kind(self):
        assert wordings(Entity(id="x", kind="artist", title="")) == {"kind": "artist"}


class TestSlips:
    @pytest.mark.parametrize(
        ("typed", "typos"),
        [
            ("halo", []), ("hlo", ["omit"]), ("haalo", ["double"]), ("haxlo", ["insert"]), ("hako", ["replace"]),
            ("ahlo", ["swap"]), ("hlao", ["swap"]),
        ],
    )  # fmt: skip
    def test_they_are_recognised(self, typed, typos):
        assert typos_between("halo", typed) == typos

    @given(st.text("abcdef ", min_size=2, max_size=20), st.sampled_from(TYPOS), st.integers(0, 2**32))
    def test_a_slip_changes_one_place(self, text, kind, seed):
        found = mistyped(text, kind, np.random.default_rng(seed))
        assert abs(len(found) - len(text)) == {"omit": 1, "double": 1, "insert": 1}.get(kind, 0)

    def test_people_who_never_slip_are_not_made_to(self):
        sure = Typos(numbers={"short": (1.0, 0.0, 0.0), "long": (1.0, 0.0, 0.0)}, cut=(1.0, 0.0))
        rng = np.random.default_rng(1)
        assert {sure.typed("hallelujah", rng) for _ in range(50)} == {"hallelujah"}


class TestExplaining:
    @pytest.mark.parametrize(
        ("query", "form", "typos", "cut"),
        [
            ("purple rain tom waits", "first two+artist", (), False),
            ("purple rian again remastered", "title", ("swap",), False),
            ("tom waits rai", "artist+album", (), True),
        ],
    )
    def test_a_query_is_the_nearest_wording(self, query, form, typos, cut):
        found = explain(query, SONG)
        assert (found.form, found.typos, found.cut) == (form, typos, cut)

    @pytest.mark.parametrize("query", ["that sad one from the film", "zz", ""])
    def test_a_nickname_is_none(self, query):
        assert explain(query, SONG) is None


class TestCounting:
    def test_it_says_what_share_no_wording_explains(self, counted):
        assert (counted.pairs, counted.unexplained) == (100, pytest.approx(0.1))

    def test_an_entity_that_nobody_asked_for_is_asked_for_alike(self, counted):
        stranger = Entity(id="n", kind="track", title="Green Hill Far Away", artists=("Mia Stone",))
        chances = counted.generator.chances(stranger)
        assert max(chances, key=chances.get) == "stone green"
        assert chances["stone green"] > 0.6
        assert sum(chances.values()) == pytest.approx(1)
        assert "stone green" in dict(counted.generator.predicted(stranger))
        assert "stone green" not in dict(predicted_queries(stranger))

    def test_other_kinds_learn_less_of_it(self, counted):
        as_album = Entity(id="n", kind="album", title="Green Hill Far Away", artists=("Mia Stone",))
        as_track = Entity(id="n", kind="track", title="Green Hill Far Away", artists=("Mia Stone",))
        album, track = (counted.generator.chances(each)["stone green"] for each in (as_album, as_track))
        assert 0.2 < album < track

    def test_it_reads_what_it_wrote(self, counted):
        again = Generator.from_bytes(counted.generator.to_bytes())
        assert again.chances(SONG) == counted.generator.chances(SONG)
        assert again.typos == counted.generator.typos

    @pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"format": "other", "slips": {}}'])
    def test_what_is_none_is_refused(self, raw):
        with pytest.raises(ModelError, match="bandstand train generator"):
            Generator.from_bytes(raw)


class TestUnseen:
    def test_it_asks_by_names_first(self):
        chances = Generator.unseen().chances(SONG)
        assert max(chances, key=chances.get) == "purple rain again remastered"

    def test_it_poses_alike_with_the_same_seed(self):
        one, two = (Generator.unseen().sample(SONG, np.random.default_rng(4)) for _ in range(2))
        assert one == two
        assert one[0] in wordings(SONG).values()

    @given(
        st.builds(
            Entity, id=st.just("x"), kind=st.sampled_from(["track", "artist", "playlist"]), title=st.text(max_size=60),
            artists=st.lists(st.text(max_size=30), max_size=2).map(tuple), popularity=st.floats(0, 1),
        )
    )  # fmt: skip
    def test_any_entity_has_proper_predictions(self, entity):
        found = Generator.unseen().predicted(entity)
        assert all(0 < score < 1 and 0 < len(text) <= LONGEST_PHRASE for text, score in found)
        assert len({text for text, _ in found}) == len(found)
