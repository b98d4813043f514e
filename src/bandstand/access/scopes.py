"""What a key may be allowed, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Scope = Literal[
    "search", "suggest", "events", "import", "entities:write", "models", "metrics", "dashboard", "admin"
]  # fmt: skip

SCOPES: Mapping[Scope, str] = {
    "search": "search, and read entities and what goes with them",
    "suggest": "complete what is being typed, and preview results meanwhile",
    "events": "say what people did on pages that this server gave",
    "import": "send events that belong to no search of this server, in anybody's name",
    "entities:write": "write and delete entities",
    "models": "list models, and choose which version serves",
    "metrics": "read Prometheus metrics",
    "dashboard": "see and change what people asked and what is answered; choose policies, and have pages explained",
    "admin": "everything, keys and deletion of users too",
}
"""What each scope opens; `admin` opens what the others do."""

BOUNDED: frozenset[Scope] = frozenset({"search", "suggest", "events"})
"""Scopes of which a boundary can be kept: the others read or change what is everybody's."""
