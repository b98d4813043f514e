"""A home whose encoder is changed: searches go on by what there is, until everything is encoded by the new one."""

from __future__ import annotations

from dataclasses import replace

from bandstand.app.options import Options
from bandstand.app.platform import Platform
from bandstand.engine.request import SearchRequest
from bandstand.retrievers.encoder import HashingEncoder
from bandstand.retrievers.encoder_registry import made_in
from bandstand.settings import Settings
from tests.support.small_home import ENTITIES, ids
from tests.support.tiny_models import bert

NEW = HashingEncoder(32)


def change(small, encoder):
    """As a server that is started again with another encoder."""
    small.close()
    small.options = replace(small.options, encoder=encoder)
    small.reopen()


def test_searches_go_on_until_the_new_vectors_serve(small):
    before = ids(small.search("halo", policy="dense"))
    assert before
    change(small, NEW)
    assert ids(small.search("halo", policy="dense")) == before
    assert small.storage.backend.encoder() == HashingEncoder().fingerprint
    assert small.learning_side.index() == len(ENTITIES)
    assert small.storage.backend.encoder() == NEW.fingerprint
    assert ids(small.search("halo", policy="dense"))  # by the old vectors, which this process still holds
    small.home.refresh()
    assert small.home.retrievers.retrievers["dense"]._inner._index.view.fingerprint == NEW.fingerprint
    assert ids(small.search("halo", policy="dense"))


def test_learned_queries_are_encoded_anew_after_the_change(small):
    for user in ("ann", "bob", "cleo"):
        small.play("halo", on=small.search("that beyonce song", user=user))
    small.clock.pass_(1_000.0)
    small.learn()
    _, vectors = small.storage.memory.learned(0)
    assert [(text, len(vector)) for text, vector in vectors] == [("that beyonce song", 64)]
    change(small, NEW)
    small.learn()
    assert small.storage.memory.encoder() == HashingEncoder().fingerprint  # the old vectors still serve
    small.learning_side.index()
    small.learn()
    _, vectors = small.storage.memory.learned(0)
    assert [(text, len(vector)) for text, vector in vectors] == [("that beyonce song", 32)]
    found = small.search("that beyonce songs", policy="all").impression
    assert "rephrase" in {arm.arm for arm in found.decision.arms}


def test_a_home_changes_to_a_real_model_and_back(tmp_path):
    """From hashed n-grams to the model of a folder."""
    home, model = tmp_path / "home", bert(tmp_path / "model")
    for encoder, name in (("hashing", "hashing/64"), (str(model), "model/fp32/"), ("hashing", "hashing/64")):
        with Platform(Settings(home=home, encoder=encoder, deadline_ms=10_000.0), Options()) as platform:
            platform.storage.store.upsert(ENTITIES)
            platform.learning.index()
            serving = platform.storage.backend.encoder()
            assert serving.startswith(name)
            kept = [] if encoder == "hashing" else [serving]  # files of an encoder go with its last vectors
            assert [manifest.fingerprint for _, manifest in made_in(home)] == kept
            dense = platform.searching.retrievers.retrievers["dense"]
            query = platform.searching.engine.query
            assert len(dense.retrieve(query(SearchRequest(query="halo")), 5)) == 5
