"""What is drawn: pictures without scripts, grey where too little is known, estimates as they were left."""

from __future__ import annotations

import re

import pytest

from bandstand.dashboard.charts import Chart, Explained, ratio, span_of, svg
from bandstand.dashboard.estimates import (
    Estimates,
    PolicyEstimate,
    estimates_chart,
    read_estimates,
    write_estimates,
)
from bandstand.dashboard.learning import learning_charts
from bandstand.errors import StorageError

NOW = 1_750_000_020.0


def about(kind):
    return Explained(name="x", title="X", unit="ms", how="by hand", kind=kind)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["lines", "stacked", "bars", "across"])
@pytest.mark.parametrize("line", [[], [None, None], [1.0, None], [0.0, 2.5]])
def test_whatever_the_numbers_are_there_is_a_picture(kind, line, theme):
    places = [NOW, NOW + 60.0][: len(line)] if kind in ("lines", "stacked") else ["a", "b"][: len(line)]
    picture = svg(Chart(about=about(kind), places=places, lines={"one": line, "two": line}), theme)
    assert picture.startswith("<svg")
    assert not re.search(r"<script|<desc|javascript|http://(?!www.w3.org|pygal|github)", picture)


def test_words_are_escaped():
    evil = "<script>alert(1)</script>"
    picture = svg(Chart(about=about("bars"), places=[evil], lines={evil: [1.0]}), "light")
    assert "<script" not in picture
    assert "&lt;script&gt;" in picture


def test_what_is_grey_is_drawn_in_grey():
    chart = Chart(about=about("bars"), places=["a", "b"], lines={"one": [1.0, 2.0]}, grey={"b": "not enough data"})
    picture = svg(chart, "light")
    assert picture.count("fill: #c9c6d4") == 1
    assert "b *" in picture


def test_nothing_counted_is_no_number():
    assert ratio(1.0, 0.0) is None
    assert ratio(1.0, 4.0, scale=100.0) == 25.0


class TestLearning:
    def charts(self, **counts):
        start = span_of("hour").starts(NOW)[-1]
        return {chart.about.name: chart for chart in learning_charts([(start, counts)], span_of("hour"), NOW)}

    def test_by_hand(self):
        found = self.charts(
            **{
                "searches": 40.0, "clicked": 20.0, "satisfied": 10.0, "reward": 16.0, "regret": 2.0, "weighed": 20.0,
                "explored": 5.0, "class/named": 20.0, "chosen/dense/named": 5.0, "asked/dense/named": 20.0,
                "belief/7/n": 20.0, "belief/7/believed": 15.0, "belief/7/chosen": 12.0,
                "position/1/shown": 40.0, "position/1/clicked": 20.0,
            }
        )  # fmt: skip
        assert found["outcomes"].lines["clicked"][-1] == 50.0
        assert (found["reward"].lines["reward"][-1], found["reward"].lines["regret"][-1]) == (0.4, 0.1)
        assert found["exploration"].lines["explored"][-1] == 25.0
        assert found["chosen"].lines == {"dense": [None, 25.0, None, None, None]}
        assert "named" not in found["chosen"].grey
        assert (found["calibration"].lines["chosen"][7], found["calibration"].lines["believed"][7]) == (60.0, 75.0)
        positions = found["positions"]
        assert positions.lines["clicked"][0] == 50.0
        # Wilson's interval of 20 out of 40: 0.352 to 0.648.
        assert (positions.low["clicked"][0], positions.high["clicked"][0]) == pytest.approx((35.2, 64.8), abs=0.05)
        assert set(positions.grey) == {str(place) for place in range(2, 11)}

    def test_an_empty_ledger_is_all_grey_or_empty(self):
        found = self.charts()
        assert all(chart.empty for chart in found.values())


class TestEstimates:
    def test_they_are_read_as_they_were_written(self, tmp_path):
        path = tmp_path / "estimates.json"
        assert read_estimates(path) is None
        rows = [
            PolicyEstimate(policy="as logged", value=0.4, low=0.3, high=0.5),
            PolicyEstimate(policy="all", ess=2.1, reason="few"),
        ]
        kept = Estimates(time=NOW, searches=7, policies=rows)
        write_estimates(path, kept)
        assert read_estimates(path) == kept
        chart = estimates_chart(kept)
        assert chart.lines["reward"] == [0.4, None]
        assert chart.places == ["as logged", "all (2 effective)"]
        assert chart.grey == {"all (2 effective)": "not enough data: few"}
        assert estimates_chart(None).empty

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"time": 1}', b'{"time": "x", "searches": 1, "policies": []}'])
    def test_a_damaged_file_says_what_to_do(self, tmp_path, content):
        (tmp_path / "estimates.json").write_bytes(content)
        with pytest.raises(StorageError, match="bandstand estimates"):
            read_estimates(tmp_path / "estimates.json")
