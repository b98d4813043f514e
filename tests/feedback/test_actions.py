"""What is particular to an action is told once: one more entry, and every part knows it."""

from __future__ import annotations

import json
import subprocess
import sys

from bandstand.feedback.behaviour import HIT_FEATURES, LOGGED, SEARCH_FEATURES
from bandstand.feedback.reward_model import FEATURE_HASH
from bandstand.types.actions import ACTIONS

ONE_MORE = """
import json
from bandstand.types.actions import ACTIONS, ActionSpec

ACTIONS["share"] = ActionSpec(worth=0.6, satisfies=True)

from bandstand.feedback.behaviour import HIT_FEATURES, SEARCH_FEATURES
from bandstand.feedback.rewards import ends_well, grade_of
from bandstand.feedback.ubi_events import parse_event

event = parse_event({"action_name": "share", "event_attributes": {"object": {"object_id": "t:1"}}}, now=9.0)
print(json.dumps({
    "grade": grade_of(event),
    "ends well": ends_well(event.action, None),
    "features": [HIT_FEATURES, SEARCH_FEATURES],
}))
"""


def test_an_action_is_one_entry():
    found = json.loads(subprocess.run([sys.executable, "-c", ONE_MORE], check=True, capture_output=True).stdout)
    assert (found["grade"], found["ends well"]) == (0.6, True)
    done = len(HIT_FEATURES) - len(LOGGED)
    assert found["features"] == [
        [*HIT_FEATURES[:done], "share_count", *LOGGED],
        [*SEARCH_FEATURES, "share_count"],
    ]


def test_reward_models_of_the_last_version_still_fit():
    """A model is refused whose features have other names or another order: this is what they had."""
    assert tuple(ACTIONS) == ("click", "play", "save", "skip")
    assert FEATURE_HASH == "efa5de009824859d"
