"""A process that learns a home's log and is killed again and again, each time at another moment; run as a module.

Each attempt is a fork of its own. It counts what it does in the files in which something becomes durable, and at the
drawn count it sends itself SIGKILL: so every point between two durable steps can be met.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import lightgbm  # noqa: F401 - once, not again in every attempt
import vowpalwabbit  # noqa: F401

from tests.support.evening_log import learning
from tests.support.kill_points import drawn_steps, kill_after

DURABLE = ("learner/follow.py", "learner/apply.py", "memory_index/memory.py", "memory_index/environment.py",
           "models/folder.py", "models/versions.py", "files.py", "feedback/sqlite_log.py", "sqlite.py")  # fmt: skip


def learn(home: Path, ends: float, count: int) -> None:
    """Learn what is left, or be killed."""
    with learning(home, ends, batch=4) as (_, learner):
        kill_after(count, DURABLE)
        learner.catch_up()
        sys.setprofile(None)


def main() -> None:
    """Print how often it was killed before an attempt came to the log's end."""
    home, ends, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    rng, kills = random.Random(seed), 0
    while True:
        count, child = drawn_steps(rng, kills), os.fork()
        if not child:
            learn(home, ends, count)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.stdout.write(json.dumps({"kills": kills, "exit": os.WEXITSTATUS(status)}))
            return
        kills += 1


if __name__ == "__main__":
    main()
