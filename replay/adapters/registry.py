"""Adapters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bandstand.errors import BadInput
from bandstand.replay.adapters.bandstand import BandstandAdapter
from bandstand.replay.adapters.base import Adapter
from bandstand.replay.adapters.generic import GenericAdapter
from bandstand.replay.adapters.hot100 import Hot100Adapter
from bandstand.replay.adapters.lastfm import LastfmAdapter
from bandstand.replay.adapters.spotify import SpotifyAdapter

ADAPTERS: Mapping[str, Callable[..., Adapter]] = {
    "lastfm": LastfmAdapter,
    "spotify": SpotifyAdapter,
    "hot100": Hot100Adapter,
    "bandstand": BandstandAdapter,
    "generic": GenericAdapter,
}


def adapter_named(name: str, **options: object) -> Adapter:
    """The adapter of a kind of data set, with options of its protocol.

    Raises:
        BadInput: there is no such adapter, or it has no such option.
    """
    if name not in ADAPTERS:
        raise BadInput(f"there is no data set {name!r}: use one of {', '.join(ADAPTERS)}", field="dataset")
    try:
        return ADAPTERS[name](**options)
    except TypeError as cause:
        raise BadInput(f"{name} has no such option: {cause}", field="dataset") from cause
