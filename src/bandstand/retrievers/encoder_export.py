"""A sentence-transformers model to a folder that serves: an ONNX graph without torch, or the model as it is."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from bandstand.errors import ModelError, StorageError
from bandstand.retrievers.encoder import (
    DOCUMENT_TOKENS,
    MODEL_FILE,
    MODEL_FOLDER,
    TOKENIZER_FILE,
    EncoderManifest,
    OnnxEncoder,
    Precision,
    sha256,
    tree_sha256,
)
from bandstand.retrievers.encoder_sources import BundledMiniLM, ModelSource
from bandstand.retrievers.encoder_torch import load_model
from bandstand.types import Matrix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

MINIMUM_COSINE: dict[Precision, float] = {"int8": 0.97, "fp32": 0.999}
"""An export whose mean cosine to the original over the probes is lower is refused."""

_OPSET = 17
_PROBES = tuple(
    template.format(subject)
    for subject in (
        "halo", "sad songs", "宇多田ヒカル", "ac/dc", "jazz from the 1950s", "Кино", "!!!", "Sigur Rós", "x", "2019",
    )
    for template in (
        "{}",
        "{} by Nina Simone",
        "music like {} for a rainy sunday",
        "{} by The The, a dance pop and house track from Greatest Hits (1983), melancholic, english, piano",
        "play something that sounds like {} but slower, without vocals, and with a saxophone solo at the end",
    )
)  # fmt: skip


def export_encoder(
    target: Path, source: ModelSource | None = None, *, precision: Precision = "int8", as_it_is: bool = False
) -> Path:
    """Make the encoder of ``source`` (by default MiniLM) in the folder ``target``, replacing it, and return ``target``.

    The model is traced with its own pooling and with normalisation inside the graph, quantised (int8: dynamic, weights
    per channel), and the result compared with sentence-transformers. A model of which no faithful graph can be made is
    copied, to be run by sentence-transformers, where ``as_it_is`` allows it. Nothing is at ``target`` before all of
    that succeeded.

    Raises:
        BadInput, MissingDependency, Unavailable: the model, or what exports it, is not there.
        ModelError: the weights are not the published ones, or the export is not faithful.
        StorageError: the folder cannot be written.
    """
    source = source or BundledMiniLM()
    weights = source.locate()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            folder = Path(scratch) / "encoder"
            folder.mkdir()
            try:
                with _quiet():
                    _export(source, weights, folder, precision)
            except ModelError as error:
                if not as_it_is:
                    raise
                structlog.get_logger("encoder").warning("run_as_it_is", model=source.name, reason=str(error))
                with _quiet():
                    _copy(source, weights, folder)
            _swap(folder, target, Path(scratch) / "replaced")
    except OSError as error:
        raise StorageError(f"the encoder cannot be written to {target}: {error}.") from error
    return target


def _export(source: ModelSource, weights: Path, folder: Path, precision: Precision) -> None:
    """Write graph, tokenizer and manifest into ``folder``; ModelError where that cannot be done faithfully."""
    original = load_model(weights)
    traced = folder / MODEL_FILE if precision == "fp32" else folder.parent / MODEL_FILE
    try:
        _trace(original, traced)
        if precision == "int8":
            _quantize(traced, folder / MODEL_FILE)
        tokenizer = original.tokenizer.backend_tokenizer.to_str()
    except Exception as error:  # what torch and ONNX raise for a model that they cannot trace has no common class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{source.name} cannot be exported as {precision}: {reason}") from error
    (folder / TOKENIZER_FILE).write_text(tokenizer, "utf-8")
    replace(
        _described(source, weights, original),
        precision=precision,
        model_sha256=sha256(folder / MODEL_FILE),
        tokenizer_sha256=sha256(folder / TOKENIZER_FILE),
    ).write(folder)
    _check(folder, _vectors(original), MINIMUM_COSINE[precision])


def _copy(source: ModelSource, weights: Path, folder: Path) -> None:
    """Write the model as it is and a manifest into an emptied ``folder``."""
    shutil.rmtree(folder)
    shutil.copytree(weights, folder / MODEL_FOLDER, ignore=shutil.ignore_patterns("onnx", "openvino", "*.md", ".git*"))
    manifest = _described(source, weights, load_model(folder / MODEL_FOLDER))
    digest = tree_sha256(folder / MODEL_FOLDER)
    replace(manifest, runtime="sentence-transformers", model_sha256=digest, cosine_mean=1.0, cosine_min=1.0).write(
        folder
    )


def _described(source: ModelSource, weights: Path, original: SentenceTransformer) -> EncoderManifest:
    """What a manifest says of the original, in full precision; the hashes of what is written are still to be noted."""
    documents = (name for name in ("document", "passage", "corpus") if name in original.prompts)
    return EncoderManifest(
        model=source.name,
        precision="fp32",
        dim=int(original.encode_query("x").shape[0]),
        opset=_OPSET,
        probes=len(_PROBES),
        cosine_mean=0.0,
        cosine_min=0.0,
        source_sha256=source.digest() or tree_sha256(weights),
        model_sha256="",
        tokenizer_sha256="",
        max_tokens=min(original.max_seq_length or DOCUMENT_TOKENS, DOCUMENT_TOKENS),
        query_prompt=original.prompts.get("query") or "",
        document_prompt=original.prompts.get(next(documents, "")) or "",
    )


def _vectors(original: SentenceTransformer) -> Matrix:
    """The probes as queries and then as documents, float32 (2 · probes, dim), as the original encodes them."""
    return np.concatenate(
        [
            encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False)
            for encode in (original.encode_query, original.encode_document)
        ]
    )


def _trace(original: SentenceTransformer, path: Path) -> None:
    """Write the whole model, pooling and normalisation included, as one ONNX graph over (batch, tokens)."""
    import torch

    class Sentence(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
        """Token ids and mask to the sentence's vector."""

        def __init__(self) -> None:
            super().__init__()
            self.model = original

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            vectors = self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=1)

    example = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    with torch.no_grad():
        torch.onnx.export(
            Sentence().eval(),
            (example, example),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,  # the newer exporter needs another package and gives the same graph
        )


def _quantize(source: Path, target: Path) -> None:
    """Dynamic int8: weights quantised per channel ahead of time, activations per run.

    Weights take 7 bits: products of 8-bit ones overflow the 16-bit sums of processors without VNNI. Measured on
    SciFact (nDCG@10): 7 bits 0.653, 8 bits 0.649; equally fast.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def _check(folder: Path, reference: Matrix, minimum_cosine: float) -> None:
    """Compare the export with the original as it will be used, and note the result in the manifest.

    ``reference`` is what `_vectors` gives.
    """
    encoder = OnnxEncoder(folder)
    found = np.stack([*map(encoder.encode_query, _PROBES), *encoder.encode(_PROBES)])
    alike = found.shape == reference.shape
    cosines = (found * reference).sum(axis=1) if alike else np.zeros(1)
    mean, lowest = round(float(cosines.mean()), 4), round(float(cosines.min()), 4)
    if not mean >= minimum_cosine:
        raise ModelError(
            f"the {encoder.manifest.precision} export of {encoder.manifest.model} is not faithful: mean cosine to the"
            f" original {mean}, at least {minimum_cosine} is required. Use the precision fp32."
        )
    replace(encoder.manifest, cosine_mean=mean, cosine_min=lowest).write(folder)


def _swap(folder: Path, target: Path, aside: Path) -> None:
    """Put the finished folder in place; a reader opening in between finds no encoder, never half of one."""
    if target.exists():
        target.replace(aside)
    folder.replace(target)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress bars, warnings and log lines off the caller's terminal."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    disabled = logging.root.manager.disable
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
