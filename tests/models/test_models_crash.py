"""The registry under SIGKILL at every step that touches the disk, and under several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys

import pytest

from bandstand.models.folder import FolderRegistry

PROCESSES = multiprocessing.get_context("fork")
NOON = 1_767_268_800.0
STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}


def new_registry(root):
    return FolderRegistry(root, clock=lambda: NOON)


def in_child(work):
    """Run in another process; its exit code."""
    process = PROCESSES.Process(target=work)
    process.start()
    process.join()
    return process.exitcode


def killed_before(step, work):
    """A child that is killed before the given step of ``work`` that touches the disk."""

    def run():
        left = step

        def count(event, _):
            nonlocal left
            if event not in STEPS:
                return
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()

    return run


OPERATIONS = {
    "publish": lambda registry, _: registry.publish("ranker", {"model.txt": b"new", "extra": b"more"}),
    "promote": lambda registry, versions: registry.promote("ranker", versions[2]),
    "rollback": lambda registry, _: registry.rollback("ranker"),
    "prune": lambda registry, _: registry.prune("ranker", 0),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_step_leaves_the_old_state_or_the_new_one(tmp_path, operation):
    seen, step, exit_code = set(), 0, -signal.SIGKILL
    while exit_code:
        registry = new_registry(tmp_path / str(step))
        versions = [registry.publish("ranker", {"model.txt": content}) for content in (b"a", b"b", b"c")]
        registry.promote("ranker", versions[0])
        registry.promote("ranker", versions[1])
        exit_code = in_child(killed_before(step, lambda: OPERATIONS[operation](registry, versions)))  # noqa: B023
        assert exit_code in {0, -signal.SIGKILL}
        seen.add(state(registry))
        check_whole(registry, tmp_path / str(step))
        step += 1
    assert step > 3, "the hook saw no steps"
    assert len(seen) == 2, "the state before and the state after, and nothing between"


def state(registry):
    return registry.pointer("ranker"), tuple(len(model.verify().files) for model in registry.list("ranker"))


def check_whole(registry, root):
    """What serves is whole, and the registry goes on working and tidies up."""
    assert registry.current("ranker") is not None
    registry.promote("ranker", registry.publish("ranker", {"model.txt": b"next"}))
    registry.prune("ranker", 9)
    assert not list((root / "ranker").glob(".tmp-*"))


def test_processes_side_by_side_lose_and_mix_nothing(tmp_path):
    def work(number):
        registry = new_registry(tmp_path)
        for round_ in range(5):
            version = registry.publish("ranker", {"model.txt": f"{number}.{round_}".encode()})
            assert registry.promote("ranker", version)
            assert registry.current("ranker") is not None
            registry.prune("ranker", 30)

    children = [PROCESSES.Process(target=work, args=(number,)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    registry = new_registry(tmp_path)
    models = [model.verify() for model in registry.list("ranker")]
    pointer = registry.pointer("ranker")
    assert sorted(model.read("model.txt").decode() for model in models) == [
        f"{n}.{r}" for n in range(4) for r in range(5)
    ]
    assert {*pointer.history, pointer.current} == {model.version for model in models}
    assert len(pointer.history) == 19
