"""TREC run and qrels: ``qid Q0 docno rank score tag`` and ``qid 0 docno rel``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

import numpy as np

from bandstand.errors import BadInput
from bandstand.feedback.formats.shared import name_of, token
from bandstand.feedback.joined import Joined
from bandstand.feedback.rewards import ranker_grades
from bandstand.types import Scores


class RunLine(NamedTuple):
    """One line of a run; ``rank`` is from 1."""

    query_id: str
    doc_id: str
    rank: int
    score: float
    tag: str


class Qrel(NamedTuple):
    """One judgement; ``grade`` is 0 to 3."""

    query_id: str
    doc_id: str
    grade: int


def write_run(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """Every logged ranking, tagged with the policy that made it; returns how many lines.

    Who reads a run sorts it by score. So where a page was not ordered by score alone (kinds mixed, hits pinned), scores
    are lowered as far as it takes to keep the order that was shown.
    """
    count = 0
    for search in searches:
        impression = search.impression
        query_id, tag = token(impression.query.id), token(impression.decision.policy) or "-"
        hits = zip(impression.entity_ids, _descending(impression.scores), strict=False)
        lines = [f"{query_id} Q0 {token(d)} {rank} {score!r} {tag}\n" for rank, (d, score) in enumerate(hits, start=1)]
        out.write("".join(lines).encode())
        count += len(lines)
    return count


def write_qrels(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """What users did as grades 0 to 3, for searches with any teaching event; returns how many lines.

    Judged are the hits on the page and everything that was acted upon. Clicks are biased by position: these are no
    editors' judgements.
    """
    count = 0
    for search in searches:
        judged = _judged(search)
        query_id = token(search.impression.query.id)
        out.write("".join(f"{query_id} 0 {token(doc)} {grade}\n" for doc, grade in judged.items()).encode())
        count += len(judged)
    return count


def read_run(source: IO[bytes]) -> Iterator[RunLine]:
    """The lines of a run.

    Raises:
        BadInput: a line has not six fields, or rank or score is no number.
    """
    for fields in _fields(source, 6):
        query_id, _, doc_id, rank, score, tag = fields
        try:
            yield RunLine(name_of(query_id), name_of(doc_id), int(rank), float(score), name_of(tag))
        except ValueError as error:
            raise BadInput(f"a run line must be 'qid Q0 docno rank score tag', not {' '.join(fields)!r}") from error


def read_qrels(source: Iterable[bytes]) -> Iterator[Qrel]:
    """The lines of a qrels file.

    Raises:
        BadInput: a line has not four fields, or its grade is no whole number.
    """
    for fields in _fields(source, 4):
        query_id, _, doc_id, grade = fields
        try:
            yield Qrel(name_of(query_id), name_of(doc_id), int(grade))
        except ValueError as error:
            raise BadInput(f"a qrels line must be 'qid 0 docno rel', not {' '.join(fields)!r}") from error


def _descending(scores: Scores) -> list[float]:
    """The scores, each where needed lowered to just below the one before."""
    lowered: list[float] = []
    for score in scores.tolist():
        lowered.append(min(score, math.nextafter(lowered[-1], -math.inf)) if lowered else score)
    return lowered


def _judged(search: Joined) -> dict[str, int]:
    impression, outcome = search.impression, search.outcome()
    touched, outside = outcome.touched, outcome.outside
    if not touched.any() and not outside:
        return {}
    grades = ranker_grades(outcome.grades).tolist()
    first, last = impression.query.offset, impression.query.offset + impression.shown
    judged = {
        doc: grades[at] for at, doc in enumerate(impression.entity_ids) if first <= at < last or bool(touched[at])
    }
    elsewhere = ranker_grades(np.array(list(outside.values()), np.float32)).tolist()
    return judged | dict(zip(outside, elsewhere, strict=True))


def _fields(source: Iterable[bytes], expected: int) -> Iterator[list[str]]:
    for number, line in enumerate(source, start=1):
        fields = line.decode().split()
        if fields and len(fields) != expected:
            raise BadInput(f"line {number} has {len(fields)} fields; {expected} are expected")
        if fields:
            yield fields
