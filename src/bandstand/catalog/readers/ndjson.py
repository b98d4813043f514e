"""The native format: one entity a line, as `entity_to_json` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from bandstand.catalog.codec import entity_from_json
from bandstand.catalog.readers.base import Rejected, Row, read_lines
from bandstand.errors import BadInput


class NdjsonReader:
    """Newline-delimited JSON; blank lines are passed over."""

    name = "ndjson"
    streaming = True

    def read(self, path: Path) -> Iterator[Row | Rejected]:
        """Yield a row for every line that is not blank."""
        for line, text in enumerate(read_lines(path), start=1):
            if not text.isspace():
                yield row_of(line, text)


def row_of(line: int, text: str) -> Row | Rejected:
    """The entity of a line, or why it has none."""
    try:
        return Row(line, entity_from_json(orjson.loads(text)))
    except orjson.JSONDecodeError as error:
        return Rejected(line, f"not JSON: {error}", text.rstrip("\r\n"))
    except BadInput as error:
        return Rejected(line, str(error), text.rstrip("\r\n"))
