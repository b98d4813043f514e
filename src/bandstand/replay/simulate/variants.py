"""A policy on a platform with other settings: ``bandit@reward_model=clicks@relabel=false``."""

from __future__ import annotations

from dataclasses import dataclass

from bandstand.errors import BadInput
from bandstand.replay.contestants import Contestant, contestant
from bandstand.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Variant:
    """What plays, and in which settings its platform differs from everybody's, by name."""

    contestant: Contestant
    changes: tuple[tuple[str, str], ...] = ()

    def platform(self, base: Settings, **more: object) -> Settings:
        """The platform's settings with the changes, and with ``more``.

        Raises:
            BadInput: a value is none of the setting's.
        """
        return load_settings(**{**base.model_dump(), **dict(self.changes), **more})


def variant(name: str) -> Variant:
    """What a name means: a policy (`contestant`), then settings after an ``@`` each.

    Raises:
        BadInput: there is no such policy or setting.
    """
    policy, *changes = name.split("@")
    return Variant(contestant(policy), tuple(_change(change) for change in changes))


def _change(change: str) -> tuple[str, str]:
    setting, equals, value = change.partition("=")
    if setting not in Settings.model_fields or setting == "home" or not equals:
        raise BadInput(f"{change!r} changes no setting of the platform: write name=value", field="policies")
    return setting, value
