"""What of a search is logged: where it stood is kept of the whole head, why it stood there of its upper part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Impression

ROWS = 20
"""Hits of which ids and features are logged, at least; all that was shown, where that is more."""

_ENOUGH, _ROUGH = 11, 6
"""Significant bits of a feature or a score, as in half precision: a rank up to 1,000 is read back from its reciprocal,
and trees that sort a feature into 255 bins find the same. And of scores further down, which only later pages show."""


def reduced(impression: Impression) -> Impression:
    """The search as it is logged: ids and features down to what was shown, `ROWS` at least, numbers in fewer bits.

    Milliseconds are kept to the microsecond. A search that was reduced stays as it is.
    """
    rows, scores = max(ROWS, impression.query.offset + impression.shown), impression.scores
    return replace(
        impression,
        outcomes=tuple(replace(outcome, took_ms=round(outcome.took_ms, 3)) for outcome in impression.outcomes),
        entity_ids=impression.entity_ids[:rows],
        scores=np.concatenate([_rounded(scores[:rows], _ENOUGH), _rounded(scores[rows:], _ROUGH)]),
        features=_rounded(impression.features[:rows], _ENOUGH),
        took_ms=round(impression.took_ms, 3),
    )


def _rounded(values: NDArray[np.float32], significant: int) -> NDArray[np.float32]:
    """Each number to the nearest that so many significant bits can say, ties to even; infinities and NaN stay.

    The other bits are 0, so that they take no room (bit rounding: Klöwer et al. 2021, "Compressing atmospheric data
    into its real information content").
    """
    bits, rest = values.view(np.uint32), np.uint32(24 - significant)
    carry = ((bits >> rest) & 1) + np.uint32((1 << (rest - 1)) - 1)
    return np.where(np.isfinite(values), ((bits + carry) >> rest << rest).view(np.float32), values)
