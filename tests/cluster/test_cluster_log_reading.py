"""Reading the cluster's log: positions last, deleted entries are passed over, users are forgotten everywhere."""

import pytest

from bandstand.errors import NotFound
from bandstand.feedback.joined import joined
from bandstand.feedback.log import Control
from tests.support.log_entries import NOW, click, documents, followed, machine, names, search


@pytest.fixture
def log(tmp_path, cluster):
    with machine(tmp_path / "a", cluster) as opened:
        yield opened


def fill(log, count=30, user="u1"):
    for number in range(count):
        log.append_impression(search(f"q{number}", user=user if number % 3 else "u2"))
        log.append_events([click(f"e{number}", query_id=f"q{number}", user=None)])
        if number % 4 == 0:
            log.deliver()
    log.deliver()


def test_a_follower_may_begin_at_any_position_and_in_any_steps(tmp_path, cluster, log):
    fill(log)
    whole = names(followed(log, page=1_000))
    assert len(whole) == 60
    with machine(tmp_path / "fresh", cluster) as other:
        for after in (0, 1, 7, 31, 59, 60):
            assert names(other.read(after, 1_000)) == whole[after:]
    assert names(followed(log, page=1)) == names(followed(log, page=13)) == whole


def test_searches_are_joined_with_their_events(log):
    fill(log, count=5)
    log.append_events([click("late", query_id="q1", time=NOW + 5_000), click("more", query_id="q1", time=NOW + 9)])
    log.deliver()
    log.count()
    for part in ("ubi_events", "ubi_queries"):
        documents(log._order._cluster, part)
    found = {search.impression.query.id: [event.id for event in search.events] for search in joined(log)}
    assert found == {"q0": ["e0"], "q1": ["e1", "more"], "q2": ["e2"], "q3": ["e3"], "q4": ["e4"]}
    assert (log.count("impression"), log.count("event"), log.count()) == (5, 7, 12)


def test_a_search_is_found_from_every_machine_at_once(tmp_path, cluster, log):
    log.append_impression(search("q1"))
    assert log.impression("q1").query.text == "sigur ros"
    log.deliver()
    with machine(tmp_path / "b", cluster) as other:
        assert other.impression("q1").query.text == "sigur ros"
    log.append_impression(search("old", time=NOW - 86_400 * 200))
    log.deliver()
    documents(cluster, "ubi_queries")
    with machine(tmp_path / "c", cluster) as other:
        assert other.impression("old").query.id == "old"


def test_a_user_goes_from_the_cluster_and_from_every_spool(tmp_path, cluster, log):
    whom = "forgotten-listener"  # nothing else in a file is spelt so
    with machine(tmp_path / "b", cluster) as other:
        for place, here in enumerate((log, other)):
            here.append_impression(search(f"theirs-{place}", user=whom))
            here.append_events(
                [
                    click(f"unnamed-{place}", query_id=f"theirs-{place}", user=None),
                    click(f"of-u2-{place}", user="u2"),
                ]
            )
            here.deliver()
        other.append_events([click("waits", user=whom), click("stays", user="u2")])  # not delivered yet
        assert log.delete_user(whom) == {"impressions": 2, "events": 2}
        log.append_control("forget_user", {"user_id": whom})
        log.deliver()
        order = log.read(0, 100)[-1]
        assert order.record == Control(kind="forget_user", payload={"user_id": whom})
        log.drop_control(order.seq)  # the learner has carried it out before the other machine looked
        other.deliver()
        kept = {("event", name) for name in ("of-u2-0", "of-u2-1", "stays")}
        assert set(names(followed(log))) == set(names(followed(other))) == kept
        assert set(documents(cluster, "ubi_events")) == {name for _, name in kept}
        assert documents(cluster, "ubi_queries") == {}
        for folder in ("a", "b"):
            assert whom.encode() not in b"".join(path.read_bytes() for path in (tmp_path / folder).glob("log.sqlite"))
    entries = cluster.search(cluster.index("log"), {"size": 100})["hits"]["hits"]
    assert whom not in str(entries)


def test_a_tail_that_was_deleted_does_not_hold_up_what_follows(log):
    log.append_events([click("e1", user="u2"), *(click(f"x{n}", user="u1") for n in range(20))])
    log.deliver()
    log.delete_user("u1")
    assert log.read(1, 5) == log.read(1, 5) == []
    log.append_events([click("e2", user="u2")])
    log.deliver()
    assert [(entry.seq, entry.record.id) for entry in log.read(1, 5)] == [(22, "e2")]


def test_a_month_that_was_dropped_leaves_the_rest_readable(log, cluster):
    log.append_events([click("may", time=NOW - 86_400 * 30), click("june")])
    log.deliver()
    cluster.request("DELETE", f"/{cluster.index('ubi_events')}-2025.05")
    assert names(followed(log)) == [("event", "june")]


def test_what_is_older_than_its_retention_goes(tmp_path, cluster):
    moment = [NOW]
    with machine(tmp_path / "a", cluster, clock=lambda: moment[0]) as log:
        log.append_events([click("e1")])
        moment[0] += 1_000
        log.append_events([click("e2")])
        log.deliver()
        assert log.prune(NOW + 500) == 1
        assert names(followed(log)) == [("event", "e2")]


def test_delivered_rows_leave_the_spool_and_others_stay(log):
    log.append_events([click(f"e{n}") for n in range(3)])
    log.deliver()
    log.append_events([click("waits")])
    assert log._outbox.clear(NOW + 1) == 3
    assert log.waiting() == 1
    log.deliver()
    assert [entry.record.id for entry in followed(log)] == ["e0", "e1", "e2", "waits"]


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_machine_that_had_read_a_search_forgets_it_by_the_order_to(tmp_path, cluster, log, carried_out):
    with machine(tmp_path / "b", cluster) as other:
        log.append_impression(search("of-u1", user="u1"))
        log.append_impression(search("of-u2", user="u2"))
        log.deliver()
        seen = followed(other)[-1].seq
        log.delete_user("u1")
        log.append_control("forget_user", {"user_id": "u1"})
        log.deliver()
        if carried_out:
            log.drop_control(seen + 1)
        other.read(seen, 10)
        with pytest.raises(NotFound, match="of-u1"):
            other.impression("of-u1")
        assert other.impression("of-u2").query.user_id == "u2"
