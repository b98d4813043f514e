"""What query understanding costs and finds: `python -m bench.understanding [--queries N] [--parts ...]`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bandstand.catalog.bundled import load_bundled
from bandstand.catalog.columns import Catalog
from bandstand.catalog.sqlite_store import SqliteStore
from bandstand.catalog.text import normalize
from bandstand.learner.selfplay import misspell
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.encoder import OnnxEncoder
from bandstand.retrievers.encoder_export import export_encoder
from bandstand.retrievers.fusion import ReciprocalRankFusion, rrf
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.retrievers.text_index import TextIndex
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.retrievers.vector_index import DenseIndex
from bandstand.retrievers.vector_store import VectorStore
from bandstand.types import Entity, Ordinals
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding
from bench import attributes
from bench.attributes import Asked, ask, scores
from bench.catalogue import dataset, entities

OUT = Path(__file__).parent / "out" / "understanding"
SEED = 11
_EVERYTHING = 1_000_000

Values = np.ndarray[tuple[int], np.dtype[np.float64]]


class Bench:
    """A catalogue with the retrievers that are compared over it, built once in a folder."""

    def __init__(self, folder: Path, found: Sequence[Entity], closing: ExitStack) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = SqliteStore(folder / "catalog.sqlite", clock=time.time)
        closing.callback(self.store.close)
        self.store.upsert(found)
        self.catalog = Catalog(self.store)
        used = time.thread_time()
        self.understanding = Understanding(self.catalog)
        self.built_s = time.thread_time() - used
        self.speller = Speller(self.understanding.lexicon)
        self._text = closing.enter_context(TextIndex(folder / "text", writable=True))
        if changes := self.store.changes(self._text.seq, _EVERYTHING):
            self._text.apply(changes)
            self._text.commit()
        self.lexical = LexicalRetriever(self._text, self.catalog)
        self.trigram = TrigramRetriever(self._text, self.catalog)
        self.structured = StructuredRetriever(self.understanding, self.catalog)

    def dense(self, folder: Path, closing: ExitStack) -> DenseRetriever:
        """The dense retriever; its vectors are made on first use."""
        if not (OUT / "encoder").exists():
            export_encoder(OUT / "encoder")
        encoder, store = OnnxEncoder(OUT / "encoder"), VectorStore(folder / "vectors.sqlite")
        closing.callback(store.close)
        store.apply(self.store.changes(store.seq, _EVERYTHING), encoder)
        return DenseRetriever(lambda _: encoder, DenseIndex(store), self.catalog)


def speed(bench: Bench, count: int) -> list[str]:
    """Milliseconds of reading, correcting and answering queries not seen before, and of following changes."""
    rng, columns = np.random.default_rng(SEED), bench.catalog.columns
    picked = rng.choice(np.flatnonzero(columns.live & (columns.kind == 0)), size=count, replace=False).tolist()
    names = [str((columns.titles if at % 2 else columns.names)[ordinal]) for at, ordinal in enumerate(picked)]
    typed = [normalize(misspell(name, 2 if len(name) > 9 else 1, rng)) for name in names]
    facts = [one.text for one in islice(attributes.artist_era(columns, rng), count)]
    rows = ["| milliseconds | CPU p50 | CPU p99 | wall p50 | wall p99 |", "| --- | ---: | ---: | ---: | ---: |"]
    read, find = bench.understanding.interpret, bench.structured.retrieve
    for name, queries in (("clean", names), ("misspelt", typed), ("artist + era", facts)):
        rows += [_times(f"interpret, {name}", read, queries)]
        rows += [_times(f"correct, {name}", bench.speller.correct, queries)]
        rows += [_times(f"structured (read before), {name}", lambda q: find(ask(q, columns), 200), queries)]
    return [*rows, f"| build, all names | {bench.built_s * 1e3:.0f} | | | |", *_follow(bench)]


def _times(name: str, action: Callable[[str], object], queries: Sequence[str]) -> str:
    took = []
    for query in dict.fromkeys(queries):
        used, started = time.thread_time(), time.perf_counter()
        action(query)
        took.append((time.thread_time() - used, time.perf_counter() - started))
    (cpu50, wall50), (cpu99, wall99) = np.percentile(took, [50, 99], axis=0) * 1e3
    return f"| {name} | {cpu50:.3f} | {cpu99:.3f} | {wall50:.3f} | {wall99:.3f} |"


def _follow(bench: Bench) -> list[str]:
    """How long a changed entity and a hundred take until queries are read by them."""
    rows = []
    for count in (1, 100):
        new = [
            Entity(id=f"bench:{n}", kind="track", title=f"Bench {n} {count}", artists=("Bench",)) for n in range(count)
        ]
        bench.store.upsert(new)
        bench.catalog.refresh()
        used = time.thread_time()
        bench.understanding.refresh()
        rows.append(f"| follow {count} changed | {(time.thread_time() - used) * 1e3:.1f} | | | |")
    bench.store.delete([f"bench:{n}" for n in range(100)])
    bench.catalog.refresh()
    bench.understanding.refresh()
    return rows


def spelling(bench: Bench, count: int) -> list[str]:
    """Hit@10 of known items, clean and misspelt, by arms fused by rank, with the correction and without."""
    rng, columns = np.random.default_rng(SEED + 1), bench.catalog.columns
    picked = rng.choice(np.flatnonzero(columns.live & (columns.kind == 0)), size=count, replace=False).tolist()
    rows = ["| known items | method | n | hit@10 | against lexical + trigram |", "| --- | --- | ---: | --- | --- |"]
    for state in ("clean", "1-2 edits"):
        for form in ("title", "artist + title"):
            hits: dict[str, list[float]] = {}
            for ordinal in picked[::2] if form == "title" else picked[1::2]:
                text = str((columns.titles if form == "title" else columns.names)[ordinal])
                text = text if state == "clean" else misspell(text, 2 if len(text) > 9 else 1, rng)
                for name, found in _rankings(bench, text).items():
                    hit = bool((columns.dedupe_key[found[:10]] == columns.dedupe_key[ordinal]).any())
                    hits.setdefault(name, []).append(float(hit))
            values = {name: np.array(found) for name, found in hits.items()}
            rows += [f"| {form}, {state} {row}" for row in attributes.table(values, "lexical + trigram")]
    return rows


def _rankings(bench: Bench, text: str) -> dict[str, Ordinals]:
    """What each method answers; trigram also sees what was typed, since a correction may be wrong."""
    query = ask(text, bench.catalog.columns)
    correction = bench.speller.correct(query.normalized)
    lexical, trigram = bench.lexical.retrieve(query, 100).ordinals, bench.trigram.retrieve(query, 100).ordinals
    corrected, arms = lexical, [lexical, trigram]
    if correction is not None and correction.mode == "showing":
        instead = ask(correction.text, bench.catalog.columns)
        corrected = bench.lexical.retrieve(instead, 100).ordinals
        arms = [corrected, trigram, bench.trigram.retrieve(instead, 100).ordinals]
    return {
        "lexical": lexical,
        "lexical, corrected": corrected,
        "trigram": trigram,
        "lexical + trigram": _fused([lexical, trigram]),
        "lexical + trigram, corrected": _fused(arms),
    }


def _fused(rankings: Sequence[Ordinals]) -> Ordinals:
    ordinals, found = rrf(rankings)
    return ordinals[np.lexsort((ordinals, -found))]


def facts(bench: Bench, folder: Path, asked: Sequence[Asked], closing: ExitStack) -> list[str]:
    """nDCG@10 of attribute queries: structured, lexical, both, dense."""
    both = ReciprocalRankFusion([bench.structured, bench.lexical])
    arms: dict[str, Retriever] = {"lexical": bench.lexical, "structured": bench.structured}
    arms |= {"structured + lexical": both, "dense": bench.dense(folder, closing)}
    rows = ["| queries | method | n | nDCG@10 | against lexical |", "| --- | --- | ---: | --- | --- |"]
    for group in dict.fromkeys(one.group for one in asked):
        some = [one for one in asked if one.group == group]
        values = {name: scores(some, arm, bench.catalog.columns) for name, arm in arms.items()}
        rows += [f"| {group} {row}" for row in attributes.table(values, "lexical")]
    return rows


def wrong_labels(bench: Bench, count: int, closing: ExitStack) -> list[str]:
    """What a third of wrong genre labels costs when attributes are soft and when they are filters."""
    rng = np.random.default_rng(SEED + 2)
    folder = Path(closing.enter_context(TemporaryDirectory()))
    other = Bench(folder, attributes.shuffled(attributes.catalogue_of(bench.catalog), rng), closing)
    columns = bench.catalog.columns
    rows = ["| queries | method | n | nDCG@10 | against soft, right labels |", "| --- | --- | ---: | --- | --- |"]
    for make in (attributes.title_genre, attributes.genre_era):
        asked = _of_ids(list(islice(make(columns, rng), count)), bench, other)
        here, there = [one for one, _ in asked], [one for _, one in asked]
        values = {
            "soft, right labels": scores(here, bench.structured, columns),
            "hard, right labels": scores(here, bench.structured, columns, hard=True),
            "soft, a third wrong": scores(there, other.structured, other.catalog.columns),
            "hard, a third wrong": scores(there, other.structured, other.catalog.columns, hard=True),
        }
        rows += [f"| {here[0].group} {row}" for row in attributes.table(values, "soft, right labels")]
    return rows


def _of_ids(asked: Sequence[Asked], bench: Bench, other: Bench) -> list[tuple[Asked, Asked]]:
    """Each query with its answers in the ordinals of both catalogues."""
    found = []
    for one in asked:
        ids = bench.catalog.columns.ids[sorted(one.relevant)].tolist()
        there = frozenset(other.store.ordinals(ids).tolist())
        found.append((one, Asked(group=one.group, text=one.text, relevant=there, filters=one.filters)))
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="bench.understanding", description=__doc__)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--parts", nargs="*", default=["speed", "spelling", "labels", "languages", "facts"])
    arguments = parser.parse_args()
    name = "spotify_songs" if dataset() else "bundled"
    with ExitStack() as closing:
        folder, rng = OUT / name, np.random.default_rng(SEED + 3)
        bench = Bench(folder, entities(), closing)
        columns, half = bench.catalog.columns, arguments.queries // 5
        asked = [
            *islice(attributes.artist_era(columns, rng), half),
            *islice(attributes.genre_era(columns, rng), half),
            *islice(attributes.live(columns, rng), half),
        ]
        parts: dict[str, Callable[[], list[str]]] = {
            "speed": partial(speed, bench, arguments.queries // 2),
            "spelling": partial(spelling, bench, arguments.queries),
            "labels": partial(wrong_labels, bench, half, closing),
            "facts": partial(facts, bench, folder, asked, closing),
            "languages": partial(languages, closing),
        }
        print(f"{name}: {columns.n} entities, {len(bench.understanding.lexicon.vocabulary)} words")
        for part in arguments.parts:
            print("", *parts[part](), sep="\n", flush=True)


def languages(closing: ExitStack) -> list[str]:
    """Language and genre, of which only the bundled catalogue has facts."""
    bench = Bench(OUT / "bundled", list(load_bundled()), closing)
    return facts(bench, OUT / "bundled", list(attributes.language_genre(bench.catalog.columns)), closing)


if __name__ == "__main__":
    main()
