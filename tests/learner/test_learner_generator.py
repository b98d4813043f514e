"""From the log to a generator, and from a generator to the memory and to self-play."""

from __future__ import annotations

import numpy as np
import pytest

from bandstand.app.training import generator_of, read_log, train_generator
from bandstand.errors import BadInput
from bandstand.learner.selfplay import SelfPlay
from bandstand.memory_index.generator import GENERATOR_FILE, Generator, count_pairs
from bandstand.retrievers.registry import BUILT_IN
from tests.support.small_home import ENTITIES, track

MANY = tuple(track(f"s{n}", f"Blue Song Number {n}", f"Ann Band{n}") for n in range(120))


@pytest.fixture
def generator():
    return count_pairs([(f"band{n} blue", MANY[n]) for n in range(120)]).generator


def serving(small, generator):
    models = small.storage.models
    models.promote("generator", models.publish("generator", {GENERATOR_FILE: generator.to_bytes()}))


def test_too_few_choices_are_refused_with_how_many_there_are(small):
    on = small.search("halo", user="ann")
    for _ in range(300):
        small.act("halo", on=on, action="save")  # the same again and again
    small.learn()
    with pytest.raises(BadInput, match="1 distinct choices, 200 are needed"):
        train_generator(small.storage, read_log(small.storage, BUILT_IN))


def test_it_learns_from_what_satisfied(small, monkeypatch):
    monkeypatch.setattr("bandstand.learner.train_models.ENOUGH_PAIRS", 3)
    for entity, text in (("halo", "beyonce halo"), ("hurt-cash", "cash hurt"), ("hello", "adele helo")):
        on = small.search(text, user="ann", policy="all")
        small.play(entity, on=on)
        small.act("thunderstruck", on=on, action="play", play_seconds=2.0)
    small.learn()
    report = train_generator(small.storage, read_log(small.storage, BUILT_IN))
    assert report.promoted
    assert report.metrics == {"pairs": 3.0, "unexplained": 0.0}
    forms = generator_of(small.storage).forms[""]
    assert forms == {"artist+title": 2.0, "surname+title": 1.0}


def test_entities_that_are_gone_are_passed_over(small, monkeypatch):
    monkeypatch.setattr("bandstand.learner.train_models.ENOUGH_PAIRS", 1)
    on = small.search("halo", user="ann", policy="all")
    small.play("halo", on=on)
    small.learn()
    small.storage.store.delete(["halo"])
    assert train_generator(small.storage, read_log(small.storage, BUILT_IN)).metrics["pairs"] == 0


def test_new_entities_are_found_by_what_people_would_type(small, generator):
    serving(small, generator)
    small.storage.store.upsert([track("new", "Green Hill Far Away", "Mia Stone")])
    small.learning_side.index()
    rows = small.storage.memory.query_rows("stone green")
    assert [(row.ordinal, row.predicted > 0) for row in rows] == [(small.ordinal("new"), True)]


def test_switched_off_it_predicts_by_templates(small, generator):
    serving(small, generator)
    small.close()
    small.settings = small.settings.model_copy(update={"generator": False})
    small.reopen()
    assert generator_of(small.storage) is None
    small.storage.store.upsert([track("new", "Green Hill Far Away", "Mia Stone")])
    small.learning_side.index()
    assert small.storage.memory.query_rows("stone green") == ()


def test_a_damaged_one_does_not_stop_indexing(small):
    models = small.storage.models
    models.promote("generator", models.publish("generator", {GENERATOR_FILE: b"{}"}))
    small.storage.store.upsert([track("new", "Green Hill Far Away", "Mia Stone")])
    assert small.learning_side.index() > 0


def test_self_play_poses_what_people_were_seen_to_type(small, generator):
    play = SelfPlay(engine=small.home.engine, catalog=small.home.catalog, memory=small.home.memory, generator=generator)
    rng = np.random.default_rng(1)
    entity = track("new", "Green Hill Far Away", "Mia Stone")
    meant = [play._sampled(entity, rng)[0] for _ in range(400)]
    assert 0.5 < meant.count("stone green") / 400 < 0.75  # a quarter is posed by templates
    examples = list(play.examples(20, seed=1))
    assert examples
    assert all(example.grades.any() for example in examples)


def test_training_the_models_counts_the_log_again(small, generator):
    small.learning_side.train(small.home)  # nobody has searched: templates
    assert small.storage.models.list("generator") == ()
    assert isinstance(Generator.unseen(), Generator)
    assert len(ENTITIES) == small.storage.store.count()
