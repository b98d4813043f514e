"""User tokens: an operator's backend vouches for who a user is, so that nobody else can name them."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

from bandstand.errors import BadInput, Unauthorized

LEAST_SECRET = 32
"""Characters of a secret at the least: whoever has a token can try secrets on it, as many as they like."""

_VERSION = "v1"


def user_token(user_id: str, secret: str, *, expires: float) -> str:
    """A token that proves to be ``user_id`` until ``expires``, in seconds since 1970.

    ``v1.ID.EXPIRES.MAC`` with ID = base64url(user_id in UTF-8) and MAC = base64url(HMAC-SHA256(secret, v1.ID.EXPIRES)),
    both without padding.

    Raises:
        BadInput: the id is empty, or the secret shorter than 32 characters.
    """
    if not user_id:
        raise BadInput("a token is for somebody: give a user id", field="user_id")
    if len(secret) < LEAST_SECRET:
        raise BadInput(f"the secret has fewer than {LEAST_SECRET} characters: openssl rand -hex 32", field="secret")
    signed = f"{_VERSION}.{_coded(user_id.encode())}.{int(expires)}"
    return f"{signed}.{_mac(signed, secret)}"


def proved_user(token: str, secret: str | None, *, now: float) -> str:
    """The user that a token proves.

    Raises:
        Unauthorized: it is none of this secret, or has expired; or there is no secret.
    """
    if secret is None:
        raise Unauthorized("user tokens are not in use here: set BANDSTAND_USER_TOKEN_SECRET")
    signed, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac.encode("utf-8", "replace"), _mac(signed, secret).encode()):
        raise Unauthorized("the user token is not one of this server's")
    _, user_id, expires = signed.split(".")
    if int(expires) <= now:
        raise Unauthorized("the user token has expired: ask the backend that made it for another")
    return urlsafe_b64decode(user_id + "=" * (-len(user_id) % 4)).decode()


def _mac(signed: str, secret: str) -> str:
    return _coded(hmac.digest(secret.encode(), signed.encode("utf-8", "replace"), sha256))


def _coded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
