"""Learning from the cluster's log: the same state as from a log of one machine, however often the learner is killed."""

import random
import shutil
import sys
from types import SimpleNamespace

import pytest

from bandstand.memory_index import identity as secret_module
from tests.support.evening_log import different, learning, state_of, write_log
from tests.support.kill_points import drawn_steps, kill_after, killed_in_a_fork
from tests.support.small_home import ENTITIES

pytestmark = pytest.mark.slow

DURABLE = (
    "learner/follow.py", "opensearch/memory.py",
    "memory_index/environment.py", "models/folder.py", "models/versions.py", "opensearch/models.py", "files.py",
    "opensearch/log.py", "opensearch/log_order.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def same_keys():
    """Every memory of this module hashes users with the same secret, so that states can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_module, "os", SimpleNamespace(urandom=lambda count: b"s" * count))
        yield


@pytest.fixture(scope="module")
def evening(tmp_path_factory, same_keys):
    """A home with a catalogue and a log from which nobody has learned anything, and when the log ends."""
    folder = tmp_path_factory.mktemp("evening") / "home"
    ends = write_log(folder, searches=60)
    for learned in ("memory", "models"):
        shutil.rmtree(folder / learned)
    return folder, ends


@pytest.fixture(scope="module")
def undisturbed(evening, tmp_path_factory):
    """What one machine without a cluster learns from it."""
    folder, ends = evening
    target = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(folder, target)
    with learning(target, ends, batch=10_000) as (storage, learner):
        assert learner.catch_up() > 100
        return state_of(storage)


def on_the_cluster(home, ends, url, prefix, batch=25):
    return learning(home, ends, batch=batch, backend="opensearch", opensearch_url=url, opensearch_prefix=prefix)


@pytest.fixture
def delivered(evening, new_cluster, tmp_path, same_keys):
    """A machine of a cluster whose log was delivered: everything that `on_the_cluster` needs to go on."""
    folder, ends = evening
    cluster = new_cluster()
    (tmp_path / "a").mkdir()
    shutil.copy(folder / "log.sqlite", tmp_path / "a")
    place = (tmp_path / "a", ends, ",".join(cluster.settings.urls), cluster.settings.prefix)
    with on_the_cluster(*place) as (storage, _):
        storage.store.upsert(list(ENTITIES))
        for follower in storage.backend.open_writer(storage.store, storage.encoders.of).followers(
            storage.encoders.wanted()
        ):
            follower.follow(storage.store.changes(0, 1_000))  # queries are encoded as the vectors that serve are
        storage.log.deliver()
    return place


def without_position(state):
    """Seqs differ: those of one machine have gaps where something was accepted twice."""
    return {name: rows for name, rows in state.items() if name != "position"}


def test_it_teaches_what_the_log_of_one_machine_teaches(delivered, undisturbed):
    with on_the_cluster(*delivered) as (storage, learner):
        learner.catch_up()
        assert storage.memory.position() == storage.log.head()
        assert different(without_position(undisturbed), state_of(storage)) == []


def killed_after(place, steps):
    """Learn in a process that sends itself SIGKILL at a step between two durable ones; whether it came to that."""

    def learn():
        with on_the_cluster(*place, batch=6) as (_, learner):
            kill_after(steps, DURABLE)
            learner.catch_up()
            sys.setprofile(None)

    return killed_in_a_fork(learn)


def test_however_often_it_is_killed_and_whichever_machine_goes_on(delivered, undisturbed, tmp_path):
    home, *where = delivered
    homes, rng, kills = (home, tmp_path / "b"), random.Random(3), 0
    while killed_after((homes[kills % 2], *where), drawn_steps(rng, kills)):
        kills += 1
    assert kills >= 5
    for place in homes:  # the other machine has the same memory, without having learned
        with on_the_cluster(place, *where) as (storage, learner):
            storage.memory.follow()
            assert storage.memory.position() == storage.log.head()
            learner.catch_up()
            assert different(without_position(undisturbed), state_of(storage)) == []
            storage.models.follow()
            assert storage.models.current("bandit").version == storage.models.list("bandit")[-1].version
