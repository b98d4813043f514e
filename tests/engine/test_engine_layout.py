"""Pages as they are shown and logged: kinds mixed, sections, and what neither may change."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.engine.layout import Layout
from bandstand.memory_index.curation import Curation
from bandstand.types import Entity
from tests.support.small_home import SmallHome, ids, track

LOVE = (
    *(track(f"love-{n}", "Love", f"Singer {n}", popularity=0.9 - n / 100) for n in range(14)),
    Entity(id="love-artist", kind="artist", title="Love", popularity=0.5),
    Entity(id="love-list", kind="playlist", title="Love", popularity=0.5),
    track("other", "Something Else", "Nobody"),
)
OBSCURE = tuple(Entity(id=f"album-{n}", kind="album", title="Love", artists=(f"Band {n}",)) for n in range(8))


@pytest.fixture
def loving(tmp_path):
    opened = SmallHome(tmp_path / "love", entities=LOVE)
    yield opened
    opened.close()


def kinds(result):
    return [hit.entity.kind for hit in result.hits]


class TestMixing:
    def test_an_ambiguous_query_gets_every_kind_that_it_may_mean(self, loving):
        page = loving.search("love", policy="all")
        assert {"track", "artist", "playlist"} <= set(kinds(page))

    def test_the_best_answer_and_the_order_within_a_kind_stay(self, loving):
        mixed, plain = (loving.search("love", policy="all", k=17, mix=mix) for mix in (True, False))
        assert ids(mixed)[0] == ids(plain)[0]
        assert set(ids(mixed)) == set(ids(plain))
        for kind in set(kinds(plain)):
            own = [[hit.entity.id for hit in page.hits if hit.entity.kind == kind] for page in (mixed, plain)]
            assert own[0] == own[1]

    def test_what_is_shown_is_what_is_logged(self, loving):
        page = loving.search("love", policy="all")
        loving.home.log.flush()
        logged = loving.home.log.impression(page.impression.query.id)
        assert list(logged.entity_ids[:10]) == ids(page)
        for row, ordinal in enumerate(logged.ordinals.tolist()):
            assert logged.entity_ids[row] == loving.home.catalog.columns.ids[ordinal]
        scorer = loving.home.serving().scorer
        assert scorer.score(logged.features) == pytest.approx(logged.scores, rel=2**-10)  # both have eleven bits

    def test_pages_go_on_in_the_mixed_order_whatever_their_length(self, loving):
        whole = loving.search("love", policy="all", k=17)
        short = loving.search("love", policy="all", k=4)
        more = loving.search("love", k=4, offset=4, query_id=short.impression.query.id)
        assert ids(short) + ids(more) == ids(whole)[:8]

    def test_it_can_be_switched_off_for_the_server_and_on_for_a_request(self, tmp_path):
        plain = SmallHome(tmp_path / "plain", entities=(*LOVE, *OBSCURE), mix_kinds=False)
        off, on = plain.search("love", policy="all"), plain.search("love", policy="all", mix=True)
        assert (np.diff(off.impression.scores) <= 0).all()
        assert ids(on) != ids(off)
        plain.close()

    def test_one_kind_asked_for_is_left_as_ranked(self, loving):
        page = loving.search("love", policy="all", kinds=("track",))
        assert (np.diff(page.impression.scores) <= 0).all()

    def test_replays_and_self_play_see_the_ranking(self, loving):
        engine = loving.home.engine
        query = loving.search("love", policy="all").impression.query
        answer = engine.answer(query, engine.policy("all"))
        assert (np.diff(answer.impression.scores) <= 0).all()


class TestSections:
    def test_hits_by_kind_the_likeliest_first(self, loving):
        page = loving.search("love", policy="all", sections=True)
        assert len(page.sections) >= 3
        likelihoods = [section.likelihood for section in page.sections]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert sum(likelihoods) == pytest.approx(1)
        for section in page.sections:
            assert {hit.entity.kind for hit in section.hits} == {section.kind}
        assert [hit for section in page.sections for hit in section.hits] == list(page.hits)

    def test_the_order_of_sections_is_what_is_logged(self, loving):
        page = loving.search("love", policy="all", sections=True)
        assert list(page.impression.entity_ids[:10]) == ids(page)
        assert [hit.position for hit in page.hits] == list(range(1, 11))

    def test_a_further_page_keeps_its_positions(self, loving):
        first = loving.search("love", policy="all", k=4)
        second = loving.search("love", k=8, offset=4, query_id=first.impression.query.id, sections=True)
        assert sorted(hit.position for section in second.sections for hit in section.hits) == list(range(5, 13))

    def test_an_empty_page_has_none(self, loving):
        assert loving.search("love", kinds=("podcast",), sections=True).sections == ()
        assert loving.search("love").sections is None

    def test_pins_and_blocks_hold_within_sections(self, loving):
        page = loving.search("love", policy="all", k=17, mix=False)
        last, first = page.impression.ordinals[16], page.impression.ordinals[0]
        engine, query = loving.home.engine, page.impression.query
        engine._curation = lambda _: Curation(pinned=(int(last),), blocked=frozenset({int(first)}))
        answer = engine.answer(query, engine.policy("all"), layout=Layout(mix=True, sections=True))
        shown = answer.impression.ordinals.tolist()
        assert first not in shown
        kind = loving.home.catalog.columns.kind
        assert next(one for one in shown if kind[one] == kind[last]) == last
