"""Counting how people ask: each (query, entity) pair is explained by the wording that it is nearest to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from bandstand.memory_index.generator import Generator
from bandstand.memory_index.slips import MOST_SLIPS, SLIPS, Slips, length_of, slips_between
from bandstand.memory_index.wordings import context, wordings
from bandstand.types import Entity

_SHORTEST_CUT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A query as a wording of the entity: its ``form`` and text, the slips in it, and whether its end is missing."""

    form: str
    text: str
    slips: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The generator, how many pairs taught it, and which share of them no wording explains: nicknames, other words."""

    generator: Generator
    pairs: int
    unexplained: float


def explain(normalized: str, entity: Entity) -> Explained | None:
    """The wording that a query is, but for at most two slips, or the beginning of; None where there is none.

    Of several that are as near the plainest counts: `wordings` gives that first.
    """
    found = wordings(entity)
    form, distance = "", MOST_SLIPS + 1
    for other, text in found.items():
        apart = OSA.distance(text, normalized, score_cutoff=MOST_SLIPS)
        form, distance = (other, apart) if apart < distance else (form, distance)
    if distance <= min(MOST_SLIPS, len(normalized) // 4):
        return Explained(form=form, text=found[form], slips=tuple(slips_between(found[form], normalized)))
    if len(normalized) >= _SHORTEST_CUT:
        for form, text in found.items():
            if text.startswith(normalized):
                return Explained(form=form, text=text, cut=True)
    return None


def count_pairs(pairs: Iterable[tuple[str, Entity]]) -> Counted:
    """Count normalised queries that led to entities; on top of the prior of `Slips.unseen`."""
    forms: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    slips = Slips.unseen()
    numbers = {length: list(counts) for length, counts in slips.numbers.items()}
    kinds, cut, total, unexplained = list(slips.kinds), list(slips.cut), 0, 0
    for normalized, entity in pairs:
        total += 1
        found = explain(normalized, entity)
        if found is None:
            unexplained += 1
            continue
        for where in context(entity):
            forms[where][found.form] += 1
        cut[found.cut] += 1
        numbers[length_of(found.text)][min(len(found.slips), MOST_SLIPS)] += 1
        for slip in found.slips:
            kinds[SLIPS.index(slip)] += 1
    counted = Slips(
        numbers={length: tuple(counts) for length, counts in numbers.items()}, kinds=tuple(kinds), cut=(cut[0], cut[1])
    )
    generator = Generator(forms={where: dict(counts) for where, counts in forms.items()}, slips=counted)
    return Counted(generator=generator, pairs=total, unexplained=unexplained / total if total else 0.0)
