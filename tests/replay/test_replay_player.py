"""The replay itself: nothing sees the future, nothing depends on where it was cut, the same again is the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from bandstand.catalog.readers.base import Rejected
from bandstand.errors import BadInput, Conflict, RetrievalError
from bandstand.memory_index.memory import Memory
from bandstand.memory_index.settings import MemorySettings
from bandstand.replay import run as part_module
from bandstand.replay.contestants import contestant
from bandstand.replay.evaluate import evaluate
from bandstand.replay.rows import read_rows, rows_path
from bandstand.replay.run import play
from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stream import Answer, Ask, Interaction, Release, in_order
from bandstand.retrievers.personal import PersonalRetriever
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Entity
from tests.support.replay_worlds import DAY, START, asks, dataset, entities, quick

pytestmark = pytest.mark.slow


def rows_of(folder, name):
    return list(read_rows(rows_path(folder / "policies" / name.partition(":")[0], name)))


def told_apart(rows):
    """Everything about rows but the milliseconds that this machine took."""
    return [replace(row, real_ms=0.0) for row in rows]


def test_what_comes_later_changes_nothing_before(tmp_path):
    """The same first 24 searches, then another future: identical answers up to there, and other ones after."""
    common = list(asks(24))
    futures = [list(islice(asks(40, seed=seed), 24, None)) for seed in (0, 11)]
    settings = quick(policies=("bandit",), platform=(("publish_every", 5),))
    found = []
    for number, future in enumerate(futures):
        play(dataset([*common, *future]), settings, tmp_path / str(number))
        found.append(told_apart(rows_of(tmp_path / str(number), "bandit")))
    assert found[0][:24] == found[1][:24]
    assert found[0][24:] != found[1][24:]


def test_the_memory_learns_the_nickname_and_only_after_it_was_asked(tmp_path, moments):
    play(dataset(moments), quick(policies=("memory",)), tmp_path)
    nickname = [row for row in rows_of(tmp_path, "memory") if row.labels["class"] == "nickname"]
    assert not nickname[0].found
    assert [tuple(hit) for hit in nickname[-1].found] == [(1, 2)]
    assert nickname[0].labels["query"] == "unseen"
    assert nickname[-1].labels == {"query": "seen", "user": "with past", "kind": "track", "class": "nickname"}


class _PulledPlug(Exception):
    pass


def test_a_run_that_was_cut_off_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch):
    moments, settings = list(asks(40)), quick(policies=("bandit",), platform=(("publish_every", 5),))
    play(dataset(moments), settings, tmp_path / "whole")
    for cut in (1, 3):
        _play_cut_off(moments, settings, tmp_path / f"cut-{cut}", monkeypatch, cut)
        whole, resumed = (told_apart(rows_of(tmp_path / name, "bandit")) for name in ("whole", f"cut-{cut}"))
        assert [row.id for row in resumed] == [row.id for row in whole]
        assert resumed == whole


def _play_cut_off(moments, settings, folder, monkeypatch, cut):
    """Play until something was learned ``cut`` times, and then once more, to the end."""
    learned = {"count": 0}
    learn = part_module.ReplayEnvironment.learn

    def pulled(environment):
        learned["count"] += 1
        if learned["count"] == cut + 2:  # the first two learn what came before the searches
            raise _PulledPlug
        return learn(environment)

    with monkeypatch.context() as patched:
        patched.setattr(part_module.ReplayEnvironment, "learn", pulled)
        with pytest.raises(_PulledPlug):
            play(dataset(moments), settings, folder)
    assert play(dataset(moments), settings, folder).policies == ("bandit",)


def test_a_finished_replay_is_not_played_again(tmp_path, moments):
    play(dataset(moments), quick(), tmp_path)
    before = rows_path(tmp_path / "policies" / "all", "all").read_bytes()
    play(dataset(moments), quick(), tmp_path)
    assert rows_path(tmp_path / "policies" / "all", "all").read_bytes() == before


def test_a_folder_holds_one_replay(tmp_path, moments):
    play(dataset(moments), quick(limit=5), tmp_path)
    with pytest.raises(Conflict, match="another replay"):
        play(dataset(moments), quick(limit=6), tmp_path)


def test_bounds_count_some_searches_and_play_those_before(tmp_path, moments):
    settings = quick(since=START + DAY, until=START + 3 * DAY, limit=10)
    play(dataset(moments), settings, tmp_path)
    rows = rows_of(tmp_path, "all")
    assert len(rows) == 10
    assert min(row.time for row in rows) == START + DAY
    assert rows[0].labels["user"] == "with past"  # from the day before, which was played and not counted


def test_a_released_song_is_found_from_its_week_on(tmp_path):
    song = Entity(id="new", kind="track", title="zephyr quay", artists=("newcomer",))

    def ask(number: int, time: float) -> Ask:
        return Ask(id=f"q{number}", time=time, text="zephyr quay", user="u", answers=(Answer("new", 2, time + 20),))

    stream = [ask(0, START), Release(time=START + DAY, entities=(song,)), ask(1, START + DAY + 60)]
    play(dataset(stream), quick(policies=("lexical",)), tmp_path)
    first, second = rows_of(tmp_path, "lexical")
    assert (first.found, first.grades, first.labels["kind"]) == ([], [2], "unknown")
    assert [tuple(hit) for hit in second.found] == [(1, 2)]


def test_what_the_user_has_is_taken_out_before_judging(tmp_path):
    ask = Ask(
        id="q", time=START, text="amber amber", user="u", answers=(Answer("t10", 1, START + 1),), known=("t0",)
    )  # fmt: skip
    play(dataset([ask]), quick(policies=("lexical",)), tmp_path / "known")
    play(dataset([replace(ask, known=())]), quick(policies=("lexical",)), tmp_path / "all")
    with_known, without = (rows_of(tmp_path / name, "lexical")[0].found[0][0] for name in ("known", "all"))
    assert with_known == without - 1


@pytest.mark.parametrize(("judged_deep", "passed_over"), [(True, False), (False, True)])
def test_what_was_not_chosen_is_a_failure_only_where_people_chose_from_the_page(tmp_path, judged_deep, passed_over):
    """The first who asks for "amber" wants one hit, the next three another: did they see, and pass over, the first?"""
    found = [entity.id for entity in entities() if "amber" in entity.title]

    def ask(number: int) -> Ask:
        time = START + number * DAY
        answers = (Answer(found[-1] if number else found[0], 2, time + 9),)
        return Ask(id=f"q{number}", time=time, text="amber", user=f"u{number}", answers=answers)

    settings = quick(policies=("lexical",), judged_deep=judged_deep, page=20)
    play(dataset([ask(number) for number in range(4)]), settings, tmp_path)
    memory = Memory(tmp_path / "policies" / "lexical" / "home" / "memory", settings=MemorySettings(agree_users=1))
    rows = memory.query_rows("amber")
    memory.close()
    assert len([row for row in rows if row.plays]) == 2
    assert any(row.impressions for row in rows) == passed_over


def test_an_arm_that_fails_ends_the_replay_and_is_named(tmp_path, moments, monkeypatch):
    """A page without it can be served, but what is measured would be another policy; mended, the run goes on."""

    def broken(retriever, query, depth):
        raise RetrievalError("no index")

    with monkeypatch.context() as patched:
        patched.setattr(PersonalRetriever, "retrieve", broken)
        with pytest.raises(RetrievalError, match="personal failed in search"):
            play(dataset(moments), quick(), tmp_path)
    play(dataset(moments), quick(), tmp_path)
    assert len(rows_of(tmp_path, "all")) == sum(isinstance(moment, Ask) for moment in moments)


def test_baselines_are_read_off_the_same_searches(tmp_path, moments):
    names = ("only:lexical", "only:memory", "rrf:all", "linear:lexical+dense", "popularity")
    play(dataset(moments), quick(policies=("lexical",), baselines=names, oracle=True), tmp_path)
    ids = [row.id for row in rows_of(tmp_path, "all")]
    for name in (*names, "static:lexical", f"static:{'+'.join(BUILT_IN.names)}"):
        rows = list(read_rows(rows_path(tmp_path / "policies" / "all", name)))
        assert [row.id for row in rows] == ids
    everything = read_rows(rows_path(tmp_path / "policies" / "all", f"static:{'+'.join(BUILT_IN.names)}"))
    assert [row.found for row in everything] == [row.found for row in rows_of(tmp_path, "all")]


def test_modelled_cost_is_that_of_the_retrievers_that_played(tmp_path, moments):
    play(dataset(moments[:10]), quick(policies=("lexical+memory", "all")), tmp_path)
    everything = [row.cost_ms for row in rows_of(tmp_path, "all")]
    assert everything == pytest.approx([0.05 * 3 + 0.5 + 0.7 + 0.3 + 1.0 + 2 * 6.3] * len(everything))
    assert [row.cost_ms for row in rows_of(tmp_path, "lexical+memory")] == pytest.approx([0.35] * len(everything))


def test_the_ranker_is_trained_at_the_turn_of_each_month(tmp_path):
    play(dataset(list(asks(24, step=3.5 * DAY))), quick(policies=("hybrid",)), tmp_path)  # 84 days
    versions = list((tmp_path / "policies" / "hybrid" / "home" / "models" / "ranker").glob("*/manifest.json"))
    assert len(versions) == 2  # at the beginning of February and of March


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("bandit", None),
        ("hybrid", ("lexical", "dense")),
        ("lexical+memory", ("memory", "lexical")),
        ("all-memory", tuple(arm for arm in BUILT_IN.names if arm != "memory")),
    ],
)
def test_contestants(name, arms):
    assert contestant(name).retrievers == arms


@pytest.mark.parametrize("name", ["", "nonsense", "all-nonsense", "lexical+", "bandit-memory"])
def test_unknown_contestants_are_refused_by_name(name):
    with pytest.raises(BadInput, match="unknown policy"):
        contestant(name)


@pytest.mark.parametrize(
    "changes", [{"policies": ()}, {"policies": ("all", "all")}, {"limit": 0}, {"since": 2.0, "until": 1.0}, {"page": 0}]
)
def test_settings_that_cannot_be_played_are_refused(changes):
    with pytest.raises(BadInput):
        ReplaySettings(**changes)


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ([], "the stream is empty$"),
        (
            [Rejected(2, "time must be ISO 8601", "a"), Rejected(3, "time must be ISO 8601", "b")],
            r"the stream is empty: none of 2 rows could be used, 2 × time must be ISO 8601 \(first: line 2: a\)",
        ),
        ([Interaction(id="d", time=START, entity_id="t1")], "no search to count"),
        ([Ask(id="q", time=START, text="x", answers=())], "no search to count"),
    ],
)
def test_streams_without_a_search_are_refused(tmp_path, stream, what):
    with pytest.raises(BadInput, match=what):
        evaluate(dataset(stream), quick(), folder=tmp_path)


def test_an_empty_catalogue_is_refused(tmp_path, moments):
    with pytest.raises(BadInput, match="no catalogue"):
        play(dataset(moments, catalog=list), quick(), tmp_path)


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ([Interaction(id="a", time=2.0, entity_id="x"), Interaction(id="b", time=1.0, entity_id="x")], "backwards"),
        ([Ask(id="a", time=1.0, text="x"), Ask(id="a", time=1.0, text="y")], "twice"),
        ([Ask(id="a", time=1.0, text="x", answers=(Answer("t", 1, 0.5),))], "before it was asked"),
    ],
)
def test_a_stream_out_of_order_is_refused(stream, what):
    with pytest.raises(BadInput, match=what):
        list(in_order(stream))


def test_progress_is_told(tmp_path):
    progress = []
    play(dataset(list(asks(60))), quick(), tmp_path, progress=lambda name, count: progress.append((name, count)))
    assert progress == [("all", 50), ("all", 60)]
    assert len(entities()) == 40
