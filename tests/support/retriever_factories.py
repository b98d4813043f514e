"""How the contract suite builds each retriever: a registry of context managers over one small world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bandstand.memory_index.memory import Memory
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.first_round import FirstRound
from bandstand.opensearch.retrievers import OpenSearchDense, OpenSearchLexical, OpenSearchTrigram, text_searches
from bandstand.opensearch.text_index import TEXT, TextFollower
from bandstand.opensearch.vector_index import LiveVectors, VectorFollower
from bandstand.retrievers.alike import AlikeRetriever
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.distil import distilled
from bandstand.retrievers.encoder import HashingEncoder, OnnxEncoder
from bandstand.retrievers.encoder_registry import encoder_recipe
from bandstand.retrievers.fresh import FreshRetriever
from bandstand.retrievers.fusion import ReciprocalRankFusion
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever
from bandstand.retrievers.static_encoder import StaticEncoder
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.trigram import TrigramRetriever, TrigramSettings
from bandstand.retrievers.vector_index import DenseIndex, DenseSettings
from bandstand.retrievers.vector_store import VectorStore
from bandstand.testing.retrievers import RetrieverCase
from bandstand.testing.world import USER, World
from bandstand.understanding.understanding import Understanding
from tests.support.tiny_models import bert


@dataclass(frozen=True, kw_only=True)
class ClusterWorld(World):
    """A world that can also connect to a cluster of its own."""

    connect: Callable[[], Cluster]


@dataclass(frozen=True, kw_only=True)
class Case(RetrieverCase):
    """A retriever under the contract; ``clustered`` ones need an OpenSearch."""

    clustered: bool = False


@contextmanager
def open_text_index(world: ClusterWorld) -> Iterator[TextIndex]:
    """The text index of the world's folder, holding all changes of its store."""
    with TextIndex(world.folder / "text", writable=True) as index:
        if changes := world.store.changes(index.seq, 1_000_000):
            index.apply(changes)
            index.commit()
        yield index


@contextmanager
def lexical(world: ClusterWorld) -> Iterator[Retriever]:
    with open_text_index(world) as index:
        yield LexicalRetriever(index, world.catalog)


@contextmanager
def trigram(world: ClusterWorld) -> Iterator[Retriever]:
    with open_text_index(world) as index:
        yield TrigramRetriever(index, world.catalog)


@contextmanager
def structured(world: ClusterWorld) -> Iterator[Retriever]:
    yield StructuredRetriever(Understanding(world.catalog), world.catalog)


@contextmanager
def fusion(world: ClusterWorld) -> Iterator[Retriever]:
    with open_text_index(world) as index:
        arms = (LexicalRetriever(index, world.catalog), TrigramRetriever(index, world.catalog))
        yield ReciprocalRankFusion(arms)


@contextmanager
def open_dense(world: ClusterWorld, settings: DenseSettings) -> Iterator[Retriever]:
    encoder, store = HashingEncoder(), VectorStore(world.folder / "vectors.sqlite")
    store.apply(world.store.changes(store.seq, 1_000_000), encoder)
    yield DenseRetriever(lambda _: encoder, DenseIndex(store, settings=settings), world.catalog)
    store.close()


def dense(world: ClusterWorld) -> AbstractContextManager[Retriever]:
    return open_dense(world, DenseSettings())


def dense_approximate(world: ClusterWorld) -> AbstractContextManager[Retriever]:
    return open_dense(world, DenseSettings(exact_up_to=8, probes=3))


@contextmanager
def dense_static(world: ClusterWorld) -> Iterator[Retriever]:
    """Every query is added up: the vocabulary is letters, and each of them is in the table."""
    recipe, store = encoder_recipe(str(letters_model(world.folder))), VectorStore(world.folder / "static.sqlite")
    model = recipe.find(world.folder) or recipe.make(world.folder)
    assert isinstance(model, OnnxEncoder)
    store.apply(world.store.changes(store.seq, 1_000_000), model)
    encoder = StaticEncoder(model, distilled(model, world.store, store.since(0), seed=1))
    yield DenseRetriever(lambda _: encoder, DenseIndex(store), world.catalog, inline=True)
    store.close()


def letters_model(folder: Path) -> Path:
    """The folder of a small model, made once."""
    return model if (model := folder / "letters").exists() else bert(model)


@contextmanager
def open_first_round(world: ClusterWorld) -> Iterator[FirstRound]:
    """The text index of the world's cluster, holding all changes of its store."""
    cluster = world.connect()
    follower = TextFollower(cluster, head=world.store.head)
    if changes := world.store.changes(follower.seq, 1_000_000):
        follower.follow(changes)
    yield FirstRound(cluster, cluster.index(TEXT.part), text_searches(deadline_s=30.0), deadline_s=30.0)


@contextmanager
def lexical_clustered(world: ClusterWorld) -> Iterator[Retriever]:
    with open_first_round(world) as first:
        yield OpenSearchLexical(first, world.catalog)


@contextmanager
def trigram_clustered(world: ClusterWorld) -> Iterator[Retriever]:
    with open_first_round(world) as first:
        yield OpenSearchTrigram(first, world.catalog, TrigramSettings())


@contextmanager
def dense_clustered(world: ClusterWorld) -> Iterator[Retriever]:
    cluster, encoder = world.connect(), HashingEncoder()
    follower = VectorFollower(cluster, encoder, head=world.store.head)
    if changes := world.store.changes(follower.seq, 1_000_000):
        follower.follow(changes)
    yield OpenSearchDense(cluster, LiveVectors(cluster), lambda _: encoder, world.catalog, deadline_s=30.0)


LEARNED = (("halo", "t:halo"), ("halo", "t:halo-live"), ("halo song", "t:halo"), ("halo live", "t:halo-live"))
"""What two listeners chose after which query, before the suite's queries."""


@contextmanager
def open_memory(world: ClusterWorld) -> Iterator[Memory]:
    """The memory of the world's folder, in which `LEARNED` happened once (nothing, in an empty world)."""
    memory, encoder = Memory(world.folder / "memory", map_size=1 << 24), HashingEncoder()
    if memory.version() == 0 and world.store.count():
        with memory.batch() as batch:
            for text, entity in LEARNED:
                ordinal = int(world.store.ordinals([entity])[0])
                batch.trend(ordinal, 1.0, now=world.clock())
                for user in (USER, "somebody else"):
                    batch.click(text, ordinal, user=user, now=world.clock())
                    batch.choose(user, ordinal, normalized=text, strength=1.0, now=world.clock())
            batch.adopt_encoder(encoder.fingerprint, encoder.dim)
        with memory.batch() as batch:
            for text in memory.vectors_wanted(100):
                batch.set_vector(text, encoder.encode_query(text))
    yield memory
    memory.close()


@contextmanager
def memory(world: ClusterWorld) -> Iterator[Retriever]:
    with open_memory(world) as opened:
        yield MemoryRetriever(opened, world.catalog)


@contextmanager
def alike(world: ClusterWorld) -> Iterator[Retriever]:
    with open_memory(world) as opened:
        yield AlikeRetriever(opened, world.catalog)


@contextmanager
def personal(world: ClusterWorld) -> Iterator[Retriever]:
    with open_memory(world) as opened:
        yield PersonalRetriever(opened, world.catalog)


@contextmanager
def fresh(world: ClusterWorld) -> Iterator[Retriever]:
    with open_memory(world) as opened:
        yield FreshRetriever(opened, world.catalog)


@contextmanager
def rephrase(world: ClusterWorld) -> Iterator[Retriever]:
    with open_memory(world) as opened:
        yield RephraseRetriever(opened, lambda _: HashingEncoder(), world.catalog)


RETRIEVER_FACTORIES: dict[str, Case] = {
    "lexical": Case(build=lexical, literal=True),
    "trigram": Case(build=trigram, literal=True),
    "structured": Case(build=structured, literal=True),
    "fusion": Case(build=fusion, literal=True),
    "dense": Case(build=dense),
    "dense, approximate": Case(build=dense_approximate),
    "dense, static": Case(build=dense_static),
    "lexical, clustered": Case(build=lexical_clustered, literal=True, clustered=True),
    "trigram, clustered": Case(build=trigram_clustered, literal=True, clustered=True),
    "dense, clustered": Case(build=dense_clustered, clustered=True),
    "memory": Case(build=memory),
    "alike": Case(build=alike),
    "personal": Case(build=personal),
    "fresh": Case(build=fresh),
    "rephrase": Case(build=rephrase),
}
"""Every retriever by name. Whoever writes a retriever adds it here."""
