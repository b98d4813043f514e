"""The key under which the catalogue's columns file an artist, worked out from a normalised name."""

from __future__ import annotations

from hashlib import blake2b


def artist_key(normalized: str) -> int:
    """The value of `Columns.artist_key` for an artist of this normalised name: a signed 64-bit BLAKE2b, never 0."""
    digest = blake2b(normalized.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1
