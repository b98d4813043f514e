"""The rephrase retriever: what queries of like meaning, or with like answers, led to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bandstand.catalog.columns import Catalog
from bandstand.errors import BandstandError, RetrievalError
from bandstand.memory_index.keys import query_key
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.rows import LikeAnswers, Rows
from bandstand.retrievers.base import finish, permitted
from bandstand.retrievers.dense_index import DenseIndex
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.vectors import VectorBatch
from bandstand.types import Candidates, Matrix, Ordinals, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class RephraseSettings:
    """At most ``neighbours`` learned queries speak, each with a cosine of ``minimum_similarity`` or more."""

    neighbours: int = 8
    minimum_similarity: float = 0.6


class RephraseRetriever:
    """The memories of the queries nearest to this one, mixed: near in meaning, or by having led to the same entities.

    score(e) = Σ_q nearness(query, q) · memory(q, e) over the neighbours q, the query itself left out: it is the memory
    retriever's. Nearness is the cosine of the encoder, or the square root of `LikeAnswers.likeness`, which is a cosine
    too, of smaller numbers. ``similarity`` and ``likeness`` are the largest of either kind over the neighbours that led
    to e, ``clicks`` their clicks on it.

    Searches see the meanings of queries that were learned before the last `refresh`.
    """

    name = "rephrase"

    def __init__(
        self, memory: Memory, encoder: Encoder, catalog: Catalog, *, settings: RephraseSettings | None = None
    ) -> None:
        self._memory = memory
        self._encoder = encoder
        self._catalog = catalog
        self._settings = settings or RephraseSettings()
        self._learned = _LearnedQueries(memory, encoder)
        self._index = DenseIndex(self._learned)

    def refresh(self) -> int:
        """Take in newly learned queries; return how many there were."""
        return self._index.refresh()

    def retrieve(self, query: Query, depth: int) -> Candidates:
        """See `bandstand.retrievers.base.Retriever`; a blank query finds nothing."""
        if not query.normalized or depth <= 0 or not len(self._index):
            return Candidates.empty(self.name)
        try:
            neighbours = self._neighbours(query.normalized)
            answers = [self._memory.exact(text, user=query.actor, now=query.time) for text, _ in neighbours]
            like = self._memory.like_answers(query.normalized, now=query.time)
        except BandstandError as error:
            raise RetrievalError(f"rephrasings cannot be looked up: {error}") from error
        near = [_near(rows, cosine) for rows, (_, cosine) in zip(answers, neighbours, strict=True)]
        return self._mixed(query, depth, [*near, _like(like, [text for text, _ in neighbours])])

    def _neighbours(self, normalized: str) -> list[tuple[str, float]]:
        """The nearest other queries and their cosines, nearest first."""
        settings, texts = self._settings, self._learned.texts
        vector = self._encoder.encode_query(normalized)
        every = np.ones(len(texts), np.bool_)
        rows, cosines = self._index.search(vector, settings.neighbours + 1, every)
        order = np.lexsort((rows, -cosines))
        near = [(texts[rows[at]], float(cosines[at])) for at in order if cosines[at] >= settings.minimum_similarity]
        return [(text, cosine) for text, cosine in near if text != normalized][: settings.neighbours]

    def _mixed(self, query: Query, depth: int, parts: Sequence[_Part]) -> Candidates:
        every = np.concatenate([part.ordinals for part in parts])
        matrix = np.concatenate([part.matrix for part in parts], axis=1)
        ordinals, at = np.unique(every, return_inverse=True)
        scores, clicks, similarity, likeness = np.zeros((4, len(ordinals)), np.float32)
        np.add.at(scores, at, matrix[0])
        np.add.at(clicks, at, matrix[1])
        np.maximum.at(similarity, at, matrix[2])
        np.maximum.at(likeness, at, matrix[3])
        return finish(
            self.name,
            ordinals,
            scores,
            mask=permitted(query, self._catalog.columns.live),
            depth=depth,
            columns={"similarity": similarity, "clicks": clicks, "likeness": likeness},
        )


class _Part(NamedTuple):
    """Ordinals (n,) and a matrix (4, n): what they add to the score, clicks, similarity, likeness."""

    ordinals: Ordinals
    matrix: Matrix


def _near(rows: Rows, cosine: float) -> _Part:
    none = np.zeros(len(rows), np.float32)
    return _Part(rows.ordinals, np.stack([cosine * rows.scores, rows.clicks, none + np.float32(cosine), none]))


def _like(rows: LikeAnswers, told: Sequence[str]) -> _Part:
    """Without the queries that have spoken already."""
    keys = np.frombuffer(b"".join(query_key(text) for text in told), np.uint64)
    new = ~np.isin(rows.queries, keys)
    scores, likeness = rows.scores[new], rows.likeness[new]
    clicks = rows.clicks[new]
    return _Part(rows.ordinals[new], np.stack([np.sqrt(likeness) * scores, clicks, np.zeros_like(scores), likeness]))


class _LearnedQueries:
    """The memory's learned queries as a source of vectors: a query's number is its place in ``texts``."""

    def __init__(self, memory: Memory, encoder: Encoder) -> None:
        self._memory = memory
        self._encoder = encoder
        self._numbers: dict[str, int] = {}
        self.texts: list[str] = []

    def since(self, seq: int) -> VectorBatch:
        """What was learned after a change number; vectors of another length are another encoder's and left out."""
        head, learned = self._memory.learned(seq)
        vectors = {text: vector for text, vector in learned if len(vector) == self._encoder.dim}
        for text in vectors:
            if text not in self._numbers:
                self._numbers[text] = len(self.texts)
                self.texts.append(text)
        return VectorBatch(
            seq=head,
            fingerprint=self._encoder.fingerprint,
            ordinals=np.fromiter((self._numbers[text] for text in vectors), np.int32, len(vectors)),
            vectors=np.array(list(vectors.values()), np.float16).reshape(len(vectors), self._encoder.dim),
            deleted=np.empty(0, np.int32),
        )
