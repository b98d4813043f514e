"""The encoder of a home: made where it is missing, and opened."""

from __future__ import annotations

import os

from bandstand.backend import Paths
from bandstand.errors import ModelError
from bandstand.retrievers.encoder import Encoder, HashingEncoder, OnnxEncoder
from bandstand.retrievers.encoder_export import export_encoder
from bandstand.settings import Settings
from bandstand.types import Progress

_LANES = min(2, os.cpu_count() or 1)
"""Encodings that run side by side. On two free cores two lanes encode 1,220 queries a second of eight callers, one lane
830, and every call by itself 920 (`python -m bench.encoding`)."""


def open_encoder(settings: Settings, paths: Paths) -> Encoder:
    """The encoder that the settings name, exported before by `bandstand index`.

    Raises:
        ModelError: it was not exported yet, or is damaged.
    """
    if settings.encoder == "hashing":
        return HashingEncoder()
    return OnnxEncoder(paths.encoder, lanes=_LANES)


def prepare_encoder(settings: Settings, paths: Paths, *, progress: Progress | None = None) -> None:
    """Export the encoder into the home when it is missing there, which takes some ten seconds."""
    if settings.encoder == "hashing" or _exported(settings, paths):
        return
    if progress is not None:
        progress("encoder", 0, 1)
    export_encoder(paths.encoder, precision=settings.encoder)
    if progress is not None:
        progress("encoder", 1, 1)


def _exported(settings: Settings, paths: Paths) -> bool:
    try:
        open_encoder(settings, paths)
    except ModelError:
        return False
    return True
