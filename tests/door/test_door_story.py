"""The front door from end to end, with real components: what a notebook does with a platform of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import bandstand as bs
from bandstand.bandit.policy import FULL_DEPTH, FixedPolicy
from bandstand.feedback.ubi_events import parse_event
from bandstand.replay.datasets.registry import adapter_named
from tests.door.conftest import QUICK
from tests.support.api_world import eventually
from tests.support.processes import started
from tests.support.small_home import ENTITIES

LEARNER = """
import sys
import bandstand as bs
music = bs.open(sys.argv[1], encoder="hashing", selfplay_queries=0, background=False)
music.index()
print("learns", flush=True)
sys.stdin.readline()
print("learned", music.learn(), flush=True)
sys.stdin.readline()
"""
"""Another process that has the learning side of a home, and learns when it is told to."""

CARELESS = """
import sys
import bandstand as bs
music = bs.open(sys.argv[1], encoder="hashing", selfplay_queries=0, deadline_ms=10_000.0)
music.add({"id": "halo", "kind": "track", "title": "Halo"})
music.index()
for _ in range(3):
    music.search("halo")
"""
"""A process that ends without closing anything, while threads of its own index and learn."""

SONGS = """id,kind,title,artists,released
halo,track,Halo,Beyoncé,2008
halo-depeche,track,Halo,Depeche Mode,1990
hurt,track,Hurt,Johnny Cash,2002
beyonce,artist,Beyoncé,,
"""


def places(page) -> dict[str, int]:
    return {hit.id: hit.position for hit in page}


def test_what_the_review_asked_for(tmp_path):
    (tmp_path / "songs.csv").write_text(SONGS, encoding="utf-8")
    with bs.open(tmp_path / "music", **QUICK) as music:
        report = music.ingest(tmp_path / "songs.csv")
        assert (report.read, report.changed, report.rejected) == (4, 4, 0)
        assert music.index().entities == len(music) == 4
        page = music.search("beyonse halo", user="ana")
        assert (page[0].id, page[0].title, page[0].artists) == ("halo", "Halo", ("Beyoncé",))
        assert page.corrected == "beyonce halo"
        assert {arm.arm for arm in page.decision.arms} >= {"memory", "lexical", "dense"}
        event = page[0].click()
        assert (event.query_id, event.object_id, event.position, event.user_id) == (page.query_id, "halo", 1, "ana")
        assert music.learn() == 2  # the search and the click
        assert "memory" in {source.retriever for source in music.search("beyonse halo", user="ana")[0].sources}


def test_what_two_listeners_chose_comes_first_for_everybody_and_a_restart_keeps_it(music, tmp_path):
    before = places(music.search("the crying one", k=50, policy="all"))
    assert before["hurt-cash"] > 1
    for listener in ("ann", "bob"):
        page = music.search("the crying one", k=50, user=listener, policy="all")
        next(hit for hit in page if hit.id == "hurt-cash").play(90)
    music.learn()
    assert places(music.search("the crying one", policy="all"))["hurt-cash"] == 1
    music.close()
    with bs.open(tmp_path / "home", **QUICK) as again:
        assert places(again.search("the crying one", policy="all"))["hurt-cash"] == 1
        assert len(again) == len(ENTITIES)


def test_the_log_holds_what_http_would_have_logged(music):
    page = music.search("halo", user="ana", session="s1")
    events = [page[0].click(), page[1].play(12.5), page[0].save(), page[2].skip()]
    log = music.platform.storage.log
    stored = log.events_of(page.query_id, limit=9)
    assert sorted(event.id for event in stored) == sorted(event.id for event in events)
    raw = {
        "action_name": "play",
        "query_id": page.query_id,
        "user_id": "ana",
        "session_id": "s1",
        "event_attributes": {"object": {"object_id": page[1].id}, "position": {"ordinal": 2}, "play_seconds": 12.5},
    }
    http = parse_event(raw, now=events[1].time)
    assert (http.action, http.object_id, http.position) == ("play", events[1].object_id, events[1].position)
    assert (http.play_seconds, http.user_id, http.session_id) == (12.5, "ana", "s1")


def test_acting_on_a_search_of_which_only_the_id_is_known(music):
    page = music.search("halo", user="ana")
    assert music.act(page.query_id, 1).object_id == page[0].id
    assert music.act(page.query_id, page[1].id, "play", seconds=40, user="bob").user_id == "bob"
    with pytest.raises(bs.BadInput, match="neither an entity of this search nor a position"):
        music.act(page.query_id, "nobody")
    with pytest.raises(bs.NotFound):
        music.act("never-logged", 1)
    with pytest.raises(bs.BadInput, match="play_seconds"):
        page[0].play(-1)


def test_entities_come_and_go(music):
    assert music.add({"id": "kid-a", "kind": "track", "title": "Kid A", "artists": ["Radiohead"]}) == 1
    assert music.add(music.get("kid-a")) == 0
    music.index()
    assert music.search("kid a")[0].id == "kid-a"
    assert music.delete("kid-a", "never-was") == 1
    assert "kid-a" not in places(music.search("kid a"))
    with pytest.raises(bs.NotFound):
        music.get("kid-a")


def test_rows_that_cannot_be_used_are_set_aside(music):
    report = music.ingest([{"id": "x", "kind": "song", "title": "X"}, {"id": "ok", "kind": "track", "title": "Fine"}])
    assert (report.read, report.rejected) == (1, 1)
    assert "kind must be one of" in music.platform.storage.paths.rejects.read_text()
    with pytest.raises(bs.BadInput, match="kind must be one of"):
        music.add(bs.Entity(id="y", kind="song", title="Y"))


def test_suggestions_and_related_entities(music):
    assert "Hallelujah" in [found.text for found in music.suggest("hallel")]
    hit = music.search("so what")[0]
    assert "blue-in-green" in [found.entity.id for found in music.related(hit)]
    assert music.related("so-what", k=1)[0].entity.id == music.related(hit, k=1)[0].entity.id


def test_filters_kinds_and_policies(music):
    assert {hit.kind for hit in music.search("beyonce", kinds="artist")} == {"artist"}
    jazz = music.search("", filters={"genre": ["jazz"], "year": {"gte": 1950, "lte": 1960}}, policy="all")
    assert set(places(jazz)) <= {"so-what", "blue-in-green"}
    assert {hit.year for hit in music.search("one", filters={"year": 1991})} == {1991}
    assert set(music.search("halo", policy="lexical").played) == {"lexical"}


def test_a_data_set_is_replayed_by_its_folder_by_its_name_or_opened(music, tmp_path, monkeypatch):
    monkeypatch.setenv("BANDSTAND_ENCODER", "hashing")
    monkeypatch.setenv("BANDSTAND_SELFPLAY_QUERIES", "0")
    folder = tmp_path / "clicks"
    folder.mkdir()
    (folder / "catalog.csv").write_text(SONGS, encoding="utf-8")
    (folder / "log.csv").write_text(
        "time,query,user,clicked\n2020-01-01T12:00:00Z,halo,ana,halo\n2020-01-02T12:00:00Z,hurt,bob,hurt\n"
    )
    opened = adapter_named("generic").open(folder)
    found = [music.replay(*which, policies=["lexical"]) for which in ((folder,), ("generic", str(folder)), (opened,))]
    assert {result["n_searches"] for result in found} == {2}
    assert len({result["data_sha256"] for result in found}) == 1
    with pytest.raises(bs.BadInput, match="there is no data set 'lastfn': use one of lastfm"):
        music.replay("lastfn", folder)


def test_a_report_of_judged_queries_shows_itself(music):
    report = music.evaluate({"halo": ["halo"], "so what": ["so-what"]}, policies=["lexical"])
    table = report.to_pandas()
    assert set(table.index) == set(report.rankings)
    assert table.loc["lexical", "kind"] == "policy"
    assert table.loc["lexical", "MRR@10"] == report.rankings["lexical"].metrics["MRR@10"].value
    assert np.isnan(table.loc["rrf:all", "search_ms"])  # it is read off another search
    assert "<th>only:lexical</th>" in report._repr_html_()


def test_a_policy_of_ones_own_is_evaluated_like_ours(tmp_path):
    mine = FixedPolicy(name="mine", depths={"lexical": FULL_DEPTH})
    with bs.open(tmp_path / "home", policies=[mine], **QUICK) as music:
        music.ingest(ENTITIES)
        music.index()
        report = music.evaluate({"halo": ["halo"]}, policies=["mine", "lexical"])
        assert report.rankings["mine"].metrics == report.rankings["lexical"].metrics
        assert music.policy("mine") is mine
        with pytest.raises(bs.BadInput, match=r"unknown policy 'other'.*mine"):
            music.policy("other")


def test_two_threads_search_click_and_learn_side_by_side(music):
    def listen(number: int) -> str:
        page = music.search("halo", user=f"u{number}", policy="all")
        page[0].click()
        if number % 5 == 0:
            music.learn()
        return page[0].title

    with ThreadPoolExecutor(2) as threads:
        assert set(threads.map(listen, range(20))) == {"Halo"}
    music.learn()
    log, memory = music.platform.storage.log, music.platform.storage.memory
    assert (log.count("impression"), log.count("event")) == (20, 20)
    assert log.reached(memory.position(), log.head())


def test_the_first_index_trains_a_ranker_that_serves(tmp_path):
    with bs.open(tmp_path, **{**QUICK, "selfplay_queries": 40}) as music:
        music.ingest(ENTITIES)
        report = music.index()
        assert report.ranker is not None
        page = music.search("hallelujah")
        assert page.result.impression.models["ranker"] == report.ranker.version
        assert music.index().ranker is None
        assert sum(abs(value) for value in page[0].explain().contributions.values()) > 0
        assert music.train().version != report.ranker.version
        rebuilt = music.index(rebuild=True)
        assert (rebuilt.entities, music.search("hallelujah")[0].id) == (len(ENTITIES), "hallelujah")


def test_the_log_out_and_other_policies_judged_by_it(music, tmp_path):
    for number in range(30):
        page = music.search("halo", user=f"u{number}", policy="random")
        if number % 2 and len(page):
            page[0].play(60)
    assert music.export(tmp_path / "log.ndjson") == sum(1 for _ in (tmp_path / "log.ndjson").open())
    with pytest.raises(bs.BadInput, match="unknown format"):
        music.export(tmp_path / "log", "xml")
    found = music.ope("all")
    assert found.logged.value is not None


class TestClosing:
    def test_a_with_block_gives_everything_back(self, tmp_path):
        with bs.open(tmp_path, **QUICK) as music:
            music.add(*ENTITIES)
            music.index()
        music.close()  # once more
        with bs.open(tmp_path, **QUICK) as again:  # LMDB and the lock would refuse this
            assert again.index().changes == 0

    def test_what_nobody_closed_is_closed_when_the_process_ends(self, tmp_path):
        with started("-c", CARELESS, tmp_path) as process:
            assert process.wait(timeout=60) == 0
        with bs.open(tmp_path, **QUICK) as music:
            assert music.platform.storage.log.count("impression") == 3

    def test_what_nobody_holds_any_more_lets_another_in(self, tmp_path):
        music = bs.open(tmp_path, **{**QUICK, "background": True})
        music.add(*ENTITIES)
        music.index()
        assert len(music.search("halo"))
        music = bs.open(tmp_path, **QUICK)
        assert len(music.search("halo"))
        music.close()

    def test_an_unindexed_home_says_what_to_do(self, tmp_path):
        with bs.open(tmp_path, **QUICK) as music, pytest.raises(bs.Unavailable, match="bandstand index"):
            music.search("halo")


class TestBackground:
    def test_clicks_and_entities_are_taken_in_without_being_told(self, tmp_path):
        before = set(threading.enumerate())
        with bs.open(tmp_path, **{**QUICK, "background": True}, refresh_ms=20.0) as music:
            music.add(*ENTITIES)
            music.index()
            page = music.search("halo", user="ana")
            page[0].click()
            music.add({"id": "kid-a", "kind": "track", "title": "Kid A", "artists": ["Radiohead"]})
            storage = music.platform.storage
            eventually(lambda: storage.log.reached(storage.memory.position(), storage.log.head()))
            eventually(lambda: "kid-a" in places(music.search("kid a", policy="lexical")))
        assert not [started for started in set(threading.enumerate()) - before if started.name.startswith("bandstand-")]

    def test_a_process_that_learns_already_is_left_alone_and_followed(self, music, tmp_path):
        music.close()
        with started("-c", LEARNER, tmp_path / "home") as learner:
            assert learner.stdout.readline() == "learns\n"
            with bs.open(tmp_path / "home", **{**QUICK, "background": True}, refresh_ms=20.0) as beside:
                for listener in ("ann", "bob"):
                    page = beside.search("the crying one", k=50, user=listener, policy="all")
                    next(hit for hit in page if hit.id == "hurt-cash").play(90)
                with pytest.raises(bs.Conflict, match="let it, or stop it first"):
                    beside.learn()
                learner.stdin.write("\n")
                learner.stdin.flush()
                assert learner.stdout.readline() == "learned 4\n"
                eventually(lambda: places(beside.search("the crying one", policy="all"))["hurt-cash"] == 1)


def test_further_policies_can_be_asked_for(tmp_path):
    from bandstand.bandit.policy import FixedPolicy

    mine = FixedPolicy(name="words", depths={"lexical": 50, "trigram": 10})
    with bs.open(tmp_path, **QUICK, policies=[mine]) as music:
        music.add(*ENTITIES)
        music.index()
        page = music.search("halo", policy="words")
        assert (page.decision.policy, set(page.played)) == ("words", {"lexical", "trigram"})
    taken = FixedPolicy(name="all", depths={})
    with (
        bs.open(tmp_path, **QUICK, policies=[taken]) as music,
        pytest.raises(bs.BadInput, match="give yours another name"),
    ):
        music.search("halo")


class Lyrics(bs.Retriever):
    """What an outsider writes: one class, ids in, and the rest is the platform's."""

    spec = bs.RetrieverSpec("lyrics", cost_ms=2.0, columns=("words",))

    def __init__(self):
        self.lines = {"halo": "remember those walls i built", "hurt-cash": "i hurt myself today"}
        self.refreshed = self.closed = 0

    def retrieve(self, query, depth):
        asked = set(query.normalized.split())
        shared = {song: len(asked & set(line.split())) for song, line in self.lines.items()}
        found = {song: count for song, count in shared.items() if count > 1}
        return self.candidates(query, depth, found, found.values(), words=found.values())

    def refresh(self):
        self.refreshed += 1

    def close(self):
        self.closed += 1


def test_a_retriever_of_ones_own_is_decided_on_logged_explained_and_ranked(tmp_path):
    lyrics = Lyrics()
    with bs.open(tmp_path, **QUICK, retrievers=[lyrics]) as music:
        music.add(*ENTITIES)
        music.index()
        page = music.search("those walls i built", policy="random")
        logged = music.platform.storage.log.impression(page.query_id).decision
        (decided,) = [arm for arm in logged.arms if arm.arm == "lyrics"]
        assert (decided.propensity, len(decided.probabilities)) == (0.25, 4)
        bandit = {arm.arm: arm for arm in music.search("those walls i built").decision.arms}["lyrics"]
        assert 0 < bandit.propensity <= 1
        page = music.search("those walls i built", policy="all")
        hit = next(hit for hit in page if hit.id == "halo")
        assert "lyrics" in {source.retriever for source in hit.sources}
        assert hit.explain().features["lyrics.words"] == 4.0
        assert "lyrics: depth 200" in str(page.explain())
        assert "lyrics" in page.played
        music.platform.searching.refresh()
    assert (lyrics.refreshed > 0, lyrics.closed) == (True, 1)
    with bs.open(tmp_path, **QUICK) as music:  # gone again: nothing is lost
        assert music.platform.storage.log.count("impression") == 3
        assert "lyrics" not in music.search("those walls i built", policy="all").played


def test_judged_queries_measure_the_policies_and_log_nothing(music, tmp_path):
    judged = {"halo beyonce": ["halo"], "hurt johnny cash": {"hurt-cash": 2, "hurt-nin": 1}}
    found = music.evaluate(judged, policies=("all", "lexical"))
    assert (found.queries, found.left_out, found.unknown) == (2, 0, 0)
    assert found.rankings["all"].metrics["MRR@10"].value == 1.0
    assert found.rankings["all"].search_ms.value > 0
    (tmp_path / "judged.csv").write_text("query,entity_id,grade\nhalo beyonce,halo,1\n", encoding="utf-8")
    assert music.evaluate(tmp_path / "judged.csv").queries == 1
    assert music.platform.storage.log.count() == 0
    with pytest.raises(bs.BadInput, match="no judged query has a relevant entity"):
        music.evaluate({"halo": []})


def test_an_encoder_of_ones_own(tmp_path):
    from bandstand.retrievers.encoder import HashingEncoder

    quick = {name: value for name, value in QUICK.items() if name != "encoder"}
    with bs.open(tmp_path, encoder=HashingEncoder(), **quick) as music:
        music.add(*ENTITIES)
        music.index()
        assert music.search("halo", policy="dense")[0].title == "Halo"
    assert "encoder" not in {path.name[:7] for path in tmp_path.iterdir()}  # MiniLM was not made
