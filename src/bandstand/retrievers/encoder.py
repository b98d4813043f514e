"""Texts to vectors: the interface, and all-MiniLM-L6-v2 run by ONNX Runtime from an exported folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import ModelError
from bandstand.retrievers.encoder_manifest import MODEL_FILE, TOKENIZER_FILE, EncoderManifest
from bandstand.retrievers.micro_batch import MicroBatch
from bandstand.retrievers.query_cache import QueryCache
from bandstand.types import Matrix, Scores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

QUERY_TOKENS = 64
DOCUMENT_TOKENS = 128
"""Where texts are cut. A sentence about a track has 27 tokens on average; the model was trained on 128."""

_BATCH = 16
"""Texts a run: 8 to 64 are equally fast on one core (within 5 %), and a small batch pads less."""


class Encoder(Protocol):
    """Turns texts into vectors whose inner product is their cosine."""

    @property
    def dim(self) -> int:
        """The length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """What the vectors depend on: those of encoders with different fingerprints must not be compared."""
        ...

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), every row of length 1."""
        ...

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,) of length 1, read-only, cached."""
        ...


class OnnxEncoder:
    """An encoder exported by `export_encoder`, run without torch; safe for threads.

    ``threads`` is how many batches of `encode` run side by side, each on one core: on two cores that is 1.9 times
    faster than one, and a query, which is always one run on one core, never waits for a pool.

    With int8 weights the activations are quantised with one scale a run, so a vector also depends, by about 0.005
    of cosine, on the texts that share its batch; the same call always gives the same vectors. Queries that come while
    ``lanes`` others are being encoded share the next run (`MicroBatch`); one that comes alone is encoded alone.

    Raises:
        ModelError: the folder holds no encoder, a damaged one, or one of another version.
    """

    def __init__(self, path: Path, *, threads: int = 1, lanes: int = 1, cache_size: int = 4096) -> None:
        self.manifest = EncoderManifest.read(path)
        self.manifest.verify(path)
        self.dim = self.manifest.dim
        self.fingerprint = self.manifest.fingerprint
        self._threads = max(1, threads)
        self._session = _open_session(path / MODEL_FILE)
        self._documents = _open_tokenizer(path / TOKENIZER_FILE, DOCUMENT_TOKENS)
        self._queries = _open_tokenizer(path / TOKENIZER_FILE, QUERY_TOKENS)
        self._cache = QueryCache(MicroBatch(self._encode_queries, lanes=lanes), cache_size)

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,), length 1, of the first `QUERY_TOKENS` tokens."""
        return self._cache.get(text)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), rows of length 1, of the first `DOCUMENT_TOKENS` tokens of each text."""
        tokens = [encoding.ids for encoding in self._documents.encode_batch_fast([_clean(text) for text in texts])]
        vectors = np.empty((len(texts), self.dim), np.float32)
        # Texts of like length together: padding is computed for nothing.
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]

        def run(rows: NDArray[np.intp]) -> None:
            vectors[rows] = self._run([tokens[row] for row in rows])

        if self._threads == 1 or len(batches) < 2:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="encode") as pool:
                _consume(pool.map(run, batches))
        return vectors

    def _encode_queries(self, texts: Sequence[str]) -> Matrix:
        return self._run([self._queries.encode(_clean(text)).ids for text in texts])

    def _run(self, tokens: Sequence[Sequence[int]]) -> Matrix:
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens_of_row in enumerate(tokens):
            ids[row, : len(tokens_of_row)] = tokens_of_row
            mask[row, : len(tokens_of_row)] = 1
        try:
            vectors: Matrix = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        except Exception as error:  # onnxruntime's exceptions have no common class of their own
            raise ModelError(f"the encoder failed: {error}. Run `bandstand index` to export it again.") from error
        return vectors


def _consume(results: Iterable[None]) -> None:
    """Wait for every result, raising the first error."""
    for _ in results:
        pass


def _clean(text: str) -> str:
    """Replace lone surrogates, which the tokenizer refuses."""
    return text.encode("utf-8", "replace").decode()


def _open_session(path: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise ModelError(f"{path} cannot be loaded: {error}. Run `bandstand index` to export it again.") from error


def _open_tokenizer(path: Path, tokens: int) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} cannot be loaded: {error}. Run `bandstand index` to export it again.") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=tokens)
    return tokenizer
