"""The HTTP protocol of the server: over httptools where that is installed, as it is faster, else over h11."""

from __future__ import annotations

from importlib.util import find_spec

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from bandstand.api.bounded_http import Bounded
from bandstand.api.connections import MAX_HEADER_BYTES, header_too_large


class BoundedH11(Bounded, H11Protocol):
    """Over h11, which sees to the length of headers."""

    def begun(self) -> bool:
        """See `Bounded`."""
        return self.conn.their_state is h11.SEND_BODY or bool(self.conn.trailing_data[0])

    def send_400_response(self, msg: str) -> None:
        """See `Bounded`; h11 keeps what it could not read."""
        if len(self.conn.trailing_data[0]) > MAX_HEADER_BYTES:
            self.refuse(header_too_large())
        else:
            super().send_400_response(msg)


def protocol() -> type[Bounded]:
    """The one that this installation has."""
    if find_spec("httptools") is None:
        return BoundedH11
    from bandstand.api.httptools_protocol import BoundedHttpTools

    return BoundedHttpTools
