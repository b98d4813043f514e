"""Token vectors: least squares by hand, sums that no order changes, files that are refused, words never seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.errors import ModelError, StorageError
from bandstand.retrievers import distil
from bandstand.retrievers.distil import RIDGE, Lessons, token_vectors
from bandstand.retrievers.encoder_registry import encoder_recipe
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.token_table import TableFacts, TokenTable
from tests.support.kill_points import kill_after, killed_in_a_fork
from tests.support.tiny_models import bert

VOCABULARY = np.array([3, 5, 8], np.int32)
FACTS = TableFacts(encoder="m/fp32/0", origin=1, seq=7, entities=4)
NOTHING = np.zeros((3, 2), np.float32)


def table(vectors, tokens=VOCABULARY, **facts):
    return TokenTable(
        TableFacts(**{"encoder": "m/fp32/0", "origin": 1, "seq": 7, "entities": 4, **facts}), tokens, vectors
    )


@pytest.fixture
def small():
    return table(np.array([[1, 0], [0, 2], [-1, 0]], np.float16))


def test_texts_of_one_token_teach_that_token():
    """Each row by itself: (1 + ridge) t = y."""
    lessons = Lessons([[3], [5]], np.array([[1, 0], [0, 1]], np.float32))
    expected = np.array([[1, 0], [0, 1], [0, 0]]) / (1 + RIDGE)
    np.testing.assert_allclose(token_vectors(lessons, VOCABULARY, NOTHING), expected, atol=1e-6)


def test_tokens_of_one_text_share_it():
    """X = [1/√2, 1/√2], so (½ + ridge) t + ½ t = y / √2 for both."""
    lessons = Lessons([[3, 5]], np.array([[1, 0]], np.float32))
    each = (1 / np.sqrt(2)) / (1 + RIDGE)
    np.testing.assert_allclose(
        token_vectors(lessons, VOCABULARY, NOTHING), [[each, 0], [each, 0], [0, 0]], atol=1e-6
    )  # fmt: skip


def test_two_texts_divide_what_they_say_by_normal_equations():
    texts = [[3], [3, 5, 5, 8]]
    counts = np.array([[1, 0, 0], [1, 2, 1]]) / np.sqrt([[1], [4]])
    targets = np.array([[1, 0], [0.6, 0.8]])
    expected = np.linalg.solve(counts.T @ counts + RIDGE * np.eye(3), counts.T @ targets)
    found = token_vectors(Lessons(texts, targets.astype(np.float32)), VOCABULARY, NOTHING)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_start_that_is_right_stays_but_for_its_length():
    """Of tokens that are equally frequent; the one that no text holds keeps its direction."""
    start = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = token_vectors(Lessons([[3], [5]], start[:2]), VOCABULARY, start)
    np.testing.assert_allclose(found[:2], start[:2], atol=1e-5)
    np.testing.assert_allclose(found[2] / np.linalg.norm(found[2]), start[2], atol=1e-6)


def test_without_lessons_the_start_says_nothing():
    assert token_vectors(Lessons([], np.empty((0, 2), np.float32)), VOCABULARY, NOTHING).shape == (3, 2)


def test_a_vector_is_the_sum_of_its_tokens_at_length_1(small):
    np.testing.assert_allclose(small.vector([3, 5]), np.array([1, 2]) / np.sqrt(5), atol=1e-6)
    np.testing.assert_allclose(small.vector([3, 3, 5]), np.array([2, 2]) / np.sqrt(8), atol=1e-6)


@pytest.mark.parametrize(
    "tokens", [[], [4], [3, 9], [0, 3], [3, 8]], ids=["none", "between", "above", "below", "sum 0"]
)
def test_what_cannot_be_added_up_has_no_vector(small, tokens):
    assert small.vector(tokens) is None


@given(st.permutations([3, 3, 5, 8, 8, 5, 3]), st.integers(0, 2**32 - 1))
def test_the_order_of_tokens_changes_nothing(tokens, seed):
    found = table(np.random.default_rng(seed).normal(size=(3, 5)).astype(np.float16))
    np.testing.assert_array_equal(found.vector(tokens), found.vector(sorted(tokens)))


def test_a_table_is_read_as_it_was_written(small, tmp_path):
    small.write(tmp_path / "t")
    found = TokenTable.read(tmp_path / "t")
    assert found.facts == FACTS
    np.testing.assert_array_equal(found.tokens, small.tokens)
    np.testing.assert_array_equal(found.vectors, small.vectors)


def test_an_empty_table_is_one_too(tmp_path):
    table(np.empty((0, 2), np.float16), np.empty(0, np.int32)).write(tmp_path / "t")
    assert TokenTable.read(tmp_path / "t").vector([3]) is None


def test_where_nothing_was_written_there_is_nothing(tmp_path):
    assert TokenTable.read(tmp_path / "t") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no header", "other format", "no file"])
def test_a_damaged_table_is_refused_with_the_remedy(small, tmp_path, damage):
    path = tmp_path / "t"
    small.write(path)
    whole = path.read_bytes()
    path.write_bytes({
        "cut": whole[:-1], "flipped": whole[:-1] + bytes([whole[-1] ^ 1]), "empty": b"", "no header": b"\n" + whole,
        "other format": whole.replace(b'"format":1', b'"format":2'), "no file": whole,
    }[damage])  # fmt: skip
    if damage == "no file":
        path.unlink()
        path.mkdir()
    with pytest.raises(ModelError, match="bandstand index"):
        TokenTable.read(path)


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_a_kill_leaves_the_old_table_or_the_new_one(small, tmp_path, steps):
    new = table(small.vectors * 2, seq=8)
    small.write(tmp_path / "t")

    def work():
        kill_after(steps, ("retrievers/token_table.py", "files.py"))
        new.write(tmp_path / "t")

    killed = killed_in_a_fork(work)
    found = TokenTable.read(tmp_path / "t")
    assert found.facts.seq == 8 or (killed and found.facts.seq == 7)
    np.testing.assert_array_equal(found.vectors, (new if found.facts.seq == 8 else small).vectors)


def test_a_table_that_cannot_be_written_says_why(small, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        small.write(tmp_path / "nowhere" / "t")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model whose tokens are letters."""
    folder = tmp_path_factory.mktemp("home")
    return encoder_recipe(str(bert(folder / "model"))).make(folder)


def letters(model, text):
    (tokens,) = model.query_tokens([text])
    return np.unique(np.array(tokens, np.int32))


def test_a_table_of_another_encoder_is_refused(model, small):
    with pytest.raises(ModelError, match="m/fp32/0"):
        StaticEncoder(model, small)


def test_words_that_were_taught_are_added_up_and_others_read_by_the_model(model):
    tokens = letters(model, "halo")
    vectors = np.random.default_rng(1).normal(size=(len(tokens), model.dim)).astype(np.float16)
    encoder = StaticEncoder(model, table(vectors, tokens, encoder=model.fingerprint))
    summed = vectors.sum(axis=0, dtype=np.float32)
    np.testing.assert_allclose(encoder.encode_query("halo"), summed / np.linalg.norm(summed), atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_query("halo x"), model.encode_query("halo x"))
    np.testing.assert_array_equal(encoder.encode_query(""), model.encode_query(""))


def test_tokens_are_what_the_model_reads(model):
    """Without the ends, which are put back: the same vectors, also where a text is cut."""
    texts = ["halo", "", "sad songs", "x " * 500]
    np.testing.assert_array_equal(model.encode_tokens(model.document_tokens(texts)), model.encode(texts))
    assert [len(tokens) for tokens in model.query_tokens(texts)] == [4, 0, 8, 38]


def test_a_table_is_the_same_however_often_it_is_made(model, world, tmp_path):
    store = distil_store(model, world, tmp_path)
    first, second = (distil.distilled(model, world.store, store.since(0), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert first.facts == TableFacts(
        encoder=model.fingerprint, origin=1, seq=store.seq, entities=world.store.count()
    )  # fmt: skip


def test_lessons_bring_sums_nearer_to_the_model(model, world, tmp_path):
    """Nearer than the mean of the tokens' own vectors, over the sentences that were the lessons."""
    found = distil.distilled(model, world.store, distil_store(model, world, tmp_path).since(0), seed=3)
    texts = [entity.title for _, entity in world.store.scan() if entity.title.isascii()]
    own = table(model.encode_tokens([[token] for token in found.tokens.tolist()]).astype(np.float16), found.tokens)
    targets = [model.encode_query(text) for text in texts]

    def nearness(summed):
        return np.mean(
            [t @ summed.vector(tokens) for t, tokens in zip(targets, model.query_tokens(texts), strict=True)]
        )

    assert nearness(found) > nearness(own)


def distil_store(model, world, folder):
    from bandstand.retrievers.vector_store import VectorStore

    store = VectorStore(folder / "vectors.sqlite")
    store.apply(world.store.changes(0, 1_000_000), model)
    return store
