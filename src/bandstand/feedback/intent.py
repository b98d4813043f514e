"""Whether two searches of one session are after the same thing, in numbers that need no goal to be known."""

from __future__ import annotations

import numpy as np
from rapidfuzz import fuzz

from bandstand.types import Impression, Matrix

INTENT_FEATURES = ("shared", "ratio", "partial", "word_set", "found_before", "found_rank", "words", "later_words")
"""Share of the earlier query's words that the later one has; `rapidfuzz` ratio, partial and token-set ratio in [0, 1];
how many of the later page's first ten hits the earlier ranking held (share), and 1 / rank of the best of these there;
words of either query.

The shared hits are what all retrievers, the memory among them, think that the two queries have in common.
"""

_PAGE = 10


def intent_features(earlier: Impression, later: Impression) -> Matrix:
    """One pair, float32 (1, len(INTENT_FEATURES)). Neither what was done nor how much time passed is among them."""
    first, second = earlier.query.normalized, later.query.normalized
    words, others = first.split(), set(second.split())
    page = set(later.entity_ids[:_PAGE])
    ranks = [rank for rank, entity in enumerate(earlier.entity_ids, start=1) if entity in page]
    row = (
        len(others.intersection(words)) / max(len(words), 1),
        fuzz.ratio(first, second) / 100,
        fuzz.partial_ratio(first, second) / 100,
        fuzz.token_set_ratio(first, second) / 100,
        len(ranks) / max(len(page), 1),
        1 / min(ranks) if ranks else 0.0,
        len(words),
        len(others),
    )
    return np.array([row], np.float32)
