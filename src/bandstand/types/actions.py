"""The actions that teach: everything that is particular to one stands in its record here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSpec:
    """What is particular to one ``action_name`` of UBI that teaches; others are stored and worth nothing.

    Attributes:
        worth: its grade by documented constants, in [-1, 1].
        short_worth: for an action that lasts (its events may say ``play_seconds``), the grade of a short one; one that
            does not say how long it lasted is worth a click: somebody began it.
        satisfies: whether people end with it once they have what they wanted; one that lasts, once it lasted long.
        takes_back: whether it says that what was chosen before was not right.
    """

    worth: float
    short_worth: float | None = None
    satisfies: bool = False
    takes_back: bool = False

    @property
    def lasts(self) -> bool:
        """Whether its events may say for how many seconds it lasted."""
        return self.short_worth is not None


ACTIONS: Mapping[str, ActionSpec] = {
    "click": ActionSpec(worth=0.3),
    "play": ActionSpec(worth=1.0, short_worth=0.1, satisfies=True),
    "save": ActionSpec(worth=1.0, satisfies=True),
    "skip": ActionSpec(worth=-0.2, takes_back=True),
}
"""By name. An action that is added here is accepted, learned from, counted as a feature and listed in messages."""

ACTION_NAMES = ", ".join(ACTIONS)
