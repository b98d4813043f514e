"""A log of a few hundred entries that nobody has learned from yet, and the state that learning it leads to."""

from __future__ import annotations

import random
import shutil
from contextlib import closing, contextmanager
from dataclasses import replace

from bandstand.app.learning import LearningSide
from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.learner.apply import FORGET_USER
from bandstand.settings import Settings
from tests.support.small_home import ENTITIES, SmallHome, ids

QUERIES = ("halo", "hurt", "one", "sigur ros", "hopi pola", "hoppipolla", "thunder", "miles", "first love", "sad tune")
PUBLISH_EVERY = 7


def write_log(folder, searches=150, midway=lambda _: None):
    """A home whose log holds searches of many kinds and actions on them; returns the moment at which it ends.

    ``midway`` is called after a third of them.
    """
    rng = random.Random(11)
    small = SmallHome(folder)
    small.learning_side.train(small.home)
    for number in range(searches):
        small.clock.pass_(rng.choice((3.0, 15.0, 70.0, 400.0)))
        user, session = f"u{rng.randrange(6)}" if rng.random() < 0.7 else None, f"s{rng.randrange(9)}"
        policy = rng.choice(("bandit", "bandit", "random", "all"))
        on = small.search(rng.choice(QUERIES), user=user, session=session, policy=policy)
        for hit in on.hits[:5]:
            if rng.random() < 0.25:
                small.clock.pass_(rng.choice((1.0, 5.0, 40.0)))
                action = rng.choice(("click", "click", "play", "save", "skip", "view"))
                seconds = rng.choice((None, 3.0, 60.0)) if action == "play" else None
                small.act(hit.entity.id, on=on, action=action, play_seconds=seconds)
        if rng.random() < 0.1:
            small.play(rng.choice(ENTITIES).id, user_id="u1", user_query=rng.choice(QUERIES))
        if rng.random() < 0.05:
            small.clock.pass_(-200.0)
        if number == searches // 3:
            midway(small.storage)
        if number in (searches // 3, searches // 2):
            small.storage.log.append_control(FORGET_USER, {"user_id": f"u{number % 6}"})
        if ids(on) and rng.random() < 0.05:
            small.act(ids(on)[0], on=on, time=small.clock() - 7_200.0)
    small.clock.pass_(400.0)
    ends = small.clock()
    small.close()
    return ends


@contextmanager
def learning(folder, ends, *, batch, **settings):
    """The learner of a home, as of the end of its log.

    It takes no lease of a cluster, which a learner that is killed keeps for seconds.
    """
    settings = Settings(home=folder, encoder="hashing", publish_every=PUBLISH_EVERY, **settings)
    with Platform(settings, Options(clock=lambda: ends)) as platform, closing(LearningSide(platform.storage)) as side:
        learner = side.learner
        learner._settings = replace(learner._settings, batch=batch)
        yield platform.storage, learner


def copied(source, target):
    """A copy of a home; the memory's secret goes along, so that keys are the same."""
    shutil.copytree(source, target)
    return target


_BELONGS = (b"log/chapter/", b"ordinals/place", b"memory_index/predicted/seq", b"learner/erase", b"learner/obeyed")


def state_of(storage):
    """Everything that was learned: every row of the memory, and the learner's own state with the bandit in it.

    Left out is what counts transactions: the version, and the order in which vectors were added; and which log and
    catalogue it is; which bytes wait to be overwritten, and which orders came before their turn.
    """
    memory = storage.memory
    with memory._env.reading() as txn:
        found = {
            name: [(bytes(key), bytes(value)) for key, value in txn.cursor(db=db)]
            for name, db in memory._env.dbs.items()
            if name not in {"changes", "meta"}
        }
    found["vectors"] = [(key, value[8:]) for key, value in found["vectors"]]
    found["state"] = [(key, value) for key, value in found["state"] if not key.startswith(_BELONGS)]
    found["position"] = memory.position()
    return found


def different(left, right):
    """Names of the tables in which two states differ, for a message that can be read."""
    return [name for name in left if left[name] != right[name]]
