"""Texts to vectors: the interface, exported models by ONNX Runtime, hashed n-grams; cached, and in micro-batches."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import Cancelled, ModelError
from bandstand.retrievers.base import check, current
from bandstand.types import Matrix, Scores
from bandstand.types.hashing import checksum

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer


AT_MOST = 16
"""Texts of one run; those beyond make the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A text, and where its row will be."""

    text: str
    answer: Future[Scores] = field(default_factory=Future)


class MicroBatch:
    """Flat combining (Hendler, Incze, Shavit & Tzafrir 2010): whoever finds a lane free works for all who wait.

    There is no timer and no thread of its own: a call that meets nobody runs at once, alone. ``lanes`` is how many runs
    go side by side. A call that is called off while it waits is taken out, and its text is never run.
    """

    def __init__(self, run: Callable[[Sequence[str]], Matrix], *, lanes: int = 1) -> None:
        self._run = run
        self._free = lanes
        self._changed = threading.Condition()
        self._waiting: list[_Call] = []

    def __call__(self, text: str) -> Scores:
        """One text's row of what ``run`` gives for a batch that holds it; raises what ``run`` raises.

        Raises:
            Cancelled: called off before it was run.
        """
        call = _Call(text)
        with self._changed:
            self._waiting.append(call)
        if (cancellation := current()) is not None:
            cancellation.on_cancel(lambda: self._take_out(call))
        while batch := self._led_by(call):
            self._answer(batch)
        return call.answer.result()

    def _led_by(self, call: _Call) -> list[_Call]:
        """Wait for the call's answer, or for a lane while nobody has taken it; the batch to run, none when answered."""
        with self._changed:
            self._changed.wait_for(lambda: call.answer.done() or (self._free > 0 and call in self._waiting))
            if call.answer.done():
                return []
            self._free -= 1
            batch, self._waiting = self._waiting[:AT_MOST], self._waiting[AT_MOST:]
            return batch

    def _answer(self, batch: Sequence[_Call]) -> None:
        try:
            rows = self._run([call.text for call in batch])
            for call, row in zip(batch, rows, strict=True):
                call.answer.set_result(row.copy())  # a view would keep the whole batch in memory
        except BaseException as error:
            for call in batch:
                call.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _take_out(self, call: _Call) -> None:
        with self._changed:
            if call in self._waiting:
                self._waiting.remove(call)
                call.answer.set_exception(Cancelled("called off before it was encoded"))
                self._changed.notify_all()


class QueryCache:
    """The last ``size`` texts' vectors, least recently used first to go; safe for threads.

    Two retrievers that embed the same query side by side share one computation. A failed one is not kept.
    """

    def __init__(self, compute: Callable[[str], Scores], size: int) -> None:
        self._compute = compute
        self._size = size
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Future[Scores]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> Scores:
        """Return the vector of a text as a read-only array; raises what ``compute`` raises."""
        while True:
            with self._lock:
                entry = self._entries.get(text)
                if entry is not None:
                    self._entries.move_to_end(text)
                else:
                    mine = self._entries[text] = Future()
                    while len(self._entries) > self._size:
                        self._entries.popitem(last=False)
            if entry is None:
                return self._fill(text, mine)
            try:
                return entry.result()
            except Cancelled:
                check()  # whoever computed it was called off; unless this call was too, it is computed again

    def _fill(self, text: str, entry: Future[Scores]) -> Scores:
        try:
            vector = self._compute(text)
        except BaseException as error:
            with self._lock:
                if self._entries.get(text) is entry:
                    del self._entries[text]
            entry.set_exception(error)
            raise
        vector.setflags(write=False)
        entry.set_result(vector)
        return vector


_SIZES = (2, 3, 4)


class HashingEncoder:
    """Signed feature hashing of the character n-grams (2 to 4) of each word; safe for threads, needs no files.

    It knows spelling, not meaning: "happy songs" is near "happy song" and far from "joyful music". v[h(g) mod dim] +=
    sign(g) for every n-gram g, then length 1 (Weinberger et al. 2009, "Feature hashing for large scale multitask
    learning"). A text whose n-grams cancel out, or that has none, is the first unit vector.
    """

    def __init__(self, dim: int = 64, *, cache_size: int = 4096) -> None:
        self.dim = dim
        self.fingerprint = f"hashing/{dim}"
        self._cache = QueryCache(self._encode_one, cache_size)

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,) of length 1, the same as `encode` gives."""
        return self._cache.get(text)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), rows of length 1."""
        return np.stack([self._encode_one(text) for text in texts]) if texts else np.empty((0, self.dim), np.float32)

    def _encode_one(self, text: str) -> Scores:
        padded = [f"<{word}>" for word in text.casefold().split()]
        grams = [word[i : i + size] for word in padded for size in _SIZES for i in range(len(word) - size + 1)]
        hashes = np.fromiter((crc32(gram.encode("utf-8", "replace")) for gram in grams), np.uint32, len(grams))
        signs = 1.0 - 2.0 * (hashes >> 31)
        counts = np.bincount(hashes % self.dim, weights=signs, minlength=self.dim)
        if not counts.any():
            counts[0] = 1.0
        vector: Scores = (counts / np.linalg.norm(counts)).astype(np.float32)
        return vector


Precision = Literal["int8", "fp32"]
Runtime = Literal["onnx", "sentence-transformers"]

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
MODEL_FOLDER = "model"
MANIFEST_FILE = "manifest.json"

QUERY_TOKENS = 64
DOCUMENT_TOKENS = 128
"""Where texts are cut. A sentence about a track has 27 tokens on average; MiniLM was trained on 128."""

_FORMAT = 1
_REMEDY = "Run `bandstand index` to make it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderManifest:
    """What the encoder in a folder is, and how it was checked.

    ``runtime`` says what runs it: ONNX Runtime a graph, or sentence-transformers the model as it is. ``cosine_mean``
    and ``cosine_min`` compare a graph with the original over ``probes`` texts. ``max_tokens`` is what the model can
    read at once, the prompts are what it wants before a query and before a document. The hashes are SHA-256 of the
    original's files (of MiniLM: its weights), and of what the folder holds.
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
    runtime: Runtime = "onnx"
    max_tokens: int = DOCUMENT_TOKENS
    query_prompt: str = ""
    document_prompt: str = ""
    format: int = _FORMAT

    @property
    def fingerprint(self) -> str:
        """Model, precision, weights and settings: what a vector depends on."""
        return fingerprint_of(self.model, self.precision, self.source_sha256)

    @classmethod
    def read(cls, folder: Path) -> EncoderManifest:
        """Read the manifest of a folder, or raise `ModelError` with the remedy."""
        try:
            values = json.loads((folder / MANIFEST_FILE).read_text("utf-8"))
            total = values.pop("sum", None)  # those of before have none
            manifest = cls(**values)
            if total not in (None, checksum(*values.values())):
                raise ValueError("it is not what was written")  # noqa: TRY301 - told with what else may be wrong
        except FileNotFoundError as error:
            raise ModelError(f"{folder} holds no encoder. {_REMEDY}") from error
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(f"{folder / MANIFEST_FILE} cannot be read: {error}. {_REMEDY}") from error
        if manifest.format != _FORMAT:
            raise ModelError(f"{folder} holds an encoder of format {manifest.format}, not {_FORMAT}. {_REMEDY}")
        return manifest

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder."""
        values = asdict(self)
        content = json.dumps({**values, "sum": checksum(*values.values())}, indent=2)
        (folder / MANIFEST_FILE).write_text(content + "\n", "utf-8")

    def verify(self, folder: Path) -> None:
        """Compare the files with their hashes, and raise `ModelError` when one is not what was written."""
        graph = ((MODEL_FILE, sha256, self.model_sha256), (TOKENIZER_FILE, sha256, self.tokenizer_sha256))
        as_it_is = ((MODEL_FOLDER, tree_sha256, self.model_sha256),)
        for name, digest, expected in graph if self.runtime == "onnx" else as_it_is:
            try:
                found = digest(folder / name)
            except OSError as error:
                raise ModelError(f"{folder / name} cannot be read: {error}. {_REMEDY}") from error
            if found != expected:
                raise ModelError(f"{folder / name} is not what was written: it is damaged. {_REMEDY}")


def fingerprint_of(model: str, precision: Precision, source_sha256: str) -> str:
    """What the vectors of an exported model depend on, in one line."""
    return f"{model}/{precision}/{source_sha256[:12]}"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


_UNTOLD = {".md", ".png", ".jpg", ".gitattributes", ".gitignore"}
"""Suffixes and names of files in a model's folder on which no vector depends."""


def tree_sha256(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files, pages about it left out; raises OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _UNTOLD & {path.suffix, path.name})
    if not files:
        raise FileNotFoundError(f"no file in {folder}")
    told = "\n".join(f"{path.relative_to(folder).as_posix()} {sha256(path)}" for path in files)
    return new_sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


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


EncoderOf = Callable[[str], Encoder]
"""The encoder of a fingerprint, for who holds vectors and needs the encoder that made them.

Raises `ModelError` where there is none; the message names the remedy."""


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
        most = self.manifest.max_tokens
        self._documents = _open_tokenizer(path / TOKENIZER_FILE, min(DOCUMENT_TOKENS, most))
        self._queries = _open_tokenizer(path / TOKENIZER_FILE, min(QUERY_TOKENS, most))
        self._head, self._tail = _ends(self._queries)
        self._cache = QueryCache(MicroBatch(self._encode_queries, lanes=lanes), cache_size)

    def encode_query(self, text: str) -> Scores:
        """Return float32 (dim,), length 1, of the first `QUERY_TOKENS` tokens."""
        return self._cache.get(text)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (n, dim), rows of length 1, of the first `DOCUMENT_TOKENS` tokens of each text."""
        return self.encode_tokens(self.document_tokens(texts))

    def encode_tokens(self, texts: Sequence[Sequence[int]]) -> Matrix:
        """The same of texts that are tokens already, as `query_tokens` and `document_tokens` give them."""
        return self._in_batches([self._whole(tokens) for tokens in texts])

    def query_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """What `encode_query` reads of each text, without the tokens that stand before and after every text."""
        return self._tokens(self._queries, self.manifest.query_prompt, texts)

    def document_tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Likewise what `encode` reads."""
        return self._tokens(self._documents, self.manifest.document_prompt, texts)

    def _tokens(self, tokenizer: Tokenizer, prompt: str, texts: Sequence[str]) -> list[list[int]]:
        found = tokenizer.encode_batch_fast([prompt + clean(text) for text in texts])
        before, after = len(self._head), len(self._tail)
        return [one.ids[before : len(one.ids) - after] for one in found]

    def _whole(self, tokens: Sequence[int]) -> Sequence[int]:
        return [*self._head, *tokens, *self._tail]

    def _in_batches(self, tokens: Sequence[Sequence[int]]) -> Matrix:
        vectors = np.empty((len(tokens), self.dim), np.float32)
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
        return self._run([self._whole(tokens) for tokens in self.query_tokens(texts)])

    def _run(self, tokens: Sequence[Sequence[int]]) -> Matrix:
        ids = np.zeros((len(tokens), max(1, *map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens_of_row in enumerate(tokens):
            ids[row, : len(tokens_of_row)] = tokens_of_row
            mask[row, : len(tokens_of_row)] = 1
        try:
            vectors: Matrix = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        except Exception as error:  # onnxruntime's exceptions have no common class of their own
            raise ModelError(f"the encoder failed: {error}. {_REMEDY}") from error
        return vectors


def _consume(results: Iterable[None]) -> None:
    """Wait for every result, raising the first error."""
    for _ in results:
        pass


def clean(text: str) -> str:
    """Replace lone surrogates, which tokenizers refuse."""
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
        raise ModelError(f"{path} cannot be loaded: {error}. {_REMEDY}") from error


def _ends(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The tokens that a tokenizer puts before and after every text."""
    whole, bare = tokenizer.encode("a").ids, tokenizer.encode("a", add_special_tokens=False).ids
    before = next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
    return whole[:before], whole[before + len(bare) :]


def _open_tokenizer(path: Path, tokens: int) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"{path} cannot be loaded: {error}. {_REMEDY}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=tokens)
    return tokenizer
