"""Any sentence-transformers model as encoder: made, found, opened, and faithful to what the model itself gives."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from bandstand.errors import BadInput, ModelError, Unavailable
from bandstand.retrievers.encoder import MANIFEST_FILE, MODEL_FOLDER, HashingEncoder, OnnxEncoder
from bandstand.retrievers.encoder_registry import encoder_recipe, link_encoders, made_in, reopen
from bandstand.retrievers.encoder_sources import HubModel, ModelFolder, model_source
from bandstand.retrievers.encoder_torch import SentenceTransformersEncoder, load_model
from tests.support.tiny_models import bert, static

TEXTS = ("halo", "", "Sigur Ros", "!!!", "宇多田ヒカル", "a\ud800b", "music like halo for a rainy sunday " * 9)
PROMPTS = {"query": "query: ", "document": "passage: "}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the models of this module lie."""
    return tmp_path_factory.mktemp("models")


MODELS = {
    "mean": bert,
    "cls, prompts, not normalised": lambda path: bert(path, dim=24, pooling="cls", normalize=False, prompts=PROMPTS),
    "max, short": lambda path: bert(path, pooling="max", longest=12),
    "static": static,
}


@pytest.fixture(scope="module", params=MODELS)
def made(request, folder, tmp_path_factory):
    """A model's folder, the home in which it was made, and the encoder."""
    path = MODELS[request.param](folder / request.param)
    home = tmp_path_factory.mktemp("home")
    return path, home, encoder_recipe(str(path)).make(home)


def test_it_gives_the_models_own_vectors(made):
    path, _, encoder = made
    model = load_model(path)
    texts = [text.encode("utf-8", "replace").decode() for text in TEXTS if text.strip()]
    documents = model.encode_document(texts, normalize_embeddings=True)
    queries = model.encode_query(texts[:-1], normalize_embeddings=True)  # the last one is cut earlier as a query
    np.testing.assert_allclose(encoder.encode(texts), documents, atol=1e-4)
    found = np.stack([encoder.encode_query(text) for text in texts[:-1]])
    np.testing.assert_allclose(found, queries, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert encoder.dim == documents.shape[1]


def test_any_text_can_be_encoded(made):
    encoder = made[2]
    assert np.isfinite(encoder.encode(TEXTS)).all()
    assert encoder.encode([]).shape == (0, encoder.dim)
    with pytest.raises(ValueError, match="read-only"):
        encoder.encode_query("halo")[0] = 1.0


def test_it_is_found_again_without_its_source(made, tmp_path):
    path, home, encoder = made
    found = encoder_recipe(str(path)).find(home)
    assert found.fingerprint == encoder.fingerprint == reopen(encoder.fingerprint, home).fingerprint
    assert encoder.fingerprint.startswith(f"{path.name}/fp32/")
    gone = ModelFolder(tmp_path / path.name)
    assert gone.digest() is None
    assert encoder_recipe(str(gone.path)).find(home).fingerprint == encoder.fingerprint


def test_what_cannot_be_traced_is_run_as_it_is(folder, tmp_path):
    home = tmp_path / "home"
    encoder = encoder_recipe(str(static(folder / "table"))).make(home)
    assert isinstance(encoder, SentenceTransformersEncoder)
    shutil.rmtree(folder / "table")  # it has its own copy
    np.testing.assert_array_equal(reopen(encoder.fingerprint, home).encode(["halo"]), encoder.encode(["halo"]))
    ((made, _),) = made_in(home)
    next((made / MODEL_FOLDER).glob("*.safetensors")).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="bandstand index"):
        reopen(encoder.fingerprint, home)


def test_what_cannot_be_traced_cannot_be_quantised(folder, tmp_path):
    path = static(folder / "unquantised")
    with pytest.raises(ModelError, match="cannot be exported as int8"):
        encoder_recipe(f"int8:{path}").make(tmp_path)


def test_other_weights_in_the_same_folder_are_another_encoder(folder, tmp_path):
    path = bert(folder / "trained")
    first = encoder_recipe(str(path)).make(tmp_path)
    shutil.rmtree(path)
    bert(path, seed=2)
    assert encoder_recipe(str(path)).find(tmp_path) is None
    second = encoder_recipe(str(path)).make(tmp_path)
    assert first.fingerprint != second.fingerprint
    assert {manifest.fingerprint for _, manifest in made_in(tmp_path)} == {first.fingerprint, second.fingerprint}


def test_another_pooling_is_another_encoder(folder, tmp_path):
    path = bert(folder / "pooled")
    first = encoder_recipe(str(path)).make(tmp_path)
    config = path / "1_Pooling" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pooling_mode": "cls"}))
    assert encoder_recipe(str(path)).make(tmp_path).fingerprint != first.fingerprint


def test_a_page_about_a_model_changes_nothing(folder):
    path = bert(folder / "described")
    before = ModelFolder(path).digest()
    (path / "README.md").write_text("Words.")
    assert ModelFolder(path).digest() == before


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_model_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"modules\.json is missing"):
        encoder_recipe(str(tmp_path / name)).make(tmp_path / "home")


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "modules.json").write_text("{")
    with pytest.raises(ModelError, match="holds no sentence-transformers model"):
        encoder_recipe(str(tmp_path / "model")).make(tmp_path / "home")
    assert list(made_in(tmp_path / "home")) == []


def test_a_name_needs_the_network_once_and_says_so(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Unavailable, match=r"needs the network once.*BANDSTAND_ENCODER"):
        encoder_recipe("nobody/nothing").make(tmp_path)


def test_names_and_folders_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert model_source("org/model") == ModelFolder(tmp_path / "org" / "model")
    assert model_source("hf:org/model") == HubModel("org/model")
    assert model_source("org/other") == HubModel("org/other")
    assert model_source("hf:LaBSE") == HubModel("sentence-transformers/LaBSE")
    assert model_source("./later") == ModelFolder(tmp_path / "later")


def test_the_encoder_of_a_home_of_the_last_version_is_found(folder, tmp_path):
    """It lay in `encoder`, and its manifest said less."""
    encoder_recipe(str(bert(folder / "old"))).make(tmp_path)
    ((made, manifest),) = made_in(tmp_path)
    written = json.loads((made / MANIFEST_FILE).read_text())
    for name in ("runtime", "max_tokens", "query_prompt", "document_prompt", "sum"):
        del written[name]
    (made / MANIFEST_FILE).write_text(json.dumps(written))
    made.replace(tmp_path / "encoder")
    assert isinstance(reopen(manifest.fingerprint, tmp_path), OnnxEncoder)


def test_a_copy_of_a_home_shares_its_encoders(made, tmp_path):
    _, home, encoder = made
    link_encoders(home, tmp_path)
    assert reopen(encoder.fingerprint, tmp_path).fingerprint == encoder.fingerprint


def test_hashing_is_known_by_its_length(tmp_path):
    assert reopen(HashingEncoder(16).fingerprint, tmp_path).dim == 16
    with pytest.raises(ModelError, match="holds no encoder hashing/x"):
        reopen("hashing/x", tmp_path)
