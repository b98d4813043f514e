"""Token vectors distilled from an encoder: least squares over what it makes of entities and of predicted queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.store import Store
from bandstand.memory_index.predicted import predicted_queries
from bandstand.retrievers.encoder import OnnxEncoder
from bandstand.retrievers.sentence import entity_sentence
from bandstand.retrievers.token_table import TableFacts, TokenTable
from bandstand.retrievers.vector_store import VectorBatch
from bandstand.types import Entity, Matrix, Progress

if TYPE_CHECKING:
    from scipy.sparse import csr_array

QUERIES, ENTITIES, QUERIES_EACH = 15_000, 10_000, 2
"""The most predicted queries and entities that a table is taught, and queries for each entity. Twice the queries take
twice the time, and make no judged set better (docs/adr/0028)."""

RIDGE, STEPS = 0.3, 20
"""Weight of staying near the start, and steps of conjugate gradients."""

_COMMON = 1e-3
"""Share of all tokens at which a token starts with half its weight (Arora, Liang & Ma 2017, "A simple but tough-to-beat
baseline for sentence embeddings")."""

_AT_ONCE = 512
_JOB = "token vectors"


class Lessons(NamedTuple):
    """Texts as their tokens, and the vectors float32 (n, dim) that the encoder gives them."""

    texts: Sequence[Sequence[int]]
    vectors: Matrix


def distilled(
    encoder: OnnxEncoder, store: Store, batch: VectorBatch, *, seed: int, progress: Progress | None = None
) -> TokenTable:
    """The table for an encoder whose vectors of the catalogue are ``batch`` (all of them). The same for the same seed.

    It holds the tokens of its lessons: of sentences about entities, whose vectors are there anyway, and of queries that
    are predicted for them. A sampled entity that was deleted meanwhile is left out.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(batch.ordinals))[:ENTITIES])
    known = [
        (row, entity)
        for row, entity in zip(rows.tolist(), store.get_many(batch.ordinals[rows]), strict=True)
        if entity is not None
    ]
    queries = _queries([entity for _, entity in known], rng)
    asked = encoder.query_tokens(queries)
    told = encoder.document_tokens([entity_sentence(entity) for _, entity in known])
    texts = [*asked, *told]
    tokens = np.unique(np.fromiter(chain.from_iterable(texts), np.int32))
    encode = _counted(encoder.encode_tokens, len(asked) + len(tokens), progress)
    vectors = np.concatenate([encode(asked), batch.vectors[[row for row, _ in known]].astype(np.float32)])
    start = encode([[token] for token in tokens.tolist()])
    found = token_vectors(Lessons(texts, vectors), tokens, start)
    facts = TableFacts(
        encoder=encoder.fingerprint, origin=batch.origin, seq=batch.seq, entities=len(batch.ordinals)
    )  # fmt: skip
    return TokenTable(facts, tokens, found.astype(np.float16))


def token_vectors(lessons: Lessons, tokens: NDArray[np.int32], start: Matrix) -> Matrix:
    """T of shape (n, dim) with the least ‖X T − Y‖² + ridge · ‖T − S‖².

    X[i, j] is how often the token j is in the text i over the root of the text's length, Y are the texts' vectors, and
    S is the ``start`` (n, dim), each row weighed by how rare its token is, all by one factor that fits Y best. By
    conjugate gradients from S, all columns side by side: after few steps T is near S still where the texts say little.
    """
    counts = _counts(lessons.texts, tokens)
    share = counts.sum(axis=0) / max(counts.sum(), 1.0)
    scaled = start * (_COMMON / (_COMMON + share))[:, None].astype(np.float32)
    lengths = np.maximum(counts.sum(axis=1), 1.0)
    texts = counts.multiply(1.0 / np.sqrt(lengths)[:, None]).tocsr().astype(np.float32)
    guess = texts @ scaled
    norm = float((guess * guess).sum())
    first: Matrix = scaled * np.float32(float((guess * lessons.vectors).sum()) / norm if norm else 0.0)
    turned = texts.T.tocsr()

    def normal(moved: Matrix) -> Matrix:
        product: Matrix = turned @ (texts @ moved) + np.float32(RIDGE) * moved
        return product

    wanted: Matrix = turned @ (lessons.vectors - texts @ first)
    return first + _solved(normal, wanted)


def _solved(normal: Callable[[Matrix], Matrix], wanted: Matrix) -> Matrix:
    """The solution of ``normal(x) = wanted`` in every column, after `STEPS` steps at most (Hestenes & Stiefel 1952)."""
    found, left = np.zeros_like(wanted), wanted.copy()
    direction, size = left.copy(), (left * left).sum(axis=0)
    enough = 1e-8 * size
    for _ in range(STEPS):
        if (size <= enough).all():
            break
        moved = normal(direction)
        step = _ratio(size, (direction * moved).sum(axis=0))
        found += step * direction
        left -= step * moved
        before, size = size, (left * left).sum(axis=0)
        direction = left + _ratio(size, before) * direction
    return found


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    """0 where a column is solved already."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


def _counts(texts: Sequence[Sequence[int]], tokens: NDArray[np.int32]) -> csr_array:
    """How often each of ``tokens`` (ascending) is in each text."""
    from scipy.sparse import csr_array

    lengths = [len(text) for text in texts]
    places = np.searchsorted(tokens, np.fromiter(chain.from_iterable(texts), np.int32, sum(lengths)))
    rows = np.repeat(np.arange(len(texts)), lengths)
    return csr_array((np.ones(len(places), np.float32), (rows, places)), shape=(len(texts), len(tokens)))


def _queries(entities: Sequence[Entity], rng: np.random.Generator) -> list[str]:
    """Distinct predicted queries of entities, drawn at random."""
    every = sorted({query for entity in entities for query, _ in predicted_queries(entity)})
    most = min(QUERIES, QUERIES_EACH * len(entities))
    return [every[at] for at in np.sort(rng.permutation(len(every))[:most]).tolist()]


def _counted(
    encode: Callable[[Sequence[Sequence[int]]], Matrix], total: int, progress: Progress | None
) -> Callable[[Sequence[Sequence[int]]], Matrix]:
    """Encode piece by piece, ``progress`` told after each."""
    done = 0

    def encoded(texts: Sequence[Sequence[int]]) -> Matrix:
        nonlocal done
        pieces = []
        for start in range(0, len(texts), _AT_ONCE):
            piece = texts[start : start + _AT_ONCE]
            pieces.append(encode(piece))
            done += len(piece)
            if progress is not None:
                progress(_JOB, done, total)
        return np.concatenate(pieces) if pieces else encode(texts)

    return encoded
