"""Labels from how sessions end, by hand."""

from __future__ import annotations

from bandstand.feedback.behaviour import is_strong
from bandstand.feedback.sessions import hit_moments, kept, search_moments, sessions
from tests.support.sessions import joined, listeners, page, search

CLICK, SHORT, LONG = (0, "click", 4.0), (0, "play", 9.0, 5.0), (0, "play", 44.0, 40.0)


def labels(moments):
    return [(moment.done, moment.row, moment.label) for moment in moments]


def test_a_click_that_a_long_play_follows_was_right():
    assert labels(hit_moments(search(CLICK, LONG))) == [(1, 0, True)]


def test_a_click_and_a_short_play_that_nothing_follows_were_wrong():
    assert labels(hit_moments(search(CLICK, SHORT))) == [(1, 0, False), (2, 0, False)]


def test_no_moment_holds_the_action_that_labels_it():
    found = list(hit_moments(search(CLICK, SHORT, (1, "click", 12.0), (1, "save", 14.0), LONG)))
    for moment in found:
        assert not any(
            is_strong(interaction)
            for interaction in moment.search.interactions[: moment.done]
            if interaction.row == moment.row
        )
    assert {moment.row for moment in found if moment.label} == {0}  # the last love holds, the save was left for it


def test_a_click_of_which_nobody_reports_what_came_is_no_example():
    assert labels(hit_moments(search(CLICK))) == labels(search_moments(search(CLICK))) == []


def test_a_page_that_nobody_touched_did_not_satisfy():
    assert labels(search_moments(search())) == [(0, None, False)]


def test_a_long_play_that_other_words_follow_was_in_vain():
    again = page("q2", "halo live", after=60.0)
    assert labels(hit_moments(search(CLICK, LONG, following=again))) == [(1, 0, False)]
    unrelated, late = page("q2", "zebra", after=60.0), page("q2", "halo live", after=300.0)
    for following in (unrelated, late):
        assert labels(hit_moments(search(CLICK, LONG, following=following))) == [(1, 0, True)]


def test_strong_actions_are_believed_as_often_as_they_were_kept():
    taken_back = search(CLICK, LONG, (0, "skip", 50.0))
    assert kept([search(CLICK, LONG), search(CLICK, SHORT), taken_back]) == (2, 1)


def test_sessions_are_put_in_order_whatever_the_logs_order():
    pages = [
        page("q3", after=50.0),
        page("q1"),
        page("q2", after=20.0),
        page("x", session=None),
        page("y", session=None),
    ]
    found = {tuple(s.impression.query.id for s in session) for session in sessions(joined(on) for on in pages)}
    assert found == {("q1", "q2", "q3"), ("x",), ("y",)}


def test_searches_hours_apart_are_of_different_sessions():
    (session,) = sessions([joined(page("q1")), joined(page("q2", after=7_200.0))])
    assert [search.following for search in session] == [None, None]


def test_a_bot_is_no_session():
    flood = [joined(page(f"q{number}", after=number / 10)) for number in range(1_000)]
    assert list(sessions(flood)) == []
    assert len(list(sessions(listeners(20)))) == 20
