"""What version 0.1 left in a home is read: the learner's records, an ablation, and a model's manifest and pointer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest

from bandstand.bandit.experiment import Split, Tally
from bandstand.feedback.ablation import Ablation, ablation_event, ablation_of, choices
from bandstand.feedback.behaviour import Interaction
from bandstand.learner.experiment import ExperimentKeeper, past_experiments, running_experiment
from bandstand.learner.open_searches import OpenSearch, OpenSearches
from bandstand.learner.outcome_metrics import OutcomeMetrics, read_outcomes
from bandstand.learner.parking import Parked, Parking, parked_entries
from bandstand.learner.query_stats import Day, QueryCounts, QueryStats, read_one_query
from bandstand.learner.relabelling import Sessions, WeakLabel, WeakLabels
from bandstand.memory_index.curation import all_edits, edits_of, stored
from bandstand.memory_index.generator import Generator
from bandstand.models.versions import ModelCard, Pointer, decode_manifest, decode_pointer, encode_pointer
from bandstand.types import Decision, Query
from tests.learner.test_learner_state import State

ASKED = b"asked/\xed\xa3_\xeb>A\x93\xeb"
EDITS = b"edits/\xed\xa3_\xeb>A\x93\xeb"
BOUND = b'{"alpha":0.05,"n":1,"total":%s,"squares":0.0625,"bets":0.5,"won":%s,"penalty":0.01207169878499658,"low":0.0}'
LAST = {
    ASKED: b'["halo",[],2,2,1,518400.0,[[5,1,1,0],[6,1,1,1]]]',
    EDITS: (
        b'[{"id":"1","time":1.5,"action":"score","query":"halo","entity_id":"e1","ordinal":3,"score":0.7,"by":"me",'
        b'"note":"n","undone":null},{"id":"2","time":2.5,"action":"pin","query":"halo","entity_id":"e2","ordinal":4,'
        b'"score":null,"by":"","note":"","undone":9.0}]'
    ),
    b"experiment/now": (
        b'{"split":{"id":"x1","a":"all","b":"bandit","share":0.25,"alpha":0.1,"window_s":60.0,"started":5.0},"test":'
        b'{"share":0.25,"alpha":0.1,"above":' + BOUND % (b"0.75", b"0.375") + b',"below":' + BOUND % (b"0.25", b"0.125")
        + b',"a":{"n":0,"total":0.0},"b":{"n":1,"total":0.75}},"stopped":null,"decided":null,"by_arm":'
        b'{"bandit":[2.0,1.5,2.0,5.0],"all":[1.0,0.0,0.0,2.5]}}'
    ),
    b"experiment/past/old": (
        b'{"split":{"id":"old","a":"all","b":"bandit","share":0.5,"alpha":0.05,"window_s":3600,"started":1.0},"test":'
        b'{"share":0.5,"alpha":0.05,"above":' + BOUND % (b"0.0", b"0.0") + b',"below":' + BOUND % (b"0.0", b"0.0")
        + b',"a":{"n":0,"total":0.0},"b":{"n":0,"total":0.0}},"stopped":5.0,"decided":null,"by_arm":{}}'
    ),
    b"experiment/ripe/000000000a037a00/bob": b"",
    b"experiment/visitor/ann": b"[true,null,0,0.0]",
    b"experiment/visitor/bob": b"[false,8.0,1,0.0]",
    b"hunch/dedebd56b80854cbe196f977/7": b'[["ab12","q1",5.0,0.5]]',
    b"ledger/m/00006553f0ec": b'{"searches":1.0,"reward":0.3}',
    b"open/q1": (
        b'\x00\x00\x10@\xfcT\xd9A\x00\x00 \x02\xfeT\xd9A\x00["ab12",[[7,0.3,-0.2],[9,1.0,0.0]],'
        b'[[0,"click",4.5,null,1.0],[1,"play",9.0,31.5,0.5]]]'
    ),
    b"open/q2": b'\x00\x00\x10@\xfcT\xd9A\x00\x00 \x02\xfeT\xd9A\x01["",[]]',
    b"parked/000000000000000c": (
        b'{"seq":12,"kind":"event","time":3.5,"query_id":"q1","who":"ab12","reason":"ValueError: no"}'
    ),
    b"session/e64984c3aacf6ede": b'["8d3adf6abf23f3a5",[["q1",5.0,false],["q2",6.0,true]]]',
}  # fmt: skip

OPEN = OpenSearch(
    query_id="q1",
    who="ab12",
    due=1_700_000_000.25,
    closes=1_700_001_800.5,
    outcomes={7: (0.3, -0.2), 9: (1.0, 0.0)},
    interactions=(Interaction(0, "click", 4.5), Interaction(1, "play", 9.0, 31.5, 0.5)),
)


@pytest.fixture
def state():
    return State(LAST)


def test_open_searches_are_read_and_written_anew(state):
    searches = OpenSearches(state)
    assert (searches.get("q1"), searches.next_due) == (OPEN, OPEN.due)
    assert searches.get("q2") == OpenSearch(query_id="q2", who="", due=OPEN.due, closes=OPEN.closes, finalized=True)
    searches.put(OPEN)
    assert state[b"open/q1"] != LAST[b"open/q1"]
    assert (OpenSearches(state).get("q1"), OpenSearches(state).next_due) == (OPEN, OPEN.due)


def test_counted_queries_go_on(state):
    days = (Day(5, 1, 1, 0), Day(6, 1, 1, 1))
    known = QueryStats(text="halo", searches=2, clicked=2, satisfied=1, last=518_400.0, days=days)
    assert read_one_query(state.get, "halo") == known
    QueryCounts(state, agree_users=2).add("halo", "ann", clicked=False, satisfied=False, time=518_401.0)
    found = read_one_query(state.get, "halo")
    assert (found.searches, found.days) == (3, (Day(5, 1, 1, 0), Day(6, 2, 1, 1)))


def test_an_experiment_goes_on(state):
    running = running_experiment(state.get)
    assert running.split == Split(id="x1", a="all", b="bandit", share=0.25, alpha=0.1, window_s=60.0, started=5.0)
    assert (running.test.b, running.by_arm["bandit"]) == (Tally(n=1, total=0.75), (2.0, 1.5, 2.0, 5.0))
    assert [past.stopped for past in past_experiments(state.scan)] == [5.0]
    query = Query(id="q", text="x", normalized="x", time=9.0)
    decision = Decision(policy="all", version="1", experiment="x1")
    searched = SimpleNamespace(query=query, decision=decision, outcomes=())
    keeper = ExperimentKeeper(state, window=100.0)
    keeper.add(searched, "bob", 1.0)
    keeper.finalize(168.0)
    assert running_experiment(state.get).test.a == Tally(n=1, total=0.5)


def test_sums_weak_labels_sessions_and_what_is_parked_go_on(state):
    metrics = OutcomeMetrics(state)
    metrics.add(1_700_000_000.0, {"searches": 2.0})
    metrics.flush()
    assert [counts for _, counts in read_outcomes(state.scan, since=0.0)] == [{"searches": 3.0, "reward": 0.3}]
    evidence = WeakLabels(state).add("halo", 7, WeakLabel("cd34", "q9", 6.0, 1.0))
    assert evidence == [WeakLabel("ab12", "q1", 5.0, 0.5), WeakLabel("cd34", "q9", 6.0, 1.0)]
    sessions = Sessions(state)
    sessions.searched(Query(id="q3", text="t", normalized="t", session_id="s", user_id="ann", time=7.0))
    assert [past.query_id for past in sessions.satisfied("s", "q3")] == ["q2", "q1"]
    parked = Parked(seq=12, kind="event", time=3.5, query_id="q1", who="ab12", reason="ValueError: no")
    assert parked_entries(state.scan) == [parked]
    Parking(state).add(replace(parked, seq=13))
    assert [one.seq for one in parked_entries(state.scan)] == [12, 13]


def test_edits_go_on(state):
    score, pin = edits_of(state.get, "halo")
    assert (score.score, score.by, pin.action, pin.undone) == (0.7, "me", "pin", 9.0)
    assert stored("halo", (score,))[0] == EDITS
    state.put(*stored("halo", (score, replace(pin, id="3"))))
    assert [edit.id for edit in all_edits(state.scan)] == ["3", "1"]


def test_an_ablation_is_read():
    made = Ablation(
        query_id="q1",
        retrievers=("dense", "trigram"),
        pages={played: ("a", "b") if "dense" in played else ("b",) for played in choices(("dense", "trigram"))},
        context=(("bias", 1.0), ("words", 0.25)),
        hit_rates={"dense": 0.5, "trigram": 0.125},
        ranker="r1",
    )
    event = ablation_event(made, Query(id="q1", text="t", normalized="t"), now=1_700_000_000.0)
    last = (
        '{"action_name":"retrieval_ablation","timestamp":"2023-11-14T22:13:20.000000Z","event_attributes":{"bandstand":'
        '{"arms":["dense","trigram"],"pages":[["b"],["a","b"]],"shown":[[[],0],[["dense"],1],[["trigram"],0],'
        '[["dense","trigram"],1]],"context":{"bias":1.0,"words":0.25},"yields":{"dense":0.5,"trigram":0.125},'
        '"ranker":"r1"}}}'
    )
    assert ablation_of(replace(event, payload=last)) == ablation_of(event) == made


def test_a_manifest_a_pointer_and_a_generator_are_read():
    card = {
        "data_range": [1.0, 2.5], "feature_hash": "h", "feature_names": ["a", "b"], "feature_versions": {"a": 2},
        "metrics": {"ndcg": 0.5}, "parent": "p",
    }  # fmt: skip
    last = {"card": card, "created": 1_700_000_000.0, "files": {"model.txt": "2d71"}, "name": "ranker"}
    found = decode_manifest(orjson.dumps(last), "ranker", Path("v1"))
    assert (found.version, found.created, found.files) == ("v1", 1_700_000_000.0, {"model.txt": "2d71"})
    assert found.card == ModelCard(
        data_range=(1.0, 2.5),
        feature_names=("a", "b"),
        feature_hash="h",
        feature_versions={"a": 2},
        metrics={"ndcg": 0.5},
        parent="p",
    )
    pointer = decode_pointer(b'{"current": "v2", "history": ["v0", "v1"], "pinned": true}', "ranker")
    assert pointer == Pointer(current="v2", history=("v0", "v1"), pinned=True)
    assert decode_pointer(encode_pointer(pointer), "ranker") == pointer
    generator = Generator.from_bytes(
        b'{"format":"bb332bdffc737489","forms":{"":{"title":2.0},"track":{"title":1.0}},"slips":{"numbers":'
        b'{"short":[70.0,25.0,5.0],"long":[65.0,20.0,15.0]},"kinds":[1.0,1.0,1.0,1.0,1.0],"cut":[95.0,5.0]}}'
    )
    assert generator.forms == {"": {"title": 2.0}, "track": {"title": 1.0}}
    assert (generator.typos.cut, generator.typos.numbers["short"]) == ((95.0, 5.0), (70.0, 25.0, 5.0))
