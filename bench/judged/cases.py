"""Small catalogues that music searches got wrong, after faults that users reported: each search with one demand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bandstand.catalog.codec import entity_from_json
from bandstand.types import Attribute, Entity
from bench.judged.base import Judge, JudgedSearch, JudgedSet


def cases(path: Path) -> JudgedSet:
    """All cases in one catalogue; each entity has the attribute ``case``, and each search is filtered to its own."""
    entities: list[Entity] = []
    searches: list[JudgedSearch] = []
    for line in path.read_text().splitlines():
        case = json.loads(line)
        entities += [_entity(case["id"], row) for row in case["entities"]]
        searches += [
            JudgedSearch(
                query=search["query"],
                judge=_judge(search, case["id"]),
                part=case["id"],
                filters=(("case", (case["id"],)),),
            )
            for search in case["searches"]
        ]
    return JudgedSet(name="cases", headline="whole", entities=tuple(entities), searches=tuple(searches))


def _entity(case: str, row: Mapping[str, Any]) -> Entity:
    entity = entity_from_json(row)
    members = tuple(f"{case}/{member}" for member in entity.members)
    attributes = (*entity.attributes, Attribute("case", case))
    return replace(entity, id=f"{case}/{entity.id}", members=members, attributes=attributes)


def _judge(search: Mapping[str, Any], case: str) -> Judge:
    def judge(hits: Sequence[Entity]) -> dict[str, float]:
        found = [hit.id.removeprefix(f"{case}/") for hit in hits]
        return {"whole": float(_met(search, found))}

    return judge


def _met(search: Mapping[str, Any], found: Sequence[str]) -> bool:
    """Whether the demand of a search is met by the ids that it found, best first."""
    if "must_first" in search:
        return found[:1] == [search["must_first"]]
    if "must_before" in search:
        before, after = search["must_before"]
        return before in found and (after not in found or found.index(before) < found.index(after))
    head = found[: search["within"]]
    if "must_include" in search:
        return set(search["must_include"]) <= set(head)
    return not set(search["must_not_include"]) & set(head)
