"""Bandstand's own logs: policies are asked again in the logged contexts, and what cannot be used is counted."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from bandstand.bandit.context import Context
from bandstand.bandit.policy import RandomSubsetPolicy, draw, fixed_policies
from bandstand.bandit.vw import BanditPolicy, BanditSettings, VwModel
from bandstand.errors import BadInput, StorageError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.formats.dsjson import read_dsjson, write_dsjson
from bandstand.feedback.formats.obp import read_obp, write_obp
from bandstand.feedback.joined import Joined
from bandstand.feedback.ubi_events import event_to_ubi, query_to_ubi
from bandstand.replay.ope.assess import OpeSettings, assess, evaluate
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.logs import decisions_to_feedback, log_to_feedback
from bandstand.replay.ope.sources import arm_target, obp_to_feedback, read_open_bandit, searches_from_ubi
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import DEPTHS, ArmDecision, Decision, Event, Impression, Query, RetrieverOutcome

QUICK = OpeSettings(resamples=200)
FIRST_ARM, SECOND_ARM = "trigram", "dense"
HITS = 3


def search(number: int, arms: tuple[ArmDecision, ...], *, clicked: bool, user: str = "u") -> Joined:
    query = Query(id=f"q{number}", text="abba", normalized="abba", user_id=user, time=1e9 + number)
    impression = Impression(
        query=query,
        decision=Decision(policy="random", version="1", arms=arms),
        outcomes=tuple(RetrieverOutcome(retriever=arm.arm, took_ms=0.1 * arm.depth, status="ok") for arm in arms),
        entity_ids=tuple("abc"),
        ordinals=np.arange(HITS, dtype=np.int32),
        scores=np.ones(HITS, np.float32),
        features=np.zeros((HITS, 0), np.float32),
        feature_names=(),
        shown=HITS,
    )
    play = Event(
        id=f"e{number}",
        action="play",
        play_seconds=60.0,
        query_id=query.id,
        object_id="a",
        time=query.time + 1,
        payload=json.dumps({"action_name": "play"}),
    )
    return Joined(impression=impression, events=(play,) if clicked else (), attribution=Attribution())


def searches(n: int, seed: int = 0) -> list[Joined]:
    """Uniform exploration on two arms; a hard query needs the dense arm deep, an easy one nothing."""
    random, policy, found = np.random.default_rng(seed), RandomSubsetPolicy(), []
    for number in range(n):
        hard = bool(random.random() < 0.5)
        first = policy.decide(BUILT_IN[FIRST_ARM], Context((("bias", 1.0), ("hard", float(hard)))), random.random())
        seen = Context((("bias", 1.0), ("hard", float(hard)), ("found", first.depth / 200)))
        second = policy.decide(BUILT_IN[SECOND_ARM], seen, random.random())
        chance = 0.8 if not hard or second.depth == DEPTHS[-1] else 0.2
        lexical = ArmDecision(arm="lexical", depth=200)
        clicked = bool(random.random() < chance)
        found.append(search(number, (lexical, first, second), clicked=clicked, user=f"u{number}"))
    return found


class Selective:
    """Skips the first arm, plays the second deep where the query is hard, and explores a little."""

    name, version, sequential = "selective", "1", True

    def decide(self, arm, context, u):
        if arm.name == "lexical":
            return ArmDecision(arm=arm.name, depth=200)
        deep = arm.name == SECOND_ARM and dict(context.features)["hard"] == 1.0
        return draw(arm.name, (0.05, 0.05, 0.05, 0.85) if deep else (0.85, 0.05, 0.05, 0.05), context, u)


@pytest.fixture(scope="module")
def log():
    return searches(3000)


@pytest.fixture(scope="module")
def report(log):
    return evaluate(log, Selective(), settings=OpeSettings(resamples=500))


def test_arrays_of_a_log(log):
    feedback = log_to_feedback(log, Selective())
    assert feedback.arms == (FIRST_ARM, SECOND_ARM)  # lexical always played, and would always play
    assert feedback.logged == pytest.approx(np.full((3000, 2), 0.25))
    assert set(np.unique(feedback.target_all)) == {0.05, 0.85}
    assert [each.shape for each in feedback.context] == [(3000, 2), (3000, 3)]
    first = log[0].impression.decision.arms
    assert [DEPTHS[at] for at in feedback.choice[0]] == [first[1].depth, first[2].depth]
    assert feedback.reward[0] == log[0].outcome().reward
    assert len(np.unique(feedback.clusters)) == 3000


def test_a_search_earns_what_its_grader_says(log):
    """The same reward that bandit and ranker learn from, not the constants."""
    clicked = next(each for each in log if each.events)
    graded = replace(clicked, grader=lambda *_: np.array([0.25, 0.5, 0.0], np.float32))
    assert log_to_feedback([graded], Selective()).reward.tolist() == [0.5]


def test_the_answer_is_right(report):
    """Truth: 0.8 on easy queries; on hard ones 0.85 of the time 0.8, else 0.2."""
    truth = 0.5 * 0.8 + 0.5 * (0.85 * 0.8 + 0.15 * 0.2)
    assert report.verdict.enough, report.verdict.reasons
    assert report.answer == "sequential_dr"
    for name in ("ipw", "snipw", "control_variate_ips", "sequential_dr", "dm"):
        row = report.estimates[name]
        assert abs(row.value - truth) < 4 * max(row.standard_error, 0.01), name
    assert truth in report.headline.interval("bootstrap")
    assert truth in report.estimates["ipw"].interval("confidence_sequence")
    assert report.headline.standard_error < report.estimates["ipw"].standard_error
    assert report.logged.value == pytest.approx(0.5 * 0.8 + 0.5 * (0.25 * 0.8 + 0.75 * 0.2), abs=0.05)
    assert report.cost_ms.value == pytest.approx(_expected_cost(), abs=4 * report.cost_ms.standard_error)


def _expected_cost():
    shallow = 0.1 * (0.05 * (10 + 50 + 200))
    deep = 0.1 * (0.05 * (10 + 50) + 0.85 * 200)
    return shallow + 0.5 * shallow + 0.5 * deep


def test_the_report_is_strict_json(report):
    found = json.loads(report.to_json())
    assert found["policy"] == "selective"
    assert found["rounds"] == 3000
    assert found["estimates"]["ipw"]["value"] == report.estimates["ipw"].value
    assert found["verdict"]["enough"] is True
    assert found["settings"]["weight_bound"] is None  # infinite
    assert found["diagnostics"]["weights"]["ess"] > 100
    assert "NaN" not in report.to_json()


def test_the_report_is_reproducible(log):
    settings = OpeSettings(resamples=100, seed=7)
    assert evaluate(log[:300], Selective(), settings=settings).to_json() == (
        evaluate(log[:300], Selective(), settings=settings).to_json()
    )


def test_bernstein_only_with_a_bound_that_is_known(log):
    free = evaluate(log[:200], Selective(), settings=QUICK).estimates["ipw"]
    assert free.interval("empirical_bernstein") is None
    bounded = evaluate(log[:200], Selective(), settings=replace(QUICK, weight_bound=(0.85 / 0.25) ** 2))
    interval = bounded.estimates["ipw"].interval("empirical_bernstein")
    assert free.value in interval


def test_fixed_policies_are_asked_too(log):
    everything = fixed_policies()["all"]
    feedback = log_to_feedback([_without_lexical(each) for each in log], everything)
    assert set(np.unique(feedback.target_all)) == {0.0, 1.0}
    assert feedback.target.mean() == pytest.approx(0.25, abs=0.03)
    table = assess(feedback, policy="all", settings=QUICK).estimates
    assert table["replay_method"].value == pytest.approx(table["snipw"].value)  # uniform logs


def _without_lexical(each):
    impression = each.impression
    arms = tuple(arm for arm in impression.decision.arms if arm.arm != "lexical")
    return replace(each, impression=replace(impression, decision=replace(impression.decision, arms=arms)))


def test_a_policy_that_does_what_was_never_done_is_refused(log):
    """The logs always play lexical: what happens without it, they cannot tell."""
    report = evaluate(log[:500], fixed_policies()["dense"], settings=QUICK)
    assert not report.verdict.enough
    assert report.verdict.rounds_needed is None
    assert report.estimates["snipw"].value is None
    assert "no logged round" in report.estimates["snipw"].note


def test_the_learned_policy_is_asked(log):
    bandit = BanditPolicy(VwModel().to_bytes(), version="0", settings=BanditSettings(epsilon=0.2, always=("lexical",)))
    feedback = log_to_feedback(log[:50], bandit)
    assert feedback.target_all[0, 0] == pytest.approx([0.05, 0.05, 0.05, 0.85])


def test_what_cannot_be_used_is_counted(log):
    good, first = log[:5], log[0].impression.decision.arms[1]
    bad = [
        good[0],
        _with_arm(10, replace(first, propensity=0.0)),
        _with_arm(11, replace(first, propensity=1.5)),
        _with_arm(12, replace(first, propensity=0.5)),
        _with_arm(13, replace(first, depth=7)),
        _with_arm(14, replace(first, probabilities=(0.5, 0.2))),
        _with_arm(15, replace(first, context=())),
        _with_arm(16, replace(first, arm="telepathy")),
    ]
    feedback = log_to_feedback([*good, *bad], RandomSubsetPolicy(always=("lexical",)))
    assert len(feedback) == 5
    assert feedback.left_out == {
        "repeated query id": 1,
        "propensity outside (0, 1]": 2,
        "propensity that is not its depth's probability": 1,
        "unknown depth": 1,
        "probabilities that are no distribution over the depths": 1,
        "no context was logged for a policy that needs one": 1,
        "unknown arm": 1,
    }
    report = assess(feedback, policy="random", settings=QUICK)
    assert any("8 of 13 rounds could not be used" in reason for reason in report.verdict.reasons)


def _with_arm(number, arm):
    return search(1000 + number, (arm,), clicked=False)


@pytest.mark.parametrize("log", [[], [search(1, (ArmDecision(arm="telepathy", depth=0),), clicked=True)]])
def test_a_log_without_usable_searches_is_refused(log):
    with pytest.raises(BadInput, match="no search of the log can be used"):
        evaluate(log, Selective())


def test_a_single_search_is_answered_with_a_refusal(log):
    report = evaluate(log[:1], Selective(), settings=QUICK)
    assert not report.verdict.enough
    json.loads(report.to_json())


def test_contexts_of_several_layouts_share_their_names(log):
    other = replace(log[1].impression.decision.arms[1], context=(("hard", 0.0), ("new", 5.0)))
    feedback = log_to_feedback([*log[:2], _with_arm(1, other)], Selective())
    place = feedback.arms.index(FIRST_ARM)
    assert feedback.context[place].shape == (3, 3)  # bias, hard, new
    assert feedback.context[place][2].tolist() == [0.0, 0.0, 5.0]


def test_dsjson_gives_the_same_rounds(log):
    stream = io.BytesIO()
    write_dsjson(log[:200], stream)
    stream.seek(0)
    ours, theirs = log_to_feedback(log[:200], Selective()), decisions_to_feedback(read_dsjson(stream), Selective())
    assert theirs.arms == ours.arms
    np.testing.assert_array_equal(theirs.choice, ours.choice)
    np.testing.assert_allclose(theirs.reward, ours.reward)
    np.testing.assert_allclose(theirs.target, ours.target)


def test_ubi_gives_the_same_rounds(log):
    documents = [query_to_ubi(each.impression) for each in log[:50]]
    events = [event_to_ubi(event) for each in log[:50] for event in each.events]
    lines = [json.dumps(document).encode() for document in (*events, *documents)]
    ours, theirs = (
        log_to_feedback(log[:50], Selective()),
        log_to_feedback(searches_from_ubi(io.BytesIO(b"\n".join(lines))), Selective()),
    )
    np.testing.assert_array_equal(theirs.reward, ours.reward)
    np.testing.assert_array_equal(theirs.choice, ours.choice)


@pytest.mark.parametrize("line", [b"{}", b"[]", b"no json", b'{"query_attributes": {}}'])
def test_ubi_lines_of_others_are_named(line):
    with pytest.raises(BadInput, match="line 2"):
        list(searches_from_ubi(io.BytesIO(b"\n" + line)))


def test_obp_dictionaries_answer_for_one_arm(log, tmp_path):
    path = tmp_path / "log.npz"
    with path.open("wb") as out:
        write_obp(log[:500], out)
    table = read_obp(path)[SECOND_ARM]
    guesses = np.full((500, len(DEPTHS)), 0.5)
    feedback = obp_to_feedback(table, arm_target(table, SECOND_ARM, Selective()), predicted_all=guesses)
    assert feedback.arms == ("action",)
    report = assess(feedback, policy="selective", settings=QUICK)
    assert {"dr", "sndr", "switch_dr", "dr_os", "sg_dr"} <= set(report.estimates)
    assert report.estimates["ipw"].interval("empirical_bernstein") is not None


@pytest.mark.parametrize("missing", ["action", "reward", "pscore"])
def test_a_missing_column_is_named(missing):
    table = {"action": [0, 1], "reward": [1, 0], "pscore": [0.5, 0.5]}
    del table[missing]
    with pytest.raises(BadInput) as caught:
        obp_to_feedback(table, [[0.5, 0.5], [0.5, 0.5]])
    assert caught.value.field == missing


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("item_id,position,click\n1,1,0\n", "propensity_score"),
        ("item_id,position,click,propensity_score\n", "no rows"),
        ("item_id,position,click,propensity_score\n1,1,0,often\n", "line 2: propensity_score is 'often'"),
    ],
)
def test_bad_open_bandit_files_say_why(tmp_path, text, why):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=why):
        read_open_bandit(path)
    with pytest.raises(StorageError):
        read_open_bandit(tmp_path / "nowhere.csv")


def test_rewards_beyond_their_range_are_refused():
    feedback = Feedback.single(reward=[2.0, 0.0], action=[0, 1], logged=[0.5, 0.5], target_all=[[0.5, 0.5]] * 2)
    with pytest.raises(BadInput, match="scale them"):
        assess(feedback, policy="any")
