"""The last word on a page: what an operator pinned for the query stands first, what is blocked is not shown."""

from __future__ import annotations

import numpy as np

from bandstand.memory_index.curation import Curation
from bandstand.ranker.page import Ranking


def curated(head: Ranking, curation: Curation) -> Ranking:
    """The ranking as it is shown and logged: pins in their order, then everything else but what is blocked.

    A pin that no retriever brought is not among the candidates: the memory brings it wherever it may play. Scores stay
    those of the ranker, so that what they say of each hit stays true.
    """
    places = {ordinal: place for place, ordinal in enumerate(curation.pinned)}
    rank = np.array([places.get(ordinal, len(places)) for ordinal in head.ordinals.tolist()], np.int64)
    order = np.argsort(rank, kind="stable")
    order = order[~np.isin(head.ordinals[order], list(curation.blocked))]
    return head.taken(order)
