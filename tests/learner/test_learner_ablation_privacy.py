"""A page that was made with and without each retriever waits in the learner's state without anybody's name."""

from __future__ import annotations

from bandstand.feedback.ablation import Ablation, ablation_event, choices
from bandstand.learner.gate_labels import Recorded
from bandstand.types import Query


class Open:
    """One open search."""

    finalized = False

    def get(self, _query_id):
        return self


class State(dict):
    """The learner's state, in memory."""

    def put(self, key, value):
        self[key] = value

    def delete(self, key):
        del self[key]


def test_who_searched_is_not_kept():
    query = Query(id="q", text="halo", normalized="halo", user_id="ann", session_id="evening of ann")
    pages = dict.fromkeys(choices(("dense",)), ("a",))
    made = Ablation(query_id="q", retrievers=("dense",), pages=pages, context=(), hit_rates={"dense": 0.5})
    state = State()
    recorded = Recorded(state, Open())
    assert recorded.keep(ablation_event(made, query, now=1.0))
    assert not any(b"ann" in value for value in state.values())
    assert recorded.take("q") == made
    assert not state
