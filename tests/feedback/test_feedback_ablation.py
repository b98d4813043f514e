"""With and without each expensive arm: verdicts by hand, and a record that survives the log and its exports."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import StorageError
from bandstand.feedback.ablation import ABLATION, Ablation, ablation_event, ablation_of, choices, ladder, useful
from bandstand.feedback.joined import joined
from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.feedback.ubi_events import parse_events
from bandstand.types import Query

ARMS = ("trigram", "dense")
NONE, TRIGRAM, DENSE, BOTH = frozenset(), frozenset({"trigram"}), frozenset({"dense"}), frozenset(ARMS)


def record(**changes):
    pages = {NONE: ("a", "b"), TRIGRAM: ("b", "a"), DENSE: ("a", "c"), BOTH: ("c", "b", "a")}
    values = {
        "query_id": "q1", "retrievers": ARMS, "pages": pages, "context": (("bias", 1.0), ("lexical_top", 0.25)),
        "hit_rates": {"trigram": 0.5, "dense": 0.1}, "ranker": "v1",
    }  # fmt: skip
    return Ablation(**{**values, **changes})


@pytest.mark.parametrize(
    ("without", "with_it", "expected"),
    [(0, 10, True), (0, 0, False), (1, 0, False), (2, 1, True), (3, 2, False), (10, 5, True), (10, 6, False)],
)
def test_useful_is_on_the_page_or_clearly_higher(without, with_it, expected):
    assert useful(without, with_it) is expected


def test_of_two_arms_that_find_the_same_the_cheaper_one_helped():
    ranks = {NONE: 0, TRIGRAM: 1, DENSE: 1, BOTH: 1}
    verdicts = ladder(ARMS, ranks.__getitem__)
    assert (verdicts["trigram"].useful, verdicts["trigram"].gain) == (True, 1.0)
    assert (verdicts["dense"].useful, verdicts["dense"].gain) == (False, 0.0)


def test_an_arm_that_did_not_help_is_left_out_when_the_next_is_judged():
    ranks = {NONE: 4, TRIGRAM: 5, DENSE: 2, BOTH: 5}
    verdicts = ladder(ARMS, ranks.__getitem__)
    assert (verdicts["trigram"].useful, verdicts["trigram"].gain) == (False, pytest.approx(-0.05))
    assert (verdicts["dense"].useful, verdicts["dense"].gain) == (True, 0.25)


def test_the_record_by_hand():
    verdicts = record().verdicts({"b"})
    assert verdicts["trigram"].useful  # from 2 to 1
    assert not verdicts["dense"].useful  # beside trigram, b falls to 2
    assert record().rank(BOTH, {"nowhere"}) == 0


@given(st.lists(st.text(min_size=1, max_size=5), max_size=10, unique=True), st.text(max_size=20))
def test_a_record_survives_being_an_event(ids, ranker):
    written = record(pages=dict.fromkeys(choices(ARMS), tuple(ids)), ranker=ranker)
    query = Query(id="q1", text="x", normalized="x", user_id="ana", time=5.0)
    event = ablation_event(written, query, now=6.0)
    assert ablation_of(event) == written
    assert (event.query_id, event.user_id, event.time) == ("q1", "ana", 6.0)


def test_other_events_hold_no_record_and_a_damaged_one_says_so():
    query = Query(id="q1", text="x", normalized="x")
    event = ablation_event(record(), query, now=6.0)
    assert ablation_of(replace(event, action="click")) is None
    with pytest.raises(StorageError, match="damaged"):
        ablation_of(replace(event, payload="{}"))
    without_a_page = event.payload.replace("[[],0],", "")
    with pytest.raises(StorageError, match="damaged"):
        ablation_of(replace(event, payload=without_a_page))


def test_clients_cannot_send_one():
    parsed = parse_events(f'{{"action_name": "{ABLATION}", "query_id": "q1"}}'.encode(), None, now=1.0)
    assert not parsed.events
    assert ABLATION in parsed.rejected[0].reason


def test_it_is_joined_exported_once_and_goes_with_its_user(tmp_path, make):
    from bandstand.feedback.formats.export import export

    with SqliteLog(tmp_path / "log.sqlite", clock=lambda: 100.0) as log:
        impression = make.impression("q1", user="ana", time=100.0)
        log.append_impression(impression)
        for _ in range(2):
            log.append_events([ablation_event(record(), impression.query, now=101.0)])
        (search,) = joined(log)
        assert [ablation_of(event) for event in search.events] == [record()]
        assert search.outcome().reward == 0.0
        written = io.BytesIO()
        assert export(log, "ubi", written) == 2
        assert ABLATION.encode() in written.getvalue()
        log.delete_user("ana")
        assert log.count() == 0
