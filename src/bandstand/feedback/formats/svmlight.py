"""SVMLight/LETOR: ``grade qid:1 1:v 2:v # docid``, the logged feature rows with what users did.

Not-a-number is left out, zeros are written: so a reader that knows this tells them apart. Comment lines name the
features (``#features {"1": "lexical.rank"}``) wherever new ones appear, as a log may span several models, and the
search behind each qid (``#query 1 id``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

import numpy as np
import orjson
from numpy.typing import NDArray

from bandstand.errors import BadInput
from bandstand.feedback.formats.shared import name_of, token
from bandstand.feedback.joined import Joined
from bandstand.feedback.rewards import ranker_grades
from bandstand.types import Matrix

_FEATURES, _QUERY = "#features ", "#query "


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LetorData:
    """Rows of a LETOR file: grades int32 (n,), qids int32 (n,), features float32 (n, f) with NaN where left out."""

    grades: NDArray[np.int32]
    qids: NDArray[np.int32]
    features: Matrix
    feature_names: tuple[str, ...]
    doc_ids: tuple[str, ...]
    query_ids: dict[int, str]


def write_svmlight(searches: Iterable[Joined], out: IO[bytes]) -> int:
    """The rows of every search on whose head somebody acted (the others teach no order); returns how many rows."""
    columns: dict[str, int] = {}
    qid = rows = 0
    for search in searches:
        outcome = search.outcome()
        if not outcome.touched.any():
            continue
        qid += 1
        impression = search.impression
        numbers = _columns(impression.feature_names, columns, out)
        grades = ranker_grades(outcome.grades).tolist()
        lines = [
            f"{grade} qid:{qid} {_values(numbers, row)} # {token(doc)}\n"
            for grade, row, doc in zip(grades, impression.features, impression.entity_ids, strict=True)
        ]
        out.write(f"{_QUERY}{qid} {token(impression.query.id)}\n{''.join(lines)}".encode())
        rows += len(lines)
    return rows


def read_svmlight(source: IO[bytes]) -> LetorData:
    """Read a whole file back; columns without a name are called by their number.

    Raises:
        BadInput: a line is not LETOR.
    """
    names: dict[int, str] = {}
    queries: dict[int, str] = {}
    rows: list[tuple[int, int, dict[int, float], str]] = []
    for number, line in enumerate(source, start=1):
        text = line.decode().strip()
        try:
            if text.startswith(_FEATURES):
                names |= {int(column): name for column, name in orjson.loads(text[len(_FEATURES) :]).items()}
            elif text.startswith(_QUERY):
                qid, query_id = text[len(_QUERY) :].split()
                queries[int(qid)] = name_of(query_id)
            elif text and not text.startswith("#"):
                rows.append(_row(text))
        except (ValueError, IndexError) as error:
            raise BadInput(f"line {number} is not LETOR ('grade qid:1 1:0.5 # docid'): {text[:80]!r}") from error
    return _data(names, queries, rows)


def _columns(names: tuple[str, ...], columns: dict[str, int], out: IO[bytes]) -> list[int]:
    new = [name for name in names if name not in columns]
    for name in new:
        columns[name] = len(columns) + 1
    if new:
        header = orjson.dumps({str(columns[name]): name for name in new})
        out.write(_FEATURES.encode() + header + b"\n")
    return [columns[name] for name in names]


def _values(numbers: list[int], row: NDArray[np.float32]) -> str:
    # LETOR wants ascending columns; float32 printed with nine digits reads back bit for bit.
    pairs = sorted(zip(numbers, row.tolist(), strict=True))
    return " ".join(f"{number}:{value:.9g}" for number, value in pairs if value == value)  # noqa: PLR0124 - not NaN


def _row(text: str) -> tuple[int, int, dict[int, float], str]:
    values, _, doc = text.partition("#")
    grade, qid, *pairs = values.split()
    split = [pair.split(":") for pair in pairs]
    return int(grade), int(qid.removeprefix("qid:")), {int(n): float(v) for n, v in split}, name_of(doc.strip())


def _data(
    names: dict[int, str], queries: dict[int, str], rows: list[tuple[int, int, dict[int, float], str]]
) -> LetorData:
    width = max([0, *names, *(number for row in rows for number in row[2])])
    features = np.full((len(rows), width), np.nan, np.float32)
    for at, (_, _, values, _) in enumerate(rows):
        for number, value in values.items():
            features[at, number - 1] = value
    return LetorData(
        grades=np.array([row[0] for row in rows], np.int32),
        qids=np.array([row[1] for row in rows], np.int32),
        features=features,
        feature_names=tuple(names.get(number, str(number)) for number in range(1, width + 1)),
        doc_ids=tuple(row[3] for row in rows),
        query_ids=queries,
    )
