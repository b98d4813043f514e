"""Which scope every route needs: told here alone. What is not told needs `admin`."""

from __future__ import annotations

from collections.abc import Mapping

from bandstand.access.scopes import Scope
from bandstand.api.routing import ENTITY, RELATED, USER

OPEN = ("GET /", "GET /dashboard", "GET /dashboard/how", "GET /assets/{path:path}", "GET /docs", "GET /openapi.json",
        "GET /healthz", "GET /readyz", "GET /v1/dashboard/access")  # fmt: skip
"""Routes that anybody may ask: pages without content, the description, and whether the server is well."""

NEEDED: Mapping[Scope, tuple[str, ...]] = {
    "search": (
        "POST /v1/search",
        "GET /v1/arms",
        "GET /v1/entities",
        f"GET /v1/entities{ENTITY}",
        f"GET /v1/entities{RELATED}",
        "GET /v1/covers/{entity_id}",
    ),
    "suggest": ("GET /v1/suggest",),
    "events": ("POST /v1/events", f"DELETE /v1/users{USER}", f"GET /v1/users{USER}/export"),
    "entities:write": (
        f"PUT /v1/entities{ENTITY}",
        f"DELETE /v1/entities{ENTITY}",
        f"PATCH /v1/entities{ENTITY}",
        "POST /v1/entities/bulk",
        "POST /v1/entities/delete",
    ),
    "models": ("GET /v1/models", "POST /v1/models/{name}/promote", "POST /v1/models/{name}/rollback"),
    "metrics": ("GET /metrics",),
    "dashboard": (
        "GET /v1/queries/{query_id}",
        "GET /v1/synonyms",
        "POST /v1/synonyms",
        "DELETE /v1/synonyms",
        "GET /v1/synonyms/changes",
        "POST /v1/synonyms/changes/{id}/undo",
        "GET /v1/dashboard/charts/{section}",
        "GET /v1/dashboard/explanations",
        "GET /v1/dashboard/queries",
        "GET /v1/dashboard/query",
        "GET /v1/dashboard/edits",
        "POST /v1/dashboard/edits",
        "POST /v1/dashboard/edits/{edit_id}/undo",
        "GET /v1/dashboard/experiments",
        "POST /v1/dashboard/experiments",
        "POST /v1/dashboard/experiments/{experiment_id}/stop",
        "GET /v1/dashboard/served",
        "GET /v1/dashboard/shadow",
    ),
    "admin": ("GET /v1/keys", "POST /v1/keys", "POST /v1/keys/{name}/rotate", "DELETE /v1/keys/{name}"),
}

_SCOPES: Mapping[str, Scope | None] = {
    **dict.fromkeys(OPEN, None),
    **{route: scope for scope, routes in NEEDED.items() for route in routes},
}


def scope_of(method: str, path: str) -> Scope | None:
    """What the route of a method and a path's template needs; None where anybody may ask."""
    return _SCOPES.get(f"{method} {path}", "admin")
