"""The rephrase retriever: what queries of like meaning led to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.rows import Rows
from bandstand.retrievers.base import Retriever, check, finish, permitted
from bandstand.retrievers.encoder import EncoderOf
from bandstand.retrievers.vector_index import DenseIndex
from bandstand.retrievers.vector_store import VectorBatch
from bandstand.types import Candidates, Colour, ContextFeature, Query, RetrieverSpec, best_value


@dataclass(frozen=True, slots=True, kw_only=True)
class RephraseSettings:
    """At most ``neighbours`` learned queries speak, each with a cosine of ``minimum_similarity`` or more."""

    neighbours: int = 8
    minimum_similarity: float = 0.6


class RephraseRetriever(Retriever):
    """The memories of the queries nearest to this one in meaning, mixed.

    score(e) = Σ_q cosine(query, q) · memory(q, e) over the neighbours q, the query itself left out: it is the memory
    retriever's. ``similarity`` is the largest cosine over the neighbours that led to e, ``clicks`` their clicks on it.

    Searches see the meanings of queries that were learned before the last `refresh`.
    """

    spec = RetrieverSpec(
        "rephrase",
        title="what people chose after queries that mean the same",
        colour=Colour("#0b6a70", "#74d6dc"),
        cost_ms=6.3,
        columns=("similarity", "clicks"),
        bounded=True,
        encodes=True,
        weight=1.0,
        context=(ContextFeature("similarity", best_value("similarity")),),
    )

    def __init__(
        self, memory: Memory, encoder_of: EncoderOf, catalog: Catalog, *, settings: RephraseSettings | None = None
    ) -> None:
        self._memory = memory
        self._encoder_of = encoder_of
        self._catalog = catalog
        self._settings = settings or RephraseSettings()
        self._learned = _LearnedQueries(memory, encoder_of)
        self._index = DenseIndex(self._learned)

    def refresh(self) -> None:
        """Take in queries that were learned or withdrawn since."""
        self._index.refresh()

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; a blank query finds nothing."""
        if not query.normalized or depth <= 0 or not len(self._index.view):
            return Candidates.empty(self.name)
        try:
            neighbours = self._neighbours(query.normalized)
            answers = [self._memory.exact(text, user=query.actor, now=query.time) for text, _ in neighbours]
        except BandstandError as error:
            raise RetrievalError(f"rephrasings cannot be looked up: {error}") from error
        return self._mixed(query, depth, list(zip(answers, (cosine for _, cosine in neighbours), strict=True)))

    def _neighbours(self, normalized: str) -> list[tuple[str, float]]:
        """The nearest other queries and their cosines, nearest first."""
        settings, texts = self._settings, self._learned.texts
        view = self._index.view
        vector = self._encoder_of(view.fingerprint).encode_query(normalized)
        check()
        every = np.ones(len(texts), np.bool_)
        rows, cosines = view.search(vector, settings.neighbours + 1, every)
        order = np.lexsort((rows, -cosines))
        near = [(texts[rows[at]], float(cosines[at])) for at in order if cosines[at] >= settings.minimum_similarity]
        return [(text, cosine) for text, cosine in near if text != normalized][: settings.neighbours]

    def _mixed(self, query: Query, depth: int, answers: list[tuple[Rows, float]]) -> Candidates:
        """What the neighbours led to, each with its cosine."""
        if not answers:
            return Candidates.empty(self.name)
        ordinals, at = np.unique(np.concatenate([rows.ordinals for rows, _ in answers]), return_inverse=True)
        cosines = np.repeat(np.array([cosine for _, cosine in answers], np.float32), [len(rows) for rows, _ in answers])
        scores, clicks, similarity = np.zeros((3, len(ordinals)), np.float32)
        np.add.at(scores, at, cosines * np.concatenate([rows.scores for rows, _ in answers]))
        np.add.at(clicks, at, np.concatenate([rows.clicks for rows, _ in answers]))
        np.maximum.at(similarity, at, cosines)
        return finish(
            self.name,
            ordinals,
            scores,
            mask=permitted(query, self._catalog.columns.live),
            depth=depth,
            columns={"similarity": similarity, "clicks": clicks},
        )


class _LearnedQueries:
    """The memory's learned queries as a source of vectors: a query's number is its place in ``texts``.

    The number of a withdrawn query goes to a later one, but not before the index has been told of the withdrawal.
    """

    def __init__(self, memory: Memory, encoder_of: EncoderOf) -> None:
        self._memory = memory
        self._encoder_of = encoder_of
        self._numbers: dict[str, int] = {}
        self._free: list[int] = []
        self.texts: list[str] = []

    def since(self, seq: int) -> VectorBatch:
        """What was learned after a change number; nothing while the encoder of these vectors is not there."""
        fingerprint, (head, learned) = self._memory.encoder(), self._memory.learned(seq)
        if self._memory.encoder() != fingerprint:  # another one was adopted in between
            return self.since(seq)
        for text, _ in learned:
            if text not in self._numbers:
                self._number(text)
        withdrawn = [self._numbers.pop(text) for text in self._memory.withdrawn(self._numbers)]
        self._free += withdrawn
        numbers, dim = self._numbers, self._dim(fingerprint)
        vectors = {numbers[text]: vector for text, vector in learned if text in numbers and len(vector) == dim}
        return VectorBatch(
            seq=head,
            fingerprint=fingerprint if dim else "",
            ordinals=np.fromiter(vectors, np.int32, len(vectors)),
            vectors=np.array(list(vectors.values()), np.float16).reshape(len(vectors), dim),
            deleted=np.array(withdrawn, np.int32),
        )

    def _number(self, text: str) -> None:
        if self._free:
            self._numbers[text] = self._free.pop()
            self.texts[self._numbers[text]] = text
        else:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)

    def _dim(self, fingerprint: str) -> int:
        """The length of the encoder's vectors, 0 where it is not there."""
        try:
            return self._encoder_of(fingerprint).dim if fingerprint else 0
        except BandstandError:
            return 0
