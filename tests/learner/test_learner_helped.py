"""Labels of what helped: from the page's choice, from the session's next success, from self-play."""

from __future__ import annotations

import io

import orjson
import pytest

from bandstand.bandit.gate import FEWEST, RetrievalGate
from bandstand.engine.ablation import ablate
from bandstand.feedback.ablation import ablation_event
from bandstand.feedback.formats.export import export
from bandstand.feedback.joined import joined
from bandstand.feedback.labelled import labelled
from bandstand.learner.gate_labels import gate_from_log, synthetic_labels, with_estimates
from bandstand.learner.selfplay import SelfPlay
from bandstand.retrievers.registry import BUILT_IN


@pytest.fixture
def lived(small):
    """Searches with their records: one satisfied, one that failed before another wording succeeded, one left alone."""
    home = small.home

    def search(text, session):
        result = small.search(text, session=session, user="ana")
        record = ablate(home.engine, result.impression.query, shown=result.impression)
        home.log.append_events([ablation_event(record, result.impression.query, now=small.clock())])
        small.clock.pass_(10)
        return result

    first = search("hello", "s1")
    small.play("hello", on=first)
    failed = search("hurt nine", "s2")
    again = search("hurt nails", "s2")
    small.play("hurt-nin", on=again)
    alone = search("so what", "s3")
    home.log.flush()
    return small, {"first": first, "failed": failed, "again": again, "alone": alone}


def test_what_was_wanted_is_known_from_the_page_or_from_the_session(lived):
    small, searches = lived
    found = {each.query.id: each for each in labelled(joined(small.home.log))}
    names = {name: result.impression.query.id for name, result in searches.items()}
    assert set(found) == {names["first"], names["failed"], names["again"]}
    assert found[names["first"]].wanted == {"hello"}
    assert found[names["failed"]].wanted == {"hurt-nin"}
    assert found[names["failed"]].weight == 0.5
    assert found[names["again"]].weight == 1.0
    assert set(found[names["again"]].verdicts()) == set(BUILT_IN.expensive)


def test_the_labels_are_exported(lived):
    small, searches = lived
    written = io.BytesIO()
    assert export(small.home.log, "helped", written) == 3 * len(BUILT_IN.expensive)
    lines = [orjson.loads(line) for line in written.getvalue().splitlines()]
    assert {line["arm"] for line in lines} == set(BUILT_IN.expensive)
    failed = searches["failed"].impression.query.id
    assert {line["weight"] for line in lines if line["query_id"] == failed} == {0.5}


def examples_of(home, count):
    """Synthetic examples of at most so many queries."""
    play = SelfPlay(engine=home.engine, catalog=home.catalog, memory=home.memory)
    return list(play.examples(count, seed=2))


def test_self_play_is_labelled_trained_on_and_published(small):
    home = small.home
    examples = examples_of(home, FEWEST + 40)
    labels = synthetic_labels(examples, home.catalog.columns, home.serving().scorer, BUILT_IN)
    assert len(labels) == len(examples)
    trained = gate_from_log(home.models, labels, [], BUILT_IN, seed=1, keep=10)
    assert trained is not None
    home.refresh()
    version = home.models.pointer("abstention").current
    assert home.serving().gate.version == version
    assert home.serving().policies["selective"].version.startswith(version)
    assert set(home.serving().worth) == set(BUILT_IN.expensive)
    taught = list(with_estimates(examples, trained))
    seen = {arm.arm: dict(arm.context)["helps"] for arm in taught[0].impression.decision.arms}
    assert [seen[arm] for arm in BUILT_IN.expensive] == trained.held_out[0].tolist()
    assert seen["memory"] == 0.0
    assert RetrievalGate(home.models.get("abstention", version)).names


def test_too_little_trains_nothing(small):
    examples = examples_of(small.home, 20)
    labels = synthetic_labels(examples, small.home.catalog.columns, small.home.serving().scorer, BUILT_IN)
    assert gate_from_log(small.home.models, labels, [], BUILT_IN, seed=1, keep=10) is None
    assert small.home.models.pointer("abstention") is None


def test_without_a_score_every_expensive_arm_plays(small):
    played = small.search("halo", policy="selective").impression.decision
    assert all(arm.depth for arm in played.arms if arm.propensity > 0.5)
