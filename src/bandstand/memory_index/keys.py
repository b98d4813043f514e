"""Keys of the memory: queries and users by 64-bit hash, ordinals by big-endian bytes."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

from bandstand.types.hashing import digest

HASH_BYTES = 8
NUMBER = Struct("<I")
"""A number that stands by itself under a key."""

_NETWORK = 1
ANONYMOUS = bytes(HASH_BYTES)
"""The one supporter that stands for everybody without an id."""


SUPPORTERS = 32
"""Of those who agree on something so many are remembered."""


def encode(text: str) -> bytes:
    """UTF-8 that also survives the lone surrogates which JSON may carry."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes | memoryview) -> str:
    """Inverse of `encode`."""
    return str(data, "utf-8", "surrogatepass")


def query_key(normalized: str) -> bytes:
    """8-byte key of a normalised query of any length (LMDB keys end at 511 bytes)."""
    return digest(normalized, HASH_BYTES)


def user_key(user: str | None, secret: bytes) -> bytes:
    """8-byte hash of a user id, keyed by the home's secret, so that ids cannot be guessed from a copied file."""
    return ANONYMOUS if user is None else blake2b(encode(user), digest_size=HASH_BYTES, key=secret).digest()


def voice_key(key: bytes, *, network: bool) -> bytes:
    """A hash as a voice in agreements; its last bit says whether a network speaks, or a person."""
    return key[:-1] + bytes([key[-1] & ~_NETWORK | (_NETWORK if network else 0)])


def is_network(voice: bytes) -> bool:
    """Whether a voice is a network's."""
    return bool(voice[-1] & _NETWORK)


def keys_in(stored: bytes) -> list[bytes]:
    """The keys of users, or of queries, that are stored end to end."""
    return [stored[at : at + HASH_BYTES] for at in range(0, len(stored), HASH_BYTES)]


def ordinal_key(ordinal: int) -> bytes:
    """4-byte big-endian key of an ordinal, so that keys sort as ordinals do."""
    return int(ordinal).to_bytes(4, "big")


def counter_key(number: int) -> bytes:
    """8-byte big-endian key of a change number."""
    return number.to_bytes(8, "big")
