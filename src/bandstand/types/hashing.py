"""Hashes of text that are the same in every process and every run, unlike Python's own."""

from __future__ import annotations

import zlib
from hashlib import blake2b


def digest(content: str | bytes, size: int = 8) -> bytes:
    """The BLAKE2b digest of some text (as UTF-8; a lone surrogate counts as itself), ``size`` bytes."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return blake2b(data, digest_size=size).digest()


def checksum(*values: object) -> int:
    """CRC-32 of plain values: numbers, texts and bytes. It tells damage, not malice."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def fraction(digest: bytes) -> float:
    """The first 53 bits of a digest as a number in [0, 1)."""
    return (int.from_bytes(digest[:8]) >> 11) / (1 << 53)


def uniform(seed: int, *names: str | bytes) -> float:
    """A number in [0, 1) that depends on nothing but the seed and the names: a draw that can be made again."""
    parts = (name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name for name in names)
    return fraction(digest(b"/".join((b"%d" % seed, *parts))))
