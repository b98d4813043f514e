"""A table of token vectors: the sum of a text's is near the vector that an encoder gives the text. Kept in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from bandstand.errors import ModelError, StorageError
from bandstand.files import write_file
from bandstand.types import Scores

_FORMAT = 1
_REMEDY = "Run `bandstand index` to make it again."


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a table was distilled from: an encoder, and vectors of a catalogue.

    ``origin`` and ``seq`` say which vectors, and up to which change (`VectorBatch`); ``entities`` how many there were.
    """

    encoder: str
    origin: int
    seq: int
    entities: int


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the file. ``digest`` is the SHA-256 of what follows: tokens int32, then vectors float16."""

    format: int
    facts: TableFacts
    tokens: int
    dim: int
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class TokenTable:
    """Vectors float16 (n, dim) of ``tokens`` int32 (n,), ascending; immutable once made."""

    facts: TableFacts
    tokens: NDArray[np.int32]
    vectors: NDArray[np.float16]

    def vector(self, tokens: Sequence[int]) -> Scores | None:
        """float32 (dim,) of length 1: Σ of the tokens' vectors over its length.

        Their order changes nothing. None where there is no token, one that the table lacks, or nothing is left.
        """
        wanted = np.sort(np.array(tokens, np.int32))
        places = np.searchsorted(self.tokens, wanted)
        if not len(wanted) or places[-1] == len(self.tokens) or (self.tokens[places] != wanted).any():
            return None
        summed: Scores = self.vectors[places].sum(axis=0, dtype=np.float32)
        length = float(np.sqrt(summed @ summed))
        return summed / np.float32(length) if length > 0.0 else None

    def write(self, path: Path) -> None:
        """Let the table appear under ``path`` in one step.

        Raises:
            StorageError: it cannot be written.
        """
        content = self.tokens.tobytes() + self.vectors.tobytes()
        header = _Header(
            format=_FORMAT,
            facts=self.facts,
            tokens=len(self.tokens),
            dim=self.vectors.shape[1],
            digest=sha256(content).hexdigest(),
        )
        try:
            write_file(path, msgspec.json.encode(header) + b"\n" + content)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}. Make its folder writable.") from error

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What `write` wrote; None where nothing was.

        Raises:
            ModelError: it is damaged, or of another version; the message names the remedy.
        """
        try:
            first, _, content = path.read_bytes().partition(b"\n")
            header = msgspec.json.decode(first, type=_Header)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(f"{path} cannot be read: {error}. {_REMEDY}") from error
        if header.format != _FORMAT:
            raise ModelError(f"{path} is a table of format {header.format}, not {_FORMAT}. {_REMEDY}")
        if sha256(content).hexdigest() != header.digest:
            raise ModelError(f"{path} is not what was written: it is damaged. {_REMEDY}")
        if len(content) != header.tokens * (4 + 2 * header.dim):
            raise ModelError(f"{path} is not as long as it says: it is damaged. {_REMEDY}")
        tokens = np.frombuffer(content, np.int32, header.tokens)
        vectors = np.frombuffer(content, np.float16, offset=tokens.nbytes).reshape(header.tokens, header.dim)
        return cls(header.facts, tokens, vectors)
