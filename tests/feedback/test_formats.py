"""Exports: what a log looks like in each format, and that it reads back."""

import io
from dataclasses import replace

import numpy as np
import orjson
import pytest
import vowpalwabbit

from bandstand.errors import BadInput, StorageError
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.formats.dsjson import read_dsjson
from bandstand.feedback.formats.export import FORMATS, export
from bandstand.feedback.formats.obp import read_obp
from bandstand.feedback.formats.svmlight import read_svmlight
from bandstand.feedback.formats.trec import Qrel, RunLine, read_qrels, read_run, write_run
from bandstand.feedback.joined import Joined, joined
from bandstand.feedback.ubi_events import impression_from_ubi, parse_events


@pytest.fixture
def filled(log, make):
    """Two searches (the second without a click), a play long after, an event of no search."""
    log.append_impression(make.impression("q 1", ids=("a", "b#1", "c d"), shown=2))
    log.append_impression(make.impression("q2", policy="lexical"))
    log.append_events(
        [
            make.event("e1", query_id="q 1", object_id="b#1", action="play", play_seconds=99.0),
            make.event("e2", query_id="q 1", object_id="edition é"),
            make.event("e3", query_id="q 1", object_id="a", action="save", time=make.now + 7200),
            make.event("e4", query_id=None, user_query="abba", action="play"),
        ]
    )
    log.append_control("forget", {"user_id": "u9"})
    return log


def exported(log, fmt):
    out = io.BytesIO()
    count = export(log, fmt, out)
    return count, out.getvalue()


def test_joining_respects_window_and_order(filled):
    first, second = joined(filled)
    assert [event.id for event in first.events] == ["e1", "e2"]
    assert second.events == ()
    assert [event.id for event in next(joined(filled, window=9000)).events] == ["e1", "e2", "e3"]


def test_joining_pages_through_a_long_log(log, make):
    for index in range(450):
        log.append_impression(make.impression(f"q{index}"))
    log.append_events([make.event(f"e{index}", query_id=f"q{index}") for index in range(450)])
    assert [(j.impression.query.id, j.events[0].id) for j in joined(log)] == [(f"q{i}", f"e{i}") for i in range(450)]


def test_ubi(filled, make):
    count, data = exported(filled, "ubi")
    documents = [orjson.loads(line) for line in data.splitlines()]
    assert count == len(documents) == 6
    assert [document.get("action_name") for document in documents] == [None, None, "play", "click", "save", "play"]
    assert impression_from_ubi(documents[0]).query.id == "q 1"
    again = parse_events(b"\n".join(data.splitlines()[2:]), "application/x-ndjson", now=make.now)
    assert [event.id for _, event in again.events] == ["e1", "e2", "e3", "e4"]
    assert again.rejected == []


def test_trec(filled, tmp_path):
    count = export(filled, "trec", tmp_path / "run")
    lines = (tmp_path / "run").read_text().splitlines()
    assert count == len(lines) == 6
    assert lines[1].split() == ["q%201", "Q0", "b%231", "2", repr(float(np.float32(0.55))), "bandit"]
    run = list(read_run(io.BytesIO((tmp_path / "run").read_bytes())))
    assert run[2] == RunLine("q 1", "c d", 3, float(np.float32(0.1)), "bandit")
    qrels = list(read_qrels(io.BytesIO((tmp_path / "run.qrels").read_bytes())))
    assert qrels == [Qrel("q 1", "a", 0), Qrel("q 1", "b#1", 3), Qrel("q 1", "edition é", 1)]
    assert exported(filled, "qrels") == (3, (tmp_path / "run.qrels").read_bytes())


def test_a_trec_run_keeps_the_order_that_was_shown(make):
    """Who reads a run sorts by score: what stands below another has a lower one, whatever the ranker said."""
    impression = make.impression("q1", ids=("a", "b", "c", "d"))
    mixed = replace(impression, scores=np.array([3.0, 1.0, 2.0, 1.0], np.float32))
    out = io.BytesIO()
    write_run([Joined(impression=mixed, events=(), attribution=Attribution())], out)
    lines = list(read_run(io.BytesIO(out.getvalue())))
    assert [line.doc_id for line in sorted(lines, key=lambda line: -line.score)] == ["a", "b", "c", "d"]
    assert [line.score for line in lines] == pytest.approx([3.0, 1.0, 1.0, 1.0])
    assert len({line.score for line in lines}) == 4


def test_svmlight(filled):
    count, data = exported(filled, "svmlight")
    lines = data.decode().splitlines()
    assert count == 3
    assert lines[:2] == ['#features {"1":"lexical.rank","2":"dense.rank"}', "#query 1 q%201"]
    assert lines[2:] == ["0 qid:1 1:0 2:1 # a", "3 qid:1 1:2 # b%231", "0 qid:1 1:4 # c%20d"]
    read = read_svmlight(io.BytesIO(data))
    assert read.grades.tolist() == [0, 3, 0]
    np.testing.assert_array_equal(read.features, np.array([[0, 1], [2, np.nan], [4, np.nan]], np.float32))
    assert (read.feature_names, read.doc_ids) == (("lexical.rank", "dense.rank"), ("a", "b#1", "c d"))
    assert read.query_ids == {1: "q 1"}


def test_svmlight_across_models_keeps_columns_apart_and_floats_exact(log, make):
    values = np.array([[1 / 3, np.float32(1e-30)]], np.float32)
    first = replace(make.impression("q1", ids=("a",)), features=values)
    second = replace(make.impression("q2", ids=("a",)), features=values, feature_names=("new", "lexical.rank"))
    for search in (first, second):
        log.append_impression(search)
        log.append_events([make.event(search.query.id, query_id=search.query.id, object_id="a")])
    read = read_svmlight(io.BytesIO(exported(log, "svmlight")[1]))
    assert read.feature_names == ("lexical.rank", "dense.rank", "new")
    nan = np.float32(np.nan)
    expected = np.array([[values[0, 0], values[0, 1], nan], [values[0, 1], nan, values[0, 0]]], np.float32)
    np.testing.assert_array_equal(read.features, expected)


def test_dsjson(filled):
    count, data = exported(filled, "dsjson")
    line = orjson.loads(data.splitlines()[0])
    assert count == 2  # one choosing arm in each search
    assert (line["_label_cost"], line["_label_probability"]) == (-1.0, 0.7)
    assert (line["_label_Action"], line["_labelIndex"]) == (2, 1)
    assert (line["a"], line["p"]) == ([2, 1, 3, 4], [0.7, 0.1, 0.1, 0.1])
    assert line["c"]["shared"] == {"arm": {"dense": 1}, "context": {"length": 2.0}}
    assert line["c"]["_multi"][1] == {"depth": {"10": 1}}
    assert (line["Timestamp"], line["event_id"]) == ("2025-02-19T21:20:00.000000Z", "q 1/dense")
    first, second = read_dsjson(io.BytesIO(data))
    assert (first.arm, first.depth, first.propensity, first.reward) == ("dense", 10, 0.7, 1.0)
    assert (first.probabilities, first.version, second.reward) == ((0.1, 0.7, 0.1, 0.1), "bandit/3", 0.0)


def test_dsjson_is_what_vowpal_wabbit_reads(filled, tmp_path):
    path = tmp_path / "log.dsjson"
    export(filled, "dsjson", path)
    workspace = vowpalwabbit.Workspace(
        f"--dsjson --cb_explore_adf --quiet -d {path} --cache_file {tmp_path / 'cache'} -k"
    )
    assert workspace.get_weighted_examples() == 2
    workspace.finish()


def test_obp(filled):
    count, data = exported(filled, "obp")
    (feedback,) = read_obp(io.BytesIO(data)).values()
    assert (count, feedback["n_rounds"], feedback["n_actions"]) == (2, 2, 4)
    assert feedback["action"].tolist() == [1, 1]
    assert (feedback["reward"].tolist(), feedback["pscore"].tolist()) == ([1.0, 0.0], [0.7, 0.7])
    assert feedback["position"].tolist() == [0, 0]
    np.testing.assert_array_equal(feedback["context"], [[2.0, np.nan]] * 2)
    assert feedback["context_names"].tolist() == ["length", "gap"]
    assert feedback["action_context"].tolist() == [[0], [10], [50], [200]]
    assert feedback["pi_b"].shape == (2, 4, 1)
    np.testing.assert_allclose(feedback["pi_b"].sum(axis=1), 1.0)
    taken = np.take_along_axis(feedback["pi_b"][:, :, 0], feedback["action"][:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(taken, feedback["pscore"])


def test_obp_keeps_contexts_of_other_columns_apart(filled, make):
    search = make.impression("q3")
    arms = (search.decision.arms[0], replace(search.decision.arms[1], context=(("hour", 3.0),)))
    filled.append_impression(replace(search, decision=replace(search.decision, arms=arms)))
    filled.flush()
    feedback = read_obp(io.BytesIO(exported(filled, "obp")[1]))
    assert {name: arm["context"].shape for name, arm in feedback.items()} == {"dense": (2, 2), "dense@2": (1, 1)}


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_empty_log_in_every_format(log, fmt, tmp_path):
    assert export(log, fmt, tmp_path / "out") == 0
    if fmt == "obp":
        assert read_obp(tmp_path / "out") == {}
    else:
        assert (tmp_path / "out").read_bytes() == b""


def test_an_unknown_format_lists_the_known_ones(log):
    with pytest.raises(BadInput, match="ubi, trec, qrels, svmlight, dsjson, helped, obp"):
        export(log, "parquet", io.BytesIO())


def test_a_place_that_cannot_be_written(log, tmp_path):
    with pytest.raises(StorageError, match="choose another place"):
        export(log, "ubi", tmp_path / "nowhere" / "out")


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (read_run, b"q Q0 d first 0.5 tag\n"),
        (read_run, b"q Q0 d\n"),
        (read_qrels, b"q 0 d many\n"),
        (read_qrels, b"q 0\n"),
        (read_svmlight, b"one qid:1 1:2 # d\n"),
        (read_svmlight, b"1 qid:x # d\n"),
        (read_svmlight, b"1 qid:1 1:2:3\n"),
        (read_svmlight, b"#features {\n"),
        (read_dsjson, b"{}\n"),
        (read_dsjson, b"nonsense\n"),
        (read_obp, b"nonsense"),
        (read_obp, b""),
    ],
)
def test_readers_name_what_is_wrong(read, data):
    with pytest.raises(BadInput):
        list(read(io.BytesIO(data)))
