"""What a home knows about the language of its queries: readings and spelling, kept up with catalogue and clicks."""

from __future__ import annotations

from bandstand.catalog.columns import Catalog
from bandstand.storage import Storage
from bandstand.understanding.spelling import Speller
from bandstand.understanding.understanding import Understanding


class Understood:
    """Understanding and speller over one catalogue; `refresh` is for one thread, everything else for any number."""

    def __init__(self, storage: Storage, catalog: Catalog) -> None:
        """Read the catalogue's names (about 3 s for 28,000 tracks and their artists)."""
        self._memory = storage.memory
        self.understanding = Understanding(catalog, evidence=storage.memory.senses)
        self.speller = Speller(self.understanding.lexicon)
        self._learned = 0

    def refresh(self) -> None:
        """Take in what the catalogue has new, and queries that people have used with success since."""
        self.understanding.refresh()
        self._learned, queries = self._memory.successful(self._learned)
        for text, clicks in queries:
            self.speller.learn(text, clicks)
