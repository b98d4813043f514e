"""The records that cross between parts: small, frozen, columnar where a search handles hundreds of candidates.

An *ordinal* is the int32 number that the catalogue store gives an entity for life (never reused); an *arm* is a
retriever as the bandit sees it; a *depth* is how many candidates an arm may bring, 0 meaning that it is skipped.
"""

from bandstand.types.arrays import Clock, Mask, Matrix, Ordinals, Progress, Scores
from bandstand.types.entities import Attribute, Entity, Field, FieldValue
from bandstand.types.features import FeatureLayout, FeatureRows
from bandstand.types.history import BEGINNING, Chapter, History, Place
from bandstand.types.ids import timed_id
from bandstand.types.kinds import KIND_SPECS, KINDS, Kind, KindSpec
from bandstand.types.logged import LOGGED_DEPTH, Event, Hit, Impression, Source
from bandstand.types.queries import (
    EXACT,
    UNBOUNDED,
    Boundary,
    Clause,
    Condition,
    Correction,
    Filters,
    Query,
    Slot,
    actor_of,
)
from bandstand.types.retrieval import (
    DEPTHS,
    IMPORTED,
    ArmDecision,
    Candidates,
    CandidateSet,
    Decision,
    RetrieverOutcome,
    RetrieverStatus,
)
from bandstand.types.retrievers import (
    EXPENSIVE_MS,
    Colour,
    ContextFeature,
    RetrieverSpec,
    Roster,
    best_score,
    best_value,
)

__all__ = [
    "BEGINNING",
    "DEPTHS",
    "EXACT",
    "EXPENSIVE_MS",
    "IMPORTED",
    "KINDS",
    "KIND_SPECS",
    "LOGGED_DEPTH",
    "UNBOUNDED",
    "ArmDecision",
    "Attribute",
    "Boundary",
    "CandidateSet",
    "Candidates",
    "Chapter",
    "Clause",
    "Clock",
    "Colour",
    "Condition",
    "ContextFeature",
    "Correction",
    "Decision",
    "Entity",
    "Event",
    "FeatureLayout",
    "FeatureRows",
    "Field",
    "FieldValue",
    "Filters",
    "History",
    "Hit",
    "Impression",
    "Kind",
    "KindSpec",
    "Mask",
    "Matrix",
    "Ordinals",
    "Place",
    "Progress",
    "Query",
    "RetrieverOutcome",
    "RetrieverSpec",
    "RetrieverStatus",
    "Roster",
    "Scores",
    "Slot",
    "Source",
    "actor_of",
    "best_score",
    "best_value",
    "timed_id",
]
