"""A client of a Subsonic server, for reading what it holds."""

from __future__ import annotations

import logging
import secrets
from hashlib import md5
from typing import Self

import httpx

from bandstand.errors import BadInput, NotFound, Unavailable
from bandstand.subsonic.address import Address
from bandstand.subsonic.protocol import (
    CLIENT,
    MISSING_PARAMETER,
    NO_TOKENS,
    NOT_FOUND,
    VERSION,
    WRONG_LOGIN,
    Object,
    error_of,
    opened,
)

_PATIENCE_S = 60.0


def keep_addresses_unlogged() -> None:
    """Have httpx log no addresses: those of Subsonic's API hold passwords."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Client:
    """Asks a server for one account; safe for threads, to be closed after use.

    A password is sent as a salted hash; where the server cannot check those (it says so), in hexadecimal digits.
    """

    def __init__(self, address: Address, *, password: str | None = None, api_key: str | None = None) -> None:
        """One of ``password`` and ``api_key`` is needed.

        Raises:
            BadInput: neither is given, or a password without a user.
        """
        if not api_key and not (password and address.user):
            raise BadInput(
                "the server asks for a user and a password: give subsonic://USER@HOST and set "
                "BANDSTAND_SUBSONIC_PASSWORD, or BANDSTAND_SUBSONIC_API_KEY",
                field="source",
            )
        keep_addresses_unlogged()
        self._address, self._password, self._api_key = address, password or "", api_key
        self._plain = False
        transport = httpx.HTTPTransport(retries=2)
        self._http = httpx.Client(transport=transport, timeout=_PATIENCE_S, trust_env=False, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, view: str, **parameters: object) -> Object:
        """The content of an answer.

        Raises:
            Unavailable: the server does not answer.
            BadInput: it refuses the account, or speaks no Subsonic.
            NotFound: what is asked for is not there (any more).
        """
        content = self._asked(view, parameters)
        failed = error_of(content)
        if failed and failed[0] in {NO_TOKENS, MISSING_PARAMETER} and not (self._plain or self._api_key):
            self._plain = True
            content = self._asked(view, parameters)
            failed = error_of(content)
        if failed:
            raise self._refusal(view, *failed)
        return content

    def _asked(self, view: str, parameters: dict[str, object]) -> Object:
        url = f"{self._address.url}/rest/{view}.view"
        form = {"f": "json", "v": VERSION, "c": CLIENT, **self._login(), **{k: str(v) for k, v in parameters.items()}}
        try:
            response = self._http.get(url, params=form)
        except httpx.HTTPError as cause:
            reason = str(cause) or type(cause).__name__
            raise Unavailable(
                f"{self._address.url} does not answer ({reason}): is it running, and are host, port and scheme right? "
                "The same command goes on from here."
            ) from None  # its request holds the login
        content = opened(response.content)
        if content is None:
            raise BadInput(
                f"{self._address.url} answers {view} with status {response.status_code} and no Subsonic: "
                "is the path right, and is its Subsonic API switched on?",
                field="source",
            )
        return content

    def _login(self) -> dict[str, str]:
        if self._api_key:
            return {"apiKey": self._api_key}
        if self._plain:
            return {"u": self._address.user, "p": f"enc:{self._password.encode().hex()}"}
        salt = secrets.token_hex(8)
        token = md5(f"{self._password}{salt}".encode(), usedforsecurity=False).hexdigest()
        return {"u": self._address.user, "t": token, "s": salt}

    def _refusal(self, view: str, code: int, message: str) -> BadInput | NotFound:
        if code == NOT_FOUND:
            return NotFound(f"{self._address.url}: {view}: {message}")
        remedy = ": set BANDSTAND_SUBSONIC_PASSWORD to the account's password" if code == WRONG_LOGIN else ""
        return BadInput(f"{self._address.url} refuses {view} ({code}: {message}){remedy}", field="source")
