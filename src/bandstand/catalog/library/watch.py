"""Notices when a folder's music or playlists change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath

from bandstand.catalog.library.covers import PICTURES
from bandstand.catalog.library.playlists import PLAYLISTS
from bandstand.catalog.library.tags import AUDIO
from bandstand.errors import BadInput, MissingDependency

_SETTLED_MS = 1_000
"""How long nothing may change until it is worth reading: an album is copied file by file."""

_LOOK_MS = 200


def changes(folder: Path) -> Iterator[None]:
    """Yield once the folder is watched, and then whenever something in it has changed that is read; without end.

    Raises:
        BadInput: it is no folder.
        MissingDependency: watchfiles is not installed.
    """
    try:
        from watchfiles import watch
    except ImportError as cause:
        raise MissingDependency("a folder is watched with watchfiles: pip install watchfiles") from cause
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder: only a folder of music can be watched", field="watch")
    begun = False
    for found in watch(
        folder,
        watch_filter=None,
        step=_SETTLED_MS,
        debounce=60 * _SETTLED_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
    ):
        if not begun or any(_counts(PurePath(path)) for _, path in found):
            yield
        begun = True


def _counts(path: PurePath) -> bool:
    """Whether it is a file that is read, or may be a folder that came or went."""
    return path.suffix.lower() in AUDIO | PLAYLISTS | PICTURES.keys() or not path.suffix
