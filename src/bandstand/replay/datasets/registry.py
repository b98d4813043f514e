"""Adapters by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from pydantic import TypeAdapter, ValidationError

from bandstand.errors import BadInput
from bandstand.plugins import loaded
from bandstand.replay.datasets.bandstand import BandstandAdapter
from bandstand.replay.datasets.base import Adapter
from bandstand.replay.datasets.generic import GenericAdapter
from bandstand.replay.datasets.hot100 import Hot100Adapter
from bandstand.replay.datasets.lastfm import LastfmAdapter
from bandstand.replay.datasets.spotify import SpotifyAdapter

ADAPTERS: Mapping[str, type[Adapter]] = {
    "lastfm": LastfmAdapter,
    "spotify": SpotifyAdapter,
    "hot100": Hot100Adapter,
    "bandstand": BandstandAdapter,
    "generic": GenericAdapter,
}


def adapters() -> Mapping[str, type[Adapter]]:
    """Every adapter by name: those above, and those of plug-ins."""
    return {**loaded("datasets"), **ADAPTERS}


def adapter_named(name: str, **options: object) -> Adapter:
    """The adapter of a kind of data set, with options of its protocol, which may be text (``"400"``, ``"true"``).

    Raises:
        BadInput: there is no such adapter, it has no such option, or the option cannot have that value.
    """
    every = adapters()
    if name not in every:
        raise BadInput(f"there is no data set {name!r}: use one of {', '.join(every)}", field="dataset")
    known = {each.name for each in fields(every[name])}  # type: ignore[arg-type]
    if unknown := set(options) - known:
        raise BadInput(f"{name} has no option {min(unknown)!r}: use one of {', '.join(sorted(known))}", field="option")
    try:
        return TypeAdapter(every[name]).validate_python(options)
    except ValidationError as cause:
        first = cause.errors()[0]
        option = ".".join(map(str, first["loc"]))
        raise BadInput(f"{name}: {option} cannot be {first['input']!r}: {first['msg']}", field="option") from cause
