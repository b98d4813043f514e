"""Modelled milliseconds of a search, for measured ones: what is learned must not depend on the machine's mood."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bandstand.bandit.cost import ENCODING_ARMS, modelled_cost
from bandstand.types import ARMS, DEPTHS, Impression


def price(arms: Collection[str]) -> dict[str, float]:
    """Modelled milliseconds of each arm that plays; the query is encoded once."""
    prices, encoded = {}, False
    for arm in ARMS:
        if arm in arms:
            prices[arm] = 0.0 if encoded and arm in ENCODING_ARMS else modelled_cost(arm, DEPTHS[-1])
            encoded |= arm in ENCODING_ARMS
    return prices


def played(impression: Impression) -> tuple[str, ...]:
    """The arms that were asked, rescues included."""
    return tuple(outcome.arm for outcome in impression.outcomes if outcome.status != "skipped")


def with_modelled_times(impression: Impression) -> Impression:
    """The impression with the modelled time of every arm that played."""
    prices = price(played(impression))
    outcomes = tuple(replace(outcome, took_ms=prices.get(outcome.arm, 0.0)) for outcome in impression.outcomes)
    return replace(impression, outcomes=outcomes)
