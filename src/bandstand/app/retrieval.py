"""The retrievers of a home: over the backend's indexes, over the memory, and over the catalogue's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing

from bandstand.app.storage import Storage
from bandstand.catalog.columns import Catalog
from bandstand.retrievers.alike import AlikeRetriever
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.corrected import CorrectedRetriever
from bandstand.retrievers.fresh import FreshRetriever
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.understanding.understanding import Understanding


def refresh_all(*parts: Callable[[], object]) -> None:
    """Refresh every part, whichever of them fail; then raise the first failure."""
    failures = []
    for refresh in parts:
        try:
            refresh()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
    if failures:
        raise failures[0]


class RetrieverSet:
    """Every retriever of one process by its name, in the order of its roster; ``further`` ones come last.

    Raises:
        Unavailable: there is no index yet; the message says how to make one.
    """

    def __init__(
        self,
        storage: Storage,
        catalog: Catalog,
        understanding: Understanding,
        further: Sequence[Retriever] = (),
    ) -> None:
        memory, encoders = storage.memory, storage.encoders
        encoders.refresh()
        with ExitStack() as opened:  # closes what is open already when a later part cannot be opened
            reader = opened.enter_context(closing(storage.backend.open_reader(catalog, encoders.for_queries)))
            for retriever in further:
                retriever.attach(catalog)
                opened.callback(retriever.close)
            rephrase = RephraseRetriever(memory, encoders.of, catalog)
            self._reader = reader
            self._opened = opened.pop_all()
        self._refreshes = (
            encoders.refresh,
            reader.refresh,
            rephrase.refresh,
            *(retriever.refresh for retriever in further),
        )
        retrievers: tuple[Retriever, ...] = (
            MemoryRetriever(memory, catalog),
            CorrectedRetriever(reader.lexical, typed=False),
            StructuredRetriever(understanding, catalog),
            PersonalRetriever(memory, catalog),
            FreshRetriever(memory, catalog),
            AlikeRetriever(memory, catalog),
            CorrectedRetriever(reader.trigram, typed=True),
            rephrase,
            CorrectedRetriever(reader.dense, typed=False),
            *further,
        )
        self.retrievers: Mapping[str, Retriever] = {retriever.spec.name: retriever for retriever in retrievers}

    @property
    def seq(self) -> int:
        """The catalogue change up to which every index finds entities."""
        return self._reader.seq

    def refresh(self) -> None:
        """Take in what was indexed and learned since."""
        refresh_all(*self._refreshes)

    def close(self) -> None:
        """Close what was opened for them."""
        self._opened.close()
