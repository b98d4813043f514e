"""`open` and `demo`: a home by its folder or its settings, and one with music in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bandstand.app.options import Options
from bandstand.bandit.policy import Policy
from bandstand.door.facade import Bandstand
from bandstand.errors import BadInput
from bandstand.retrievers.base import Retriever
from bandstand.retrievers.encoder import Encoder
from bandstand.settings import Settings, load_settings
from bandstand.types import Progress


def open(  # noqa: A001 - `bandstand.open`
    home: str | Path | Settings | None = None,
    *,
    retrievers: Sequence[Retriever] = (),
    policies: Sequence[Policy] = (),
    encoder: str | Encoder | None = None,
    background: bool = True,
    **settings: object,
) -> Bandstand:
    """Open a platform; its folder is made where it is missing.

    Args:
        home: the folder that holds everything, or complete settings; None: as ``BANDSTAND_HOME`` says.
        retrievers: candidate generators that take part beside the platform's own.
        policies: further policies, by whose names a search may ask for them.
        encoder: int8, fp32 or hashing; or an encoder of your own. None: as the settings say.
        background: whether a thread of this process indexes and learns, once something is searched.
        settings: any of `bandstand.Settings`, over those of the environment.

    Raises:
        BadInput: there is no such setting, or it cannot have this value.
    """
    if isinstance(encoder, str):
        settings["encoder"] = encoder
        encoder = None
    options = Options(retrievers=tuple(retrievers), policies=tuple(policies), encoder=encoder)
    return Bandstand(_settings(home, settings), options, background=background)


def demo(
    home: str | Path | Settings | None = None,
    *,
    background: bool = True,
    progress: Progress | None = None,
    **settings: object,
) -> Bandstand:
    """Open a platform that has music: an empty home gets the bundled catalogue, indexed and with trained models.

    That takes about a minute the first time. What a home holds already stays, and is brought up to date.

    Args:
        home: see `open`.
        background: see `open`.
        progress: is told what is being done: (job, done, of).
        settings: see `open`.

    Raises:
        BadInput: there is no such setting, or it cannot have this value.
        Conflict: another process indexes this home.
    """
    from bandstand.catalog.bundled import load_bundled

    music = Bandstand(_settings(home, settings), background=background)
    try:
        if not len(music):
            music.ingest(load_bundled())
        music.index(progress=progress)
    except BaseException:
        music.close()
        raise
    return music


def _settings(home: str | Path | Settings | None, given: dict[str, object]) -> Settings:
    """Settings from what was given, over those of the environment."""
    if unknown := sorted(given.keys() - Settings.model_fields.keys()):
        known = ", ".join(Settings.model_fields)
        raise BadInput(f"there is no setting {unknown[0]!r}; there are {known}", field=unknown[0])
    if isinstance(home, Settings):
        return load_settings(**{**home.model_dump(), **given}) if given else home
    return load_settings(home=Path(home).expanduser() if home is not None else None, **given)
