"""The folder of an exported encoder: its files, and the manifest that says what they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Literal

from bandstand.errors import ModelError

Precision = Literal["int8", "fp32"]

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"

_FORMAT = 1
_REMEDY = "Run `bandstand index` to export the encoder."


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderManifest:
    """What an exported encoder is, and how it was checked.

    ``cosine_mean`` and ``cosine_min`` compare it with the original over ``probes`` texts. The hashes are SHA-256
    of the original weights and of the two exported files.
    """

    model: str
    precision: Precision
    dim: int
    opset: int
    probes: int
    cosine_mean: float
    cosine_min: float
    source_sha256: str
    model_sha256: str
    tokenizer_sha256: str
    format: int = _FORMAT

    @property
    def fingerprint(self) -> str:
        """Model, precision and weights: what a vector depends on."""
        return f"{self.model}/{self.precision}/{self.source_sha256[:12]}"

    @classmethod
    def read(cls, folder: Path) -> EncoderManifest:
        """Read the manifest of a folder, or raise `ModelError` with the remedy."""
        try:
            manifest = cls(**json.loads((folder / MANIFEST_FILE).read_text("utf-8")))
        except FileNotFoundError as error:
            raise ModelError(f"{folder} holds no encoder. {_REMEDY}") from error
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder / MANIFEST_FILE} cannot be read: {error}. {_REMEDY}") from error
        if manifest.format != _FORMAT:
            raise ModelError(f"{folder} holds an encoder of format {manifest.format}, not {_FORMAT}. {_REMEDY}")
        return manifest

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder."""
        (folder / MANIFEST_FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    def verify(self, folder: Path) -> None:
        """Compare the files with their hashes, and raise `ModelError` when one is not what was exported."""
        for name, expected in ((MODEL_FILE, self.model_sha256), (TOKENIZER_FILE, self.tokenizer_sha256)):
            try:
                found = sha256(folder / name)
            except OSError as error:
                raise ModelError(f"{folder / name} cannot be read: {error}. {_REMEDY}") from error
            if found != expected:
                raise ModelError(f"{folder / name} is not the file that was exported: it is damaged. {_REMEDY}")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
