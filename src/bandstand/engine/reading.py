"""What a search knows about its own words before it retrieves anything: readings, and a correction."""

from __future__ import annotations

from collections.abc import Callable

from bandstand.errors import BandstandError
from bandstand.types import Correction
from bandstand.understanding.records import Interpretation
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding

Learned = Callable[[str, str | None], bool]
"""Whether a normalised query has led somebody, or this actor, to something."""


class Reader:
    """Reads queries and corrects them. Safe for threads."""

    def __init__(self, understanding: Understanding, speller: Speller, learned: Learned) -> None:
        self._understanding = understanding
        self._speller = speller
        self._learned = learned

    def interpret(self, normalized: str) -> Interpretation:
        """Every way to read a normalised query."""
        return self._understanding.interpret(normalized)

    def correct(self, normalized: str, actor: str | None) -> Correction | None:
        """What may have been meant; None where the query is right as it is, or was used with success as it is."""
        correction = self._speller.correct(normalized)
        return None if correction is None or self._known(normalized, actor) else correction

    def _known(self, normalized: str, actor: str | None) -> bool:
        """Whether the memory has learned something on the query; where that cannot be read, its own arm will say so."""
        try:
            return self._learned(normalized, actor)
        except BandstandError:
            return False
