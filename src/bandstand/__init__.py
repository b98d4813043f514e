"""Bandstand: music search that learns how to rank and how to retrieve.

>>> import bandstand as bs
>>> with bs.open(folder, encoder="hashing", selfplay_queries=0) as music:
...     music.add({"id": "halo", "kind": "track", "title": "Halo", "artists": ["Beyoncé"], "released": "2008"})
...     music.index().entities
...     music.search("beyonse halo", user="ana")
1
1
Page('beyonse halo', answered as 'beyonce halo', 1 hits)
  1. Halo by Beyoncé (track, 2008)

Everything here is loaded at its first use: importing the package takes some milliseconds, and nothing else happens.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bandstand.access.user_tokens import user_token as user_token
    from bandstand.app.options import Options as Options
    from bandstand.bandit.policy import Policy as Policy
    from bandstand.door.facade import Bandstand as Bandstand
    from bandstand.door.opening import demo as demo
    from bandstand.door.opening import open as open  # noqa: A004 - `bandstand.open`
    from bandstand.door.pages import Hit as Hit
    from bandstand.door.pages import Page as Page
    from bandstand.errors import BadInput as BadInput
    from bandstand.errors import BandstandError as BandstandError
    from bandstand.errors import Conflict as Conflict
    from bandstand.errors import MissingDependency as MissingDependency
    from bandstand.errors import ModelError as ModelError
    from bandstand.errors import NotFound as NotFound
    from bandstand.errors import RetrievalError as RetrievalError
    from bandstand.errors import StorageError as StorageError
    from bandstand.errors import Unavailable as Unavailable
    from bandstand.retrievers.base import Retriever as Retriever
    from bandstand.settings import Settings as Settings
    from bandstand.types import Attribute as Attribute
    from bandstand.types import Candidates as Candidates
    from bandstand.types import Entity as Entity
    from bandstand.types import Query as Query
    from bandstand.types import RetrieverSpec as RetrieverSpec

__all__ = [
    "Attribute",
    "BadInput",
    "Bandstand",
    "BandstandError",
    "Candidates",
    "Conflict",
    "Entity",
    "Hit",
    "MissingDependency",
    "ModelError",
    "NotFound",
    "Options",
    "Page",
    "Policy",
    "Query",
    "RetrievalError",
    "Retriever",
    "RetrieverSpec",
    "Settings",
    "StorageError",
    "Unavailable",
    "demo",
    "open",
    "user_token",
]

_MODULES = {
    "Bandstand": "bandstand.door.facade",
    "Hit": "bandstand.door.pages",
    "Options": "bandstand.app.options",
    "Page": "bandstand.door.pages",
    "Policy": "bandstand.bandit.policy",
    "Retriever": "bandstand.retrievers.base",
    "Settings": "bandstand.settings",
    "demo": "bandstand.door.opening",
    "open": "bandstand.door.opening",
    "user_token": "bandstand.access.user_tokens",
    **dict.fromkeys(("Attribute", "Candidates", "Entity", "Query", "RetrieverSpec"), "bandstand.types"),
}
"""Where each name comes from; those that are not listed come from `bandstand.errors`."""


def __getattr__(name: str) -> object:
    """Load what was asked for, once."""
    if name not in __all__:
        raise AttributeError(f"module 'bandstand' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES.get(name, "bandstand.errors")), name)
    return found


def __dir__() -> list[str]:
    return __all__
