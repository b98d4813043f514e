"""What the processes of one server owe each other: none outlives the one that started it."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable


def when_parent_ends(react: Callable[[], None]) -> None:
    """Call ``react`` once the parent of this spawned process is gone, however it ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            react()

    threading.Thread(target=watch, name="parent-watcher", daemon=True).start()
