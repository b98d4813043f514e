"""Answers as JSON bytes, made where the work is done rather than on the event loop."""

from __future__ import annotations

import orjson
from fastapi.responses import Response


class JsonAnswer(Response):
    """A JSON answer: plain values and strings that UTF-8 can carry; what is not a number becomes null."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The body's bytes."""
        return orjson.dumps(content)
