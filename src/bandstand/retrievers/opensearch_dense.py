"""The dense retriever on a cluster: nearest neighbours by Lucene's HNSW graph, asked only when the decision says so."""

from __future__ import annotations

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.cluster.connection import Cluster, Json, hits_of
from bandstand.errors import BandstandError, RetrievalError
from bandstand.retrievers.base import finish, permitted
from bandstand.retrievers.cancellation import check
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.opensearch_round import ranked, scored
from bandstand.retrievers.opensearch_text import conditions
from bandstand.retrievers.opensearch_vectors import VECTOR
from bandstand.types import DEPTHS, Candidates, Query, Scores

_DECIMALS = 6

EXAMINED = 400
"""How many neighbours the graph is searched for, whatever depth is wanted: so a smaller depth is a prefix of a larger
one, and few of the nearest are missed."""


class OpenSearchDense:
    """See `DenseRetriever`; approximate, and never more than the largest of `DEPTHS` candidates.

    ``index`` names the index (or its alias) that holds this encoder's vectors.
    """

    name = "dense"

    def __init__(self, cluster: Cluster, index: str, encoder: Encoder, catalog: Catalog, *, deadline_s: float) -> None:
        self._cluster = cluster
        self._index = index
        self._encoder = encoder
        self._catalog = catalog
        self._deadline_s = deadline_s

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """At most ``depth`` nearest entities, none for a blank query.

        Raises:
            RetrievalError: the query cannot be encoded, or the cluster could not answer, or not in time.
        """
        if not query.normalized or depth <= 0:
            return Candidates.empty(self.name)
        try:
            body = self._body(query, self._encoder.encode_query(query.normalized))
            check()
            (answer,) = self._cluster.msearch([(self._index, body)], timeout=self._deadline_s)
            hits = hits_of(answer)
        except BandstandError as error:
            raise RetrievalError(str(error)) from error
        ordinals, scores = scored(hits)
        mask = permitted(query, self._catalog.columns.live)
        return finish(self.name, ordinals, np.round(cosines(scores), _DECIMALS), mask=mask, depth=depth)

    def _body(self, query: Query, vector: Scores) -> Json:
        wanted: Json = {"vector": vector.tolist(), "k": EXAMINED}
        if clauses := conditions(query):
            wanted["filter"] = {"bool": {"filter": clauses}}
        return ranked({"knn": {VECTOR: wanted}}, size=DEPTHS[-1], deadline_s=self._deadline_s)


def cosines(scores: Scores) -> Scores:
    """Inner products of what Lucene scores by them: 1 + x for x >= 0, else 1 / (1 - x)."""
    products: Scores = np.where(scores >= 1, scores - 1, 1 - 1 / np.maximum(scores, np.float32(1e-9)))
    return products
