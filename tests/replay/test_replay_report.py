"""The summary, its page, and two of them side by side."""

from __future__ import annotations

import itertools
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import jsonschema_rs
import numpy as np
import orjson
import pytest

from bandstand.errors import BadInput, MissingDependency, StorageError
from bandstand.replay.conclusion import question_and_answer, refusals
from bandstand.replay.evaluate import compare, evaluate, read_result, write_json, write_report
from bandstand.replay.metrics import measure
from bandstand.replay.report.figures import pareto_front
from bandstand.replay.report.page import render
from bandstand.replay.stream import Answer, Ask
from bandstand.replay.summary import code_version
from bandstand.replay.table import Table, frequency, oracle
from bandstand.retrievers.registry import BUILT_IN
from tests.support.replay_worlds import START, asks, dataset, quick


def many_users(count: int = 60) -> list[Ask]:
    return [replace(ask, user=f"u{n % 30}") for n, ask in enumerate(asks(count))]


@pytest.fixture(scope="module")
def kept(made_once):
    """The folder of a replay's result and page, which are made once: playing and drawing take seconds."""
    settings = quick(
        policies=("bandit", "memory"),
        baselines=("only:lexical", "popularity"),
        oracle=True,
        platform=(("publish_every", 10),),
    )

    def play(folder):
        found = evaluate(dataset(many_users()), settings, folder=folder)
        write_json(found, folder / "r.json")
        write_report(found, folder / "r.html")

    return made_once("replay-report", play)


@pytest.fixture(scope="module")
def result(kept):
    return read_result(kept / "r.json")


@pytest.fixture(scope="module")
def page(kept):
    return (kept / "r.html").read_text(encoding="utf-8")


def test_the_fixed_shape_of_the_result(result, tmp_path):
    write_json(result, tmp_path / "r.json")
    read = read_result(tmp_path / "r.json")
    assert (read["dataset"], read["protocol"], read["seed"], read["n_searches"]) == ("tiny", "made for tests", 1, 60)
    assert read["data_sha256"] == "0" * 64
    assert list(read["policies"]) == [
        "bandit", "memory", "all", "only:lexical", "popularity", "oracle:static"
    ]  # fmt: skip
    for each in read["policies"].values():
        assert set(each["metrics"]) == {"MRR@10", "nDCG@10", "R@100", "Success@1", "Success@10"}
        for metric in each["metrics"].values():
            low, high = metric["ci95"]
            assert low <= metric["value"] <= high
        assert each["cost_ms"] >= 0
        assert set(each["segments"]) >= {"query", "user", "frequency", "kind", "class"}
    assert sum(part["n"] for part in read["policies"]["bandit"]["segments"]["class"].values()) == 60


def test_the_oracle_is_at_least_as_good_as_any_fixed_choice_that_it_may_make(result):
    best = result["policies"]["oracle:static"]["metrics"]["MRR@10"]["value"]
    assert best >= result["policies"]["all"]["metrics"]["MRR@10"]["value"] - 1e-9
    assert set("+".join(result["oracle_choice"].values()).split("+")) <= set(BUILT_IN.names)


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts, self.links, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in {"href", "src", "xlink:href", "action"}]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_holds_every_number_and_needs_nothing_else(result, page):
    parsed = _Texts()
    parsed.feed(page)
    text = " ".join(parsed.texts)
    for name, each in result["policies"].items():
        assert name in text
        for metric in each["metrics"].values():
            assert f"{metric['value']:.3f}" in text
            assert f"{metric['ci95'][0]:.3f} – {metric['ci95'][1]:.3f}" in text
        assert f"{each['cost_ms']:.2f}" in text
    for row in result["differences"]:
        assert f"{row['difference']:+.4f}" in text
    for what in (result["question"], result["answer"], result["data_sha256"], result["version"], *result["refused"]):
        assert what in text
    assert not [link for link in parsed.links if not link.startswith("#")]
    assert not re.search(r"url\((?!#)|@import", page)
    assert not {"link", "img", "iframe", "object"} & set(parsed.tags)
    assert "script" not in parsed.tags
    assert {"svg", "figure", "table"} <= set(parsed.tags)


def test_the_result_has_the_fixed_shape_and_names_its_code(result):
    schema = files("bandstand.replay.report") / "result.schema.json"
    plain = json.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
    jsonschema_rs.validator_for(json.loads(schema.read_text())).validate(plain)
    assert result["version"] == code_version()
    assert not {"home", "admin_key", "opensearch_password"} & result["settings"]["platform"].keys()
    assert re.fullmatch(r"\S+ \(source [0-9a-f]{12}\)", code_version())


def test_the_page_can_be_read_by_everybody(page):
    """A language, one title, headings in order, a text for every figure, named columns, nothing defined twice."""
    assert '<html lang="en">' in page
    assert "Time-ordered replay" in page
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert len(re.findall(r'<svg role="img" aria-label="[^"]{10,}"', page)) == page.count("<svg ")
    assert not re.findall(r"<th>", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"(fill|stroke): #(?!fff)", page), "a colour that the page cannot change"


def test_the_page_is_the_same_for_the_same_result(result, page):
    assert render(result) == page


def test_names_from_the_data_cannot_break_the_page(result):
    page = render({**result, "dataset": "<script>alert(1)</script>", "question": "<b>?"})
    assert "<script>" not in page
    assert "<b>?" not in page


def test_a_single_policy_and_a_single_search(tmp_path):
    ask = Ask(id="q", time=START, text="amber amber", answers=(Answer("t0", 1, START + 1),))
    result = evaluate(dataset([ask]), quick(policies=("lexical",)), folder=tmp_path)
    assert result["differences"] == []
    assert "too few for intervals" in " ".join(result["refused"])
    assert result["policies"]["lexical"]["metrics"]["MRR@10"] == {"value": 1.0, "ci95": [None, None]}
    assert result["question"] in render(result)


def test_nothing_found_by_anybody_is_no_verdict(tmp_path):
    stream = [
        Ask(id=f"q{n}", time=START + n, text="amber", user=f"u{n}", answers=(Answer("gone", 1, START + 99),))
        for n in range(25)
    ]  # fmt: skip
    result = evaluate(dataset(stream), quick(policies=("lexical", "memory")), folder=tmp_path)
    assert result["answer"].startswith("No verdict: no policy found anything")
    assert "nan" not in render(result).lower()


def verdict_of(first: float, second: float, p: float, users: int = 100, resamples: int = 999) -> str:
    def policy(value: float) -> dict[str, object]:
        return {"kind": "policy", "metrics": {"MRR@10": {"value": value}}, "cost_ms": 1.0, "segments": {}}

    row = {"measure": "MRR@10", "first": "a", "second": "b", "difference": first - second, "low": -0.1, "high": 0.1,
           "p_holm": p, "detectable": 0.05}  # fmt: skip
    policies = {"a": policy(first), "b": policy(second)}
    result = {"dataset": "d", "n_searches": 9, "n_users": users, "resamples": resamples, "leaks": None}
    result |= {"differences": [row], "policies": policies, "rejected": {"rows": 0, "reasons": []}}
    assert bool(refusals(result)) == (p >= 0.05 or users < 20 or resamples < 39)
    return question_and_answer(result)[1]


@pytest.mark.parametrize(
    ("figures", "start"),
    [
        ((0.5, 0.4, 0.01), "Yes"),
        ((0.4, 0.5, 0.01), "No:"),
        ((0.5, 0.4, 0.2), "The two cannot be told apart"),
        ((0.5, 0.4, 0.01, 19), "No verdict: 19 users are too few"),
        ((0.5, 0.4, 0.01, 100, 38), "No verdict: 38 resamples cannot tell 1 comparisons"),
    ],
)
def test_the_answer_in_words(figures, start):
    assert verdict_of(*figures).startswith(start)


def test_comparing_a_result_with_itself_and_with_others(result, tmp_path):
    other = {**result, "seed": 2, "protocol": "another", "data_sha256": "1" * 64}
    shorter = {**result, "n_searches": 10, "searches": {"ids": ["x"], "users": ["u"]}}
    for name, each in (("a", result), ("b", other), ("c", shorter)):
        write_json(each, tmp_path / f"{name}.json")
    same = compare(tmp_path / "a.json", tmp_path / "a.json")
    assert same["warnings"] == []
    assert {row["difference"] for row in same["differences"]} == {0.0}
    assert {row["p_holm"] for row in same["differences"]} == {1.0}
    warned = " ".join(compare(tmp_path / "a.json", tmp_path / "b.json")["warnings"])
    assert all(word in warned for word in ("data (by SHA-256)", "protocols", "seeds"))
    bare = compare(tmp_path / "a.json", tmp_path / "c.json")
    assert "without intervals" in " ".join(bare["warnings"])
    assert all("p" not in row for row in bare["differences"])


@pytest.mark.parametrize("content", ["", "[]", '{"dataset": "x"}'])
def test_what_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BadInput):
        compare(tmp_path / "x.json", tmp_path / "x.json")


@pytest.mark.parametrize(
    ("library", "distribution"), [("ir_measures", "ir-measures"), ("jinja2", "jinja2"), ("matplotlib", "matplotlib")]
)
def test_what_is_not_installed_comes_with_its_install_line(result, monkeypatch, library, distribution):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependency, match=f"pip install {distribution}"):
        measure([]) if library == "ir_measures" else render(result)


def test_a_report_that_cannot_be_written_is_said(result, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        write_json(result, tmp_path / "no" / "folder.json")


def test_the_front_is_what_nothing_beats_in_both():
    assert pareto_front([(1, 0.5), (2, 0.4), (3, 0.6), (1, 0.3), (0, 0.1)]) == [(0, 0.1), (1, 0.5), (3, 0.6)]


def test_head_torso_and_tail_by_hand():
    queries = np.array(["a"] * 4 + ["b"] * 3 + ["c", "d", "e"] + ["b"] * 0, object)
    # a passes 0 of 10, b 4 of 10 (the second third begins at 3.33), c 7 of 10 (the last at 6.67).
    assert frequency(queries).tolist() == ["head"] * 4 + ["torso"] * 3 + ["tail"] * 3


def static(name: str, values: list[float], cost: float) -> Table:
    n = len(values)
    labels = {
        "query": np.array(["seen", "seen", "unseen"], object),
        "user": np.array(["with past"] * n, object),
        "frequency": np.array(["head"] * n, object),
    }
    texts = np.array([str(k) for k in range(n)], object)
    return Table(
        name=f"static:{name}", ids=texts, times=np.zeros(n), users=texts, queries=texts, labels=labels,
        cost_ms=np.full(n, cost), real_ms=np.zeros(n), depths=np.full((n, len(BUILT_IN.names)), -1, np.int16),
        pooled=np.full(n, np.nan), claims=np.zeros((3, 10)), first=np.zeros(n, np.int64),
        values={"MRR@10": np.array(values)}, extra={},
    )  # fmt: skip


def test_the_oracle_by_hand():
    memory, dense = static("memory", [1.0, 0.0, 0.0], 0.05), static("dense", [0.0, 0.5, 0.0], 6.3)
    table, choice = oracle([dense, memory])
    assert table.values["MRR@10"].tolist() == [1.0, 0.0, 0.0]  # seen: 0.5 against 0.25
    assert choice == {"seen · with past · head": "memory", "unseen · with past · head": "memory"}  # a tie: the cheaper
    assert table.cost_ms.tolist() == pytest.approx([0.05] * 3)
