"""What training keeps of the log: read once, bounded, and to every model what the log itself would be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandstand.feedback.joined import joined
from bandstand.feedback.reward_model import BY_CONSTANTS
from bandstand.feedback.sessions import sessions
from bandstand.learner.gate_labels import log_labels
from bandstand.learner.lessons import lessons
from bandstand.learner.train_ranker import clicks_set
from bandstand.ranker.features import FeatureSet
from bandstand.retrievers.registry import BUILT_IN

LAYOUT = FeatureSet(BUILT_IN).layout


@pytest.fixture
def log(small):
    """Four searches with a click on one of their hits, two without."""
    for number in range(6):
        on = small.search("hurt", policy="all", user=f"u{number}", k=2)
        if number % 3:
            small.act(on.impression.entity_ids[number % 4], on=on)
        small.clock.pass_(10)
    small.storage.log.flush()
    return small.storage.log


def test_the_models_learn_what_they_would_from_the_log_itself(log):
    kept = lessons(iter(list(joined(log))), BUILT_IN)
    whole, span = clicks_set(joined(log), LAYOUT)
    upper, same = clicks_set(kept.graded(BY_CONSTANTS), LAYOUT)
    assert same == span
    np.testing.assert_array_equal(upper.features, whole.features)
    np.testing.assert_array_equal(upper.grades, whole.grades)
    np.testing.assert_array_equal(upper.positions, whole.positions)
    assert list(kept.labels) == list(log_labels(joined(log), BUILT_IN))
    assert [[one.interactions for one in session] for session in sessions(kept.recent)] == [
        [one.interactions for one in session] for session in sessions(joined(log))
    ]


def test_of_a_clicked_search_the_hits_down_to_the_last_that_was_shown_or_clicked_are_kept(log):
    shown, clicked = 2, [1, 2, 0, 1]  # rows
    kept = lessons(joined(log), BUILT_IN).clicked
    assert [len(search.impression.features) for search in kept] == [max(shown, row + 1) for row in clicked]
    assert all(search.impression.features.base is None for search in kept)
    whole = lessons(joined(log), BUILT_IN, shown=as_if_all_was_shown).clicked
    assert all(len(search.impression.features) == len(search.impression.ordinals) > 3 for search in whole)


def as_if_all_was_shown(search):
    impression = search.impression
    return replace(search, impression=replace(impression, shown=len(impression.features)))


def test_the_newest_are_kept(log, monkeypatch):
    monkeypatch.setattr("bandstand.learner.lessons.MOST_CLICKED", 2)
    newest = [search.impression.query.id for search in joined(log)][-2:]
    assert [search.impression.query.id for search in lessons(joined(log), BUILT_IN).clicked] == newest


def test_searches_that_people_made_elsewhere_teach_no_reward(log):
    elsewhere = (imported(search) for search in joined(log))
    kept = lessons(elsewhere, BUILT_IN)
    assert not kept.recent
    assert len(kept.clicked) == 4


def imported(search):
    decision = replace(search.impression.decision, policy="imported")
    return replace(search, impression=replace(search.impression, decision=decision))
