"""Ends a process by SIGKILL at a step of chosen files: each point between two durable steps can be met."""

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import bandstand

PACKAGE = Path(bandstand.__file__).parent


def kill_after(steps: int, files: tuple[str, ...]) -> None:
    """Let this process end at its ``steps``-th call or return inside ``files`` (paths in the package)."""
    missing = [file for file in files if not (PACKAGE / file).is_file()]
    assert not missing, f"no such files in the package: {missing}"
    ends = tuple(f"bandstand/{file}" for file in files)
    left = steps

    def watch(frame, _event, _argument):
        nonlocal left
        if frame.f_code.co_filename.endswith(ends):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def drawn_steps(rng: random.Random, kills: int) -> int:
    """When to kill the next attempt: later and later on average, so that one of a few dozen comes to the end."""
    return rng.randrange(1, int(1_500 * 1.2**kills))


def killed_in_a_fork(work: Callable[[], None]) -> bool:
    """Do the work in a process of its own; whether a signal ended that."""
    child = os.fork()
    if not child:
        work()
        sys.setprofile(None)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
