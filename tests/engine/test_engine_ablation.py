"""Pages with and without each expensive arm: the same as if it had really been left out; recorded after the answer."""

from __future__ import annotations

import threading

import pytest
import structlog

from bandstand.bandit.policy import FULL_DEPTH, FixedPolicy
from bandstand.engine.ablation import WAITING, Ablator, Records, ablate, sampled
from bandstand.engine.request import SearchRequest
from bandstand.engine.runner import Load
from bandstand.feedback.ablation import SHOWN, ablation_of, choices
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types.hashing import uniform
from tests.support.small_home import ids, track

QUERIES = ("halo", "hlelo", "beyonce hallo", "sad songs", "miles davis", "宇多田ヒカル", "")


def recordings(home, page):
    """A page of entities as recordings: which of two releases stands for one depends on what played."""
    columns = home.catalog.columns
    key_of = dict(zip(columns.ids.tolist(), columns.dedupe_key.tolist(), strict=True))
    return [key_of[entity] for entity in page]


def really(home, text, choice):
    """The page of a search in which exactly these expensive arms played."""
    arms = [arm for arm in BUILT_IN.names if arm not in BUILT_IN.expensive or arm in choice]
    policy = FixedPolicy(name="some", depths=dict.fromkeys(arms, FULL_DEPTH))
    engine = home.engine
    return engine.answer(engine.query(SearchRequest(query=text)), policy).impression.entity_ids[:SHOWN]


@pytest.mark.parametrize("text", QUERIES)
def test_each_page_is_what_really_leaving_arms_out_shows(small, text):
    home = small.home
    shown = small.search("hello", user="ana", session="s")
    small.play("hello", on=shown)
    small.learn()
    query = home.engine.query(SearchRequest(query=text))
    record = ablate(home.engine, query)
    assert set(record.pages) == set(choices(BUILT_IN.expensive))
    for choice, page in record.pages.items():
        assert recordings(home, page) == recordings(home, really(home, text, choice))


def test_what_is_known_before_is_the_bandits_own_context(small):
    query = small.home.engine.query(SearchRequest(query="halo"))
    record = ablate(small.home.engine, query)
    context = dict(record.context)
    assert context["memory_known"] in {0.0, 1.0}
    assert context["count_dense"] == 0.0
    assert set(record.hit_rates) == set(BUILT_IN.expensive)


def test_a_recording_keeps_the_name_by_which_it_was_shown(small):
    """Two releases of one recording are one hit; which one stands for it depends on what played."""
    home = small.home
    shown = small.search("halo beyonce", policy="all").impression
    record = ablate(home.engine, shown.query, shown=shown)
    keys = home.catalog.columns.dedupe_key
    mine = {int(keys[ordinal]): entity for ordinal, entity in zip(shown.ordinals, shown.entity_ids, strict=True)}
    for page in record.pages.values():
        for entity in page:
            assert entity == mine.get(int(keys[small.ordinal(entity)]), entity)


def test_a_share_is_drawn_by_the_id():
    drawn = [sampled(f"q{number}", share=0.1, seed=3) for number in range(5_000)]
    assert sum(drawn) == pytest.approx(500, abs=70)
    assert drawn == [sampled(f"q{number}", share=0.1, seed=3) for number in range(5_000)]
    assert drawn != [sampled(f"q{number}", share=0.1, seed=4) for number in range(5_000)]
    assert 0.0 <= uniform(1, "\ud800") < 1.0


def ablator(small, *, share=1.0, load=None, append=None, engine=None):
    home = small.home
    records = Records(append=append or home.log.append_events, impression=home.log.impression)
    return Ablator(engine or home.engine, records, load=load or Load(1), clock=small.clock, share=share, seed=1)


def recorded(small, query_id):
    return [record for event in small.home.log.events_of(query_id, limit=9) if (record := ablation_of(event))]


def test_it_records_what_was_answered(small):
    result = small.search("halo")
    worker = ablator(small)
    worker.offer(result.impression)
    worker.wait()
    worker.close()
    (record,) = recorded(small, result.impression.query.id)
    assert record.pages[frozenset(BUILT_IN.expensive)][: len(ids(result))]
    assert (worker.made, worker.dropped) == (1, 0)


def test_what_was_forgotten_meanwhile_is_not_written_again(small):
    result = small.search("halo", user="ana")
    small.home.log.flush()
    small.home.log.delete_user("ana")
    worker = ablator(small)
    worker.offer(result.impression)
    worker.wait()
    worker.close()
    assert worker.made == 0
    assert recorded(small, result.impression.query.id) == []


def test_nothing_is_taken_that_is_not_sampled_and_nothing_after_the_end(small):
    impression = small.search("halo").impression
    worker = ablator(small, share=0.0)
    worker.offer(impression)
    worker.wait()
    assert worker.made == 0
    busy = ablator(small)
    busy.close()
    busy.offer(impression)
    busy.wait()
    assert busy.made == 0


def test_an_unforeseen_error_costs_one_record_and_not_the_thread(small):
    """Whatever goes wrong with one search, those after it are recorded."""
    results = [small.search(text) for text in ("halo", "one")]
    failures = iter([KeyError("no such column")])

    def append(events):
        for failure in failures:
            raise failure
        small.home.log.append_events(events)

    worker = ablator(small, append=append)
    with structlog.testing.capture_logs() as logs:
        for result in results:
            worker.offer(result.impression)
            worker.wait()
    worker.close()
    assert [len(recorded(small, result.impression.query.id)) for result in results] == [0, 1]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("not_recorded", "error")]


def test_an_entity_that_arrives_between_page_and_record_is_in_the_record(small):
    """The second answer sees a newer catalogue than the first: its pages are made with the catalogue that it saw."""
    result = small.search("halo")
    answer = small.home.engine.answer

    class Engine:
        def answer(self, query, policy, *, whole):
            small.storage.store.upsert([track("halo-live", "Halo", "Beyoncé", year=2009, album="Live")])
            small.learning_side.index()
            small.home.refresh()
            return answer(query, policy, whole=whole)

    worker = ablator(small, engine=Engine())
    worker.offer(result.impression)
    worker.wait()
    worker.close()
    (record,) = recorded(small, result.impression.query.id)
    assert any("halo" in entity for entity in record.pages[frozenset(BUILT_IN.expensive)])


def test_a_full_queue_drops_and_never_waits(small):
    held = threading.Event()
    worker = ablator(small, append=lambda _: held.wait(20))
    impression = small.search("halo").impression
    for _ in range(WAITING + 5):
        worker.offer(impression)
    assert worker.dropped >= 4
    held.set()
    worker.close()
