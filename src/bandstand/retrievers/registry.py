"""The retrievers that Bandstand brings, in the order in which decisions are taken about them."""

from __future__ import annotations

from bandstand.retrievers.alike import AlikeRetriever
from bandstand.retrievers.dense import DenseRetriever
from bandstand.retrievers.fresh import FreshRetriever
from bandstand.retrievers.lexical import LexicalRetriever
from bandstand.retrievers.memory import MemoryRetriever
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.rephrase import RephraseRetriever
from bandstand.retrievers.structured import StructuredRetriever
from bandstand.retrievers.trigram import TrigramRetriever
from bandstand.types import Roster

BUILT_IN = Roster(
    (
        MemoryRetriever.spec,
        LexicalRetriever.spec,
        StructuredRetriever.spec,
        PersonalRetriever.spec,
        FreshRetriever.spec,
        AlikeRetriever.spec,
        TrigramRetriever.spec,
        RephraseRetriever.spec,
        DenseRetriever.spec,
    )
)
"""What reads only this process's memory and the words of the query comes before the slow ones. Plug-ins follow."""
