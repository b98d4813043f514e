"""What other distributions bring: entry points by group; one that fails to load stops nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

GROUPS: Mapping[str, str] = {
    "retrievers": "a class without parameters that derives from `bandstand.Retriever`",
    "features": "a `bandstand.ranker.features.RankingFeature`",
    "readers": "a class without parameters that is a `bandstand.catalog.readers.base.Reader`",
    "policies": "a class without parameters that is a `bandstand.bandit.policy.Policy`",
    "datasets": "a dataclass that is a `bandstand.replay.datasets.base.Adapter`",
}
"""Groups of entry points (each begins with ``bandstand.``), and what an entry point of the group names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An entry point that is installed. ``error`` says why it could not be loaded; then ``value`` is None."""

    group: str
    name: str
    distribution: str
    version: str
    value: Any = None
    error: str | None = None


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """What is installed for a group of `GROUPS`, by name; found and loaded once in a process."""
    found = entry_points(group=f"bandstand.{group}")
    return tuple(_loaded(group, point) for point in sorted(found, key=lambda point: point.name))


def loaded(group: str) -> dict[str, Any]:
    """By name what could be loaded of a group."""
    return {plugin.name: plugin.value for plugin in plugins(group) if plugin.error is None}


def made(group: str) -> tuple[Any, ...]:
    """One new object of each class that could be loaded of a group; a class that fails is logged and left out."""
    found = []
    for name, make in loaded(group).items():
        try:
            found.append(make())
        except Exception:  # noqa: BLE001 - whatever somebody else's code does
            structlog.get_logger("plugins").exception("plugin_failed", group=group, name=name)
    return tuple(found)


def _loaded(group: str, point: EntryPoint) -> Plugin:
    origin = point.dist
    distribution, version = (origin.name, origin.version) if origin is not None else ("unknown", "")
    value, error = None, None
    try:
        value = point.load()
    except Exception as cause:  # noqa: BLE001 - whatever somebody else's module does on import
        error = f"{type(cause).__name__}: {cause}"
    return Plugin(group=group, name=point.name, distribution=distribution, version=version, value=value, error=error)
