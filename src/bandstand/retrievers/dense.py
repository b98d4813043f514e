"""The dense retriever: entities whose sentence means what the query means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.base import Retriever, check, finish, permitted
from bandstand.retrievers.encoder import EncoderOf
from bandstand.retrievers.vector_index import DenseIndex
from bandstand.types import Candidates, Colour, Query, RetrieverSpec

_DECIMALS = 6


class DenseRetriever(Retriever):
    """Cosine between the encoded query and the entities' sentences, best first.

    Scores are cosines rounded to six decimals, so that equal sentences tie whatever index they come from. Queries are
    encoded by the encoder of the vectors that the index holds at the time, also while another one's are being made.

    With ``inline`` it runs in the searching thread: where that hardly takes any time, see `StaticEncoder`.
    """

    spec = RetrieverSpec(
        "dense",
        title="alike in meaning (sentence embeddings)",
        colour=Colour("#5b2be0", "#b7a3ff"),
        cost_ms=6.3,
        bounded=True,
        encodes=True,
        weight=0.5,
        vague_weight=2.0,
    )

    def __init__(self, encoder_of: EncoderOf, index: DenseIndex, catalog: Catalog, *, inline: bool = False) -> None:
        self.spec = replace(self.spec, inline=inline)
        self._encoder_of = encoder_of
        self._index = index
        self._catalog = catalog

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """At most ``depth`` nearest entities, none for a blank query.

        Raises:
            RetrievalError: the query cannot be encoded, or the encoder of the index's vectors is not there.
        """
        view = self._index.view
        if not query.normalized or depth <= 0 or not view.fingerprint:
            return Candidates.empty(self.name)
        try:
            vector = self._encoder_of(view.fingerprint).encode_query(query.normalized)
        except BandstandError as error:
            raise RetrievalError(f"the query cannot be encoded: {error}") from error
        check()
        mask = permitted(query, self._catalog.columns.live)
        ordinals, scores = view.search(vector, depth, mask, selective=query.allowed is not None)
        return finish(self.name, ordinals, np.round(scores, _DECIMALS), mask=mask, depth=depth)
