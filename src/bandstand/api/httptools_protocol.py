"""The HTTP protocol over httptools, which takes headers of any length."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bandstand.api.bounded_http import Bounded
from bandstand.api.connections import MAX_HEADER_BYTES, header_too_large


class BoundedHttpTools(Bounded, HttpToolsProtocol):
    """See `Bounded`. ``_unread`` are the bytes since a header ended or a piece of a body came: of headers, trailers."""

    _coming = False
    _moved = False
    _unread = 0

    def begun(self) -> bool:
        """See `Bounded`."""
        return self._coming

    def data_received(self, data: bytes) -> None:
        """See `Bounded`."""
        self._moved = False
        super().data_received(data)
        self._unread = 0 if self._moved else self._unread + len(data)
        if self._unread > MAX_HEADER_BYTES:
            self.refuse(header_too_large())

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._coming = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._moved = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._coming, self._moved = False, True
        super().on_message_complete()
