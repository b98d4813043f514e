"""Judged queries: known answers by hand, files of every format, empties, and that nothing is logged or learned."""

from __future__ import annotations

import math

import pytest

from bandstand.errors import BadInput
from bandstand.replay.judged import EVERY, HYBRID, ORACLE, JudgedQuery, evaluate_judged, read_judged
from bandstand.retrievers.registry import BUILT_IN
from tests.support.small_home import SmallHome

JUDGED = [
    JudgedQuery(text="thunderstruck", relevant={"thunderstruck": 1}, query_class="title"),
    JudgedQuery(text="beyoncé", relevant={"beyonce": 3, "not-there": 1}, query_class="artist"),
    JudgedQuery(text="zzqx", relevant={"hello": 1}, query_class="title"),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    opened = SmallHome(tmp_path_factory.mktemp("judged") / "home")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def report(small):
    return evaluate_judged(small.home, JUDGED, policies=("lexical", "bandit"), seed=3)


def values(report, ranking):
    return {name: each.value for name, each in report.rankings[ranking].metrics.items()}


def test_known_answers(report):
    """Text finds title and artist first, where one of two answers is unknown, and nothing for zzqx."""
    ideal = 3 + 1 / math.log2(3)
    assert values(report, "only:lexical") == pytest.approx(
        {
            "MRR@10": (1 + 1 + 0) / 3,
            "nDCG@10": (1 + 3 / ideal + 0) / 3,
            "R@100": (1 + 1 / 2 + 0) / 3,
            "Success@1": 2 / 3,
            "Success@10": 2 / 3,
        }
    )
    assert values(report, "only:personal")["nDCG@10"] == 0.0  # nobody has a past
    assert report.rankings["only:lexical"].by_class["title"]["MRR@10"].value == pytest.approx(1 / 2)
    assert report.classes == {"title": 2, "artist": 1}
    assert (report.queries, report.left_out, report.unknown, report.incomplete) == (3, 0, 1, 0)


def test_the_oracle_has_the_best_retriever_of_every_query(report):
    alone = [values(report, f"only:{arm}")["nDCG@10"] for arm in BUILT_IN.names]
    assert values(report, ORACLE)["nDCG@10"] >= max(alone)
    assert sum(report.best_retriever.values()) <= report.queries


def test_what_is_compared_and_how(report):
    assert set(report.rankings) == {
        "lexical", "bandit", HYBRID, EVERY, *(f"only:{arm}" for arm in BUILT_IN.names), "rrf:all", ORACLE,
    }  # fmt: skip
    assert [name for name, each in report.rankings.items() if each.kind == "policy"] == ["lexical", "bandit"]
    gap = report.differences["nDCG@10"]["only:lexical"]
    expected = values(report, "lexical")["nDCG@10"] - values(report, "only:lexical")["nDCG@10"]
    assert gap.difference == pytest.approx(expected)
    assert gap.p_holm >= gap.p
    assert report.rankings["bandit"].search_ms.value > 0  # measured here
    assert report.rankings["rrf:all"].search_ms is None
    assert report.rankings["rrf:all"].retrieval_ms.value >= report.rankings["only:lexical"].retrieval_ms.value
    assert report.to_dict()["rankings"]["bandit"]["metrics"]["MRR@10"]["value"] == values(report, "bandit")["MRR@10"]


def test_nothing_is_logged_or_learned_and_the_seed_decides(small, report):
    before = small.storage.log.head()
    again = evaluate_judged(small.home, JUDGED, policies=("lexical", "bandit"), seed=3)
    assert small.storage.log.head() == before
    assert {name: values(again, name) for name in again.rankings} == {
        name: values(report, name) for name in report.rankings
    }
    assert again.differences == report.differences


@pytest.mark.parametrize(
    ("judged", "policies", "k", "says"),
    [
        ([], ("bandit",), 10, "nothing to measure"),
        ([JudgedQuery(text="halo", relevant={})], ("bandit",), 10, "nothing to measure"),
        ([JudgedQuery(text="halo", relevant={"halo": 0})], ("bandit",), 10, "nothing to measure"),
        ([{"query": "halo"}], ("bandit",), 10, "relevant must be"),
        ([{"query": " ", "relevant": ["halo"]}], ("bandit",), 10, "no text"),
        ([{"query": "halo", "relevant": {"halo": "1"}}], ("bandit",), 10, "whole numbers"),
        (JUDGED, (), 10, "at least one policy"),
        (JUDGED, ("nobody",), 10, "unknown policy"),
        (JUDGED, ("bandit",), 0, "k must be"),
    ],
)
def test_what_cannot_be_measured_is_refused(small, judged, policies, k, says):
    with pytest.raises(BadInput, match=says):
        evaluate_judged(small.home, judged, policies=policies, k=k)


@pytest.mark.parametrize("relevant", [{"hello": 1}, {"nobody": 1}])
def test_what_finds_nothing_counts_as_zero(small, relevant):
    report = evaluate_judged(small.home, [{"query": "zzqx", "relevant": relevant}], policies=("lexical",), k=1)
    assert set(values(report, "only:lexical").values()) == {0.0}
    assert set(values(report, "only:lexical")) == {"MRR@1", "nDCG@1", "R@100", "Success@1"}
    assert "lexical" not in report.best_retriever
    assert report.rankings["lexical"].metrics["nDCG@1"].low is None  # one query has no interval


def test_an_empty_catalogue_finds_nothing(tmp_path):
    empty = SmallHome(tmp_path / "home", entities=())
    try:
        report = evaluate_judged(empty.home, [{"query": "halo", "relevant": ["halo"]}], policies=("all",))
    finally:
        empty.close()
    assert (report.unknown, values(report, "all")["MRR@10"]) == (1, 0.0)


def test_a_query_without_answers_is_left_out_and_counted(small):
    report = evaluate_judged(small.home, [*JUDGED, {"query": "hello", "relevant": []}], policies=("lexical",))
    assert (report.queries, report.left_out) == (3, 1)


WANTED = [
    JudgedQuery(text="halo", relevant={"halo": 3, "halo-again": 1}, query_class="title", user="ana"),
    JudgedQuery(text="sad songs", relevant={"hurt-nin": 1}),
]


CSV = """query,entity_id,grade,class,user
halo,halo,3,title,ana
sad songs,hurt-nin,,,
halo,halo-again,1,title,ana
"""
NDJSON = """{"query": "halo", "relevant": {"halo": 3, "halo-again": 1}, "class": "title", "user": "ana"}

{"query": "sad songs", "relevant": ["hurt-nin"]}
"""


@pytest.mark.parametrize(("name", "content"), [("j.csv", CSV), ("j.ndjson", NDJSON)])
def test_files_of_records(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read_judged(tmp_path / name) == WANTED


def test_qrels_with_queries(tmp_path):
    (tmp_path / "q.tsv").write_text("1\thalo\n2\tsad songs\n")
    (tmp_path / "j.qrels").write_text("1 0 halo 3\n2 0 hurt-nin 1\n1 0 halo-again 1\n1 0 hello 0\n")
    found = read_judged(tmp_path / "j.qrels", queries=tmp_path / "q.tsv")
    assert [(each.text, each.relevant) for each in found] == [(each.text, each.relevant) for each in WANTED]
    (tmp_path / "j.qrels").write_text("3 0 halo 3\n")
    with pytest.raises(BadInput, match="no query '3'"):
        read_judged(tmp_path / "j.qrels", queries=tmp_path / "q.tsv")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("j.csv", "query,grade\nhalo,1\n", "lacks entity_id"),
        ("j.csv", "query,entity_id,grade\nhalo,halo,many\n", "line 2: grade"),
        ("j.csv", "query,entity_id\nhalo\n", "line 2: 1 values"),
        ("j.csv", "query,entity_id\n,halo\n", "is empty"),
        ("j.ndjson", "{\n", "line 1"),
        ("j.ndjson", "[]\n", "line 1: a line must be an object"),
        ("j.ndjson", '{"query": "halo", "relevant": "halo"}', "line 1: 'halo': relevant must be"),
    ],
)
def test_damaged_files_say_where(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=says):
        read_judged(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere\.csv"):
        read_judged(tmp_path / "nowhere.csv")
