"""What a home knows about the language of its queries: readings and spelling, kept up with catalogue and clicks."""

from __future__ import annotations

from bandstand.catalog.columns import Catalog
from bandstand.storage import Storage, synonym_file
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding


class Understood:
    """Understanding and speller over one catalogue; `refresh` is for one thread, everything else for any number."""

    def __init__(self, storage: Storage, catalog: Catalog) -> None:
        """Read the catalogue's names (about 3 s for 28,000 tracks and their artists)."""
        self._memory = storage.memory
        self.understanding = Understanding(catalog, evidence=storage.memory.senses)
        self.speller = Speller(self.understanding.lexicon)
        self.synonyms = synonym_file(storage.settings)
        self._learned = 0

    def refresh(self) -> None:
        """Take in what is new: in the catalogue, in the operator's synonyms, and among queries that led somewhere."""
        synonyms = self.synonyms.changed()
        if synonyms is not None:
            self.understanding.use(synonyms)
        self.understanding.refresh()
        self._learned, queries = self._memory.successful(self._learned)
        for text, clicks in queries:
            self.speller.learn(text, clicks)
