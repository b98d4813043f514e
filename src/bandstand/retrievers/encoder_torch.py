"""A sentence-transformers model run as it is, by torch: for models that cannot be exported to ONNX."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bandstand.errors import MissingDependency, ModelError
from bandstand.retrievers.encoder import (
    DOCUMENT_TOKENS,
    MODEL_FOLDER,
    EncoderManifest,
    MicroBatch,
    QueryCache,
    clean,
)
from bandstand.types import Matrix, Scores

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BATCH = 16
"""Documents encoded before a waiting query gets its turn: torch runs one call at a time here."""


class SentenceTransformersEncoder:
    """The model in a folder that `bandstand.retrievers.encoder_export` wrote; safe for threads.

    Pooling, prompts, tokenizer and normalisation are the model's own; vectors are brought to length 1. Texts are cut at
    `DOCUMENT_TOKENS` tokens, or earlier where the model reads less.

    Raises:
        MissingDependency: torch or sentence-transformers is not installed.
        ModelError: the folder holds no encoder, a damaged one, or one of another version.
    """

    def __init__(self, path: Path, *, cache_size: int = 4096) -> None:
        self.manifest = EncoderManifest.read(path)
        self.manifest.verify(path)
        self.dim = self.manifest.dim
        self.fingerprint = self.manifest.fingerprint
        self._model = load_model(path / MODEL_FOLDER)
        self._turn = threading.Lock()
        self._cache = QueryCache(MicroBatch(lambda texts: self._run(self._model.encode_query, texts)), cache_size)

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,), length 1, read-only."""
        return self._cache.get(text)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), rows of length 1."""
        parts = [
            self._run(self._model.encode_document, texts[start : start + _BATCH])
            for start in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def _run(self, encode: Callable[..., Matrix], texts: Sequence[str]) -> Matrix:
        try:
            with self._turn:
                rows = encode([clean(text) for text in texts], normalize_embeddings=True, show_progress_bar=False)
        except Exception as error:  # torch's and the model's own have no common class
            raise ModelError(f"the encoder failed: {error}. Run `bandstand index` to make it again.") from error
        return np.asarray(rows, np.float32)


def load_model(folder: Path) -> SentenceTransformer:
    """The model in a folder, on the processor, without asking the network.

    Raises:
        MissingDependency: torch or sentence-transformers is not installed.
        ModelError: it cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingDependency(f"{error}. Install it with `pip install sentence-transformers torch`.") from error
    try:
        # The eager attention is the one that an export follows through plain operators.
        model = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
        )
    except Exception as error:  # whatever the files make the libraries raise
        raise ModelError(f"{folder} holds no sentence-transformers model: {error}.") from error
    with suppress(AttributeError):  # a table of token vectors reads any length
        model.max_seq_length = min(model.max_seq_length or DOCUMENT_TOKENS, DOCUMENT_TOKENS)
    return model
