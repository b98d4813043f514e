"""Boundaries: what a caller can see of the catalogue at most."""

from __future__ import annotations

from bandstand.catalog.columns import Catalog, Columns
from bandstand.errors import NotFound
from bandstand.types import Boundary, Filters, Kind, Mask


def bounded(columns: Columns, within: Boundary) -> Mask | None:
    """Which ordinals are live and inside a boundary, bool (n,); None where it shuts nothing out."""
    return columns.inside(within) if within else None


def check_inside(catalog: Catalog, entity_id: str, within: Boundary) -> None:
    """Let pass what is inside a boundary; what searches do not know yet is not.

    Raises:
        NotFound: it is outside, which is answered as if there were none.
    """
    columns = catalog.columns
    mask = bounded(columns, within)
    if mask is None:
        return
    ordinal = int(catalog.store.ordinals([entity_id])[0])
    if not (0 <= ordinal < columns.n and mask[ordinal]):
        raise NotFound(f"there is no entity {entity_id!r}")


def narrowed(kinds: tuple[Kind, ...], filters: Filters, within: Boundary) -> tuple[tuple[Kind, ...], Filters]:
    """What is asked for, narrowed to a boundary, for indexes to look by.

    Kinds of which the boundary holds none become those of the boundary: that they are not what was asked for is for
    the mask to say, as no kinds would mean any.
    """
    left = tuple(kind for kind in kinds if kind in within.kinds)
    return left or within.kinds or kinds, filters & within.filters
