"""A generator of plausible queries for an entity: how people ask, counted from (query, entity) pairs of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import orjson

from bandstand.errors import ModelError
from bandstand.memory_index.phrases import LONGEST_PHRASE, predicted_queries
from bandstand.memory_index.slips import Slips
from bandstand.memory_index.wordings import context, wordings
from bandstand.types import Entity

GENERATOR_FILE = "generator.json"
FORMAT_HASH = hashlib.sha256(b"1: forms by context, slips").hexdigest()[:16]
"""What a model must have been counted with to be used."""

_TRUSTED = 20.0
"""Pairs of a narrower context that weigh as much as all that the wider one says (a Dirichlet prior)."""

_LIKELY = 0.02
"""P(form) from which a query is predicted for an entity beside those of the templates."""

_MOST = 8
_PRIOR = {"title": 30.0, "title+artist": 15.0, "artist+title": 15.0, "artist": 5.0, "folded": 5.0, "alias": 5.0}
_PRIOR_OTHER = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """``forms`` counts pairs by context (see `context`) and form; ``slips`` is how they were typed.

    P(form | entity) is over the forms that the entity has. A narrow context backs off to a wider one, that to what the
    templates suppose: (n(form) + α p_wider(form)) / (n + α).
    """

    forms: Mapping[str, Mapping[str, float]]
    slips: Slips

    @classmethod
    def unseen(cls) -> Generator:
        """Before anything was counted: what the templates suppose."""
        return cls(forms={}, slips=Slips.unseen())

    def chances(self, entity: Entity) -> dict[str, float]:
        """P(text | entity), summing to 1, of every normalised wording of the entity."""
        found = {form: text for form, text in wordings(entity).items() if len(text) <= LONGEST_PHRASE}
        if not found:
            return {}
        chance = _normal({form: _PRIOR.get(form, _PRIOR_OTHER) for form in found})
        for where in context(entity):
            counts = self.forms.get(where, {})
            seen = sum(counts.get(form, 0.0) for form in found)
            chance = {form: (counts.get(form, 0.0) + _TRUSTED * p) / (seen + _TRUSTED) for form, p in chance.items()}
        return {found[form]: p for form, p in chance.items()}

    def pose(self, entity: Entity, rng: np.random.Generator) -> tuple[str, str]:
        """What somebody means who wants the entity, and how they type it; both empty where it has no name."""
        chances = self.chances(entity)
        if not chances:
            return "", ""
        meant = list(chances)[int(rng.choice(len(chances), p=np.array(list(chances.values()))))]
        return meant, self.slips.typed(meant, rng)

    def predicted(self, entity: Entity) -> list[tuple[str, float]]:
        """Queries and scores in (0, 1), best first: those of the templates, and the likely ones that they lack.

        The score says how likely the entity satisfies who types that: less for a shortened name than for a whole one.
        """
        known = dict(predicted_queries(entity))
        likely = sorted(self.chances(entity).items(), key=lambda item: (-item[1], item[0]))
        new = [text for text, p in likely if p >= _LIKELY and text not in known][:_MOST]
        scale = 0.2 + 0.2 * min(max(entity.popularity, 0.0), 1.0)
        known |= {text: scale * min(1.0, 0.5 + 0.25 * text.count(" ")) for text in new}
        return sorted(known.items(), key=lambda item: (-item[1], item[0]))

    def to_bytes(self) -> bytes:
        """The model in one file."""
        return orjson.dumps({"format": FORMAT_HASH, **asdict(self)})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Generator:
        """What `to_bytes` gave.

        Raises:
            ModelError: it is damaged or of another version.
        """
        try:
            values = orjson.loads(raw)
            slips = values["slips"]
            if values["format"] == FORMAT_HASH:
                numbers = {length: tuple(counts) for length, counts in slips["numbers"].items()}
                cut = (float(slips["cut"][0]), float(slips["cut"][1]))
                return cls(forms=values["forms"], slips=Slips(numbers=numbers, kinds=tuple(slips["kinds"]), cut=cut))
        except (ValueError, KeyError, TypeError, IndexError) as cause:
            raise ModelError("the query generator is damaged; run `bandstand train generator`") from cause
        raise ModelError("the query generator is of another version; run `bandstand train generator`")


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
