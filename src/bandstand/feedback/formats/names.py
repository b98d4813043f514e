"""Names inside formats whose fields end at a blank: percent-encoded on the way out, decoded on the way in."""

from __future__ import annotations

from urllib.parse import quote, unquote

_SAFE = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def token(name: str) -> str:
    """The name without blanks, ``%`` or ``#``; other characters of ASCII stay as they are."""
    return quote(name, safe=_SAFE)


def name_of(written: str) -> str:
    """The name that `token` wrote."""
    return unquote(written)
