"""Same intent, learned without labels from people of whom some stray, judged by what they really wanted."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.feedback.intent import INTENT_FEATURES, intent_features
from bandstand.feedback.reward_training import ENOUGH_PAIRS, intent_model
from bandstand.feedback.sessions import sessions
from tests.support.sessions import listeners, page


def judged(model, searches):
    """P(same intent) of every second search of a session, and whether it was meant so."""
    pairs = [
        (search.impression, search.following)
        for session in sessions(searches)
        for search in session
        if search.following is not None
    ]
    believed = np.array([model(intent_features(*pair))[0] for pair in pairs])
    return believed, np.array([later.query.id.endswith("b") for _, later in pairs])


@pytest.mark.parametrize("strays", [0.3, 0.6])
def test_nine_of_ten_that_are_believed_were_meant_so(strays):
    trained = intent_model(list(sessions(listeners(2_500, strays=strays))), seed=1)
    believed, truth = judged(trained.model, listeners(1_500, seed=8, strays=strays))
    accepted = believed >= 0.5
    assert truth[accepted].mean() >= 0.9
    assert accepted[truth].mean() >= 0.9
    assert trained.share == pytest.approx(1 - strays, abs=0.15)


def test_the_share_in_common_is_counted_by_hand():
    earlier, later = page("a", "sigor ros", hits=("x", "y", "z")), page("b", "sigur ros", hits=("z", "w"))
    found = dict(zip(INTENT_FEATURES, intent_features(earlier, later)[0].tolist(), strict=True))
    assert (found["shared"], found["found_before"], found["words"]) == (0.5, 0.5, 2)
    assert found["found_rank"] == pytest.approx(1 / 3)
    assert found["ratio"] == pytest.approx(8 / 9)


def test_pages_without_hits_have_nothing_in_common():
    assert intent_features(page("a", hits=()), page("b", hits=())).shape == (1, len(INTENT_FEATURES))


def test_too_few_pairs_teach_nothing():
    assert intent_model(list(sessions(listeners(ENOUGH_PAIRS))), seed=1) is None
