"""Pages and hits as records: sequences, tables, explanations, and nothing of a title that a browser would run."""

from __future__ import annotations

import pytest

import bandstand as bs
from bandstand.door.pages import Explanation

EVIL = '<script>alert("x")</script>'


def test_a_page_is_a_sequence_of_hits(music):
    page = music.search("halo", policy="all")
    assert len(page) == len(list(page)) > 2
    assert page[-1] is list(page)[-1]
    assert page[:2] == (page[0], page[1])
    assert page[0] in page
    assert [hit.position for hit in page] == list(range(1, len(page) + 1))
    with pytest.raises(IndexError):
        page[len(page)]


def test_a_hit_has_its_entitys_fields_at_hand(music):
    hit = music.search("halo beyonce")[0]
    assert (hit.id, hit.kind, hit.title, hit.artists, hit.year) == ("halo", "track", "Halo", ("Beyoncé",), 2008)
    assert hit.album == hit.entity.album == "I Am... Sasha Fierce"
    assert str(hit) == "1. Halo by Beyoncé (track, 2008)"
    assert {source.retriever for source in hit.sources} >= {"lexical"}


def test_a_page_reads_well_in_a_terminal(music):
    lines = repr(music.search("beyonse halo")).splitlines()
    assert lines[0].startswith("Page('beyonse halo', answered as 'beyonce halo', ")
    assert lines[1] == "  1. Halo by Beyoncé (track, 2008)"
    assert repr(music.search("halo", kinds="station")) == "Page('halo', 0 hits)"


def test_what_was_typed_can_be_insisted_on(music):
    page = music.search("beyonse halo", correct=False)
    assert page.corrected is None
    assert page.query == "beyonse halo"


def test_the_next_hits_are_of_the_same_search(music):
    page = music.search("halo", k=3, policy="all")
    further = page.next()
    assert further.query_id == page.query_id
    assert [hit.position for hit in further] == [4, 5, 6]
    assert not {hit.id for hit in page} & {hit.id for hit in further}
    assert further[0].click().position == 4
    assert music.platform.storage.log.count("impression") == 1


def test_as_a_data_frame(music):
    page = music.search("halo", policy="all")
    frame = page.to_pandas()
    assert frame.title.tolist() == [hit.title for hit in page]
    assert frame.position.tolist() == [hit.position for hit in page]
    assert frame.sources[0] == {source.retriever: source.rank for source in page[0].sources}
    empty = music.search("halo", kinds="station").to_pandas()
    assert (len(empty), list(empty.columns)) == (0, list(frame.columns))


def test_html_escapes_whatever_the_catalogue_and_the_query_hold(music):
    music.add({"id": "evil", "kind": "track", "title": EVIL, "artists": ["<b>Mallory</b>"]})
    music.index()
    page = music.search(EVIL, policy="all")
    assert page[0].id == "evil"
    for html in (page._repr_html_(), page.explain()._repr_html_()):
        assert "<script" not in html
        assert "<b>" not in html
    assert "&lt;script&gt;" in page._repr_html_()


@pytest.mark.parametrize("at_once", [False, True])
def test_why_a_page_is_as_it_is(music, at_once):
    page = music.search("beyonse halo", explain=at_once, policy="all")
    why = page.explain()
    assert isinstance(why, Explanation)
    text = str(why)
    assert "read as artist = beyonce, track = halo" in text
    assert "lexical: depth 200 (probability 1.000), ok" in text
    assert "1. Halo: score" in text
    contributions = why.to_pandas()
    assert contributions.index.tolist() == [hit.id for hit in page]
    hit = page[0].explain()
    assert hit.contributions == contributions.loc["halo"].to_dict()
    assert hit.bias + sum(hit.contributions.values()) == pytest.approx(page[0].score, abs=1e-4)


def test_an_empty_page_explains_itself(music):
    page = music.search("halo", kinds="station")
    assert "policy" in str(page.explain())
    assert page.explain().to_pandas().empty
    assert list(page.next()) == []


def test_hits_of_two_pages_are_equal_if_they_show_the_same(music):
    one, other = music.search("halo", policy="lexical")[0], music.search("halo", policy="lexical")[0]
    assert one == other
    assert isinstance(one, bs.Hit)
