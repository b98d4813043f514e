"""Cover pictures: those inside audio files, and those that lie beside them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from bandstand.catalog.library.tags import AUDIO, open_audio
from bandstand.errors import MissingDependency, NotFound

PICTURES = {".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
"""How the names of picture files that are looked at end, and their media types."""

_NAMES = ("cover", "folder", "front", "album", "albumart")
"""What covers are called, the likeliest first."""

_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}
_MOST_BYTES = 32 << 20


def covers_beside(pictures: Iterable[str]) -> dict[str, str]:
    """By folder the picture in it that is called as covers are; all by paths inside the library."""
    found: dict[str, tuple[int, str]] = {}
    for path in pictures:
        name = PurePosixPath(path)
        if name.stem.lower() in _NAMES:
            ranked = (_NAMES.index(name.stem.lower()), path)
            folder = str(name.parent)
            found[folder] = min(found.get(folder, ranked), ranked)
    return {folder: path for folder, (_, path) in found.items()}


def read_cover(path: Path) -> tuple[bytes, str]:
    """The picture that a file is or holds, and its media type.

    Raises:
        NotFound: the file is gone, holds no picture (any more), or none that browsers show.
    """
    try:
        content = _inside(path) if path.suffix.lower() in AUDIO else _beginning(path)
    except MissingDependency:
        raise
    except Exception as cause:  # damaged pictures make mutagen raise whatever there is
        raise NotFound(f"the cover is gone: {cause}. Ingest the library again.") from cause
    for signature, media_type in _SIGNATURES.items():
        if content.startswith(signature):
            return content, media_type
    raise NotFound("there is no cover here any more. Ingest the library again.")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


def _inside(path: Path) -> bytes:
    """The first picture in an audio file, empty where there is none.

    FLAC has them as blocks, Ogg the same in comments, ID3 as frames, MP4 as atoms.
    """
    file = open_audio(path)
    from mutagen.flac import Picture

    tags = {str(name).lower(): value for name, value in (file.tags or {}).items()}
    blocks = map(base64.b64decode, tags.get("metadata_block_picture", ()))
    commented = [Picture(block) for block in blocks]  # type: ignore[no-untyped-call]
    frames = [value for name, value in tags.items() if name.startswith("apic")]
    pictures = [each.data for each in (*getattr(file, "pictures", ()), *commented, *frames)]
    return next(iter((*pictures, *map(bytes, tags.get("covr", ())))), b"")
