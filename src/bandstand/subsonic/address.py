"""Addresses of servers, `subsonic://user@host:port/path`: the password never stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bandstand.errors import BadInput

_SCHEMES = {"subsonic": "http", "subsonics": "https"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server by its URL (http or https, without a slash at its end), and whose account there; may be nobody's."""

    url: str
    user: str


def is_address(text: str) -> bool:
    """Whether this is an address and no path."""
    return text.partition("://")[0].lower() in _SCHEMES


def parse_address(text: str) -> Address:
    """The address that a text is.

    Raises:
        BadInput: it has no host, a port that is none, or a password.
    """
    parts = urlsplit(text)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as cause:
        raise BadInput(f"{parts.scheme}://…: {cause}", field="source") from cause
    if parts.password is not None:
        raise BadInput(
            "leave the password out of the address, where everybody on this machine could read it: set "
            "BANDSTAND_SUBSONIC_PASSWORD, or wait to be asked",
            field="source",
        )
    if parts.scheme not in _SCHEMES or not host:
        raise BadInput("an address of a server is subsonic://USER@HOST:PORT, or subsonics:// for https", field="source")
    name = f"[{host}]" if ":" in host else host
    place = f"{name}:{port}" if port is not None else name
    url = f"{_SCHEMES[parts.scheme]}://{place}{parts.path.rstrip('/')}"
    return Address(url=url, user=unquote(parts.username or ""))
