"""The result of a closed loop has the fixed shape, and its page shows what only a closed loop has."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema_rs
import orjson
import pytest

from bandstand.replay.evaluate import write_report
from bandstand.replay.simulate.learning_curves import summary

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(played):
    return summary(played[0])


def test_the_result_has_the_fixed_shape(result):
    schema = files("bandstand.replay.report") / "result.schema.json"
    plain = json.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
    jsonschema_rs.validator_for(json.loads(schema.read_text())).validate(plain)
    assert [point["searches"] for point in plain["series"]] == [100, 200]


def test_the_page_says_that_it_is_a_closed_loop_and_shows_it(result, tmp_path):
    write_report(result, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Closed loop · tiny" in page
    assert "Time-ordered" not in page
    for section in ("Quality against cost", "Over time", "By class of query", "What was learned", "Which retrievers",
                    "Calibration", "Segments", "What is not claimed", "How this was made"):  # fmt: skip
        assert section in page, section
    for name in ("nickname", "misspelt", "exploring, ms", "regret"):
        assert name in page
