"""What the learner adds up: by the minute, by query, by experiment; each search once, whatever happens in between."""

from __future__ import annotations

from bandstand.bandit.experiment import Split
from bandstand.learner.apply import FORGET_USER
from bandstand.learner.experiment import START_EXPERIMENT, STOP_EXPERIMENT, past_experiments, running_experiment
from bandstand.learner.outcome_metrics import KEPT_MINUTES_S, OutcomeMetrics, read_outcomes
from bandstand.learner.query_stats import QueryCounts, QueryStats, read_one_query, read_query_stats

HOUR = 3600.0


class State:
    """The learner's key-value state, in memory."""

    def __init__(self):
        self.rows = {}

    def get(self, key):
        return self.rows.get(key)

    def put(self, key, value):
        self.rows[key] = value

    def delete(self, key):
        self.rows.pop(key, None)

    def scan(self, prefix):
        return iter(sorted(item for item in self.rows.items() if item[0].startswith(prefix)))


def sums(small):
    """Everything in the ledger of a home, added up."""
    small.learn()
    total = {}
    for _, counts in read_outcomes(small.home.memory.scan, since=0.0):
        for name, value in counts.items():
            total[name] = total.get(name, 0.0) + value
    return total


def finalize(small):
    """Let everything that is open settle."""
    small.learn()
    small.clock.pass_(2 * HOUR)
    small.learn()


class TestLedger:
    def test_minutes_become_hours_and_hours_end(self):
        state = State()
        metrics = OutcomeMetrics(state)
        metrics.add(7_260.0, {"searches": 1.0})
        metrics.add(7_300.0, {"searches": 2.0, "clicked": 1.0})
        metrics.flush()
        assert list(read_outcomes(state.scan, since=0.0)) == [(7_260.0, {"searches": 3.0, "clicked": 1.0})]
        metrics.housekeep(7_260.0 + KEPT_MINUTES_S + HOUR)
        metrics.add(7_300.0, {"searches": 1.0})  # a latecomer
        metrics.flush()
        assert list(read_outcomes(state.scan, since=0.0)) == [
            (7_200.0, {"searches": 3.0, "clicked": 1.0}),
            (7_260.0, {"searches": 1.0}),
        ]
        metrics.housekeep(7_300.0 + 100 * 86_400.0)
        assert not state.rows

    def test_a_search_counts_once_with_what_was_done_on_it(self, small):
        clicked = small.search("halo", user="ann", policy="bandit")
        small.play("halo", on=clicked)
        small.act("halo", on=clicked)
        small.search("hurt", user="ann", policy="lexical")
        finalize(small)
        found = sums(small)
        assert (found["searches"], found["clicked"], found["satisfied"]) == (2.0, 1.0, 1.0)
        assert (found["abandoned"], found["reward"], found["weighed"]) == (1.0, 1.0, 1.0)
        assert found["policy/bandit/reward"] == 1.0
        assert "policy/lexical/reward" not in found
        assert found["arm/lexical/ok"] == 2.0
        assert found["position/1/shown"] == 2.0
        assert 0.0 < found["rr"] <= 1.0
        assert sums(small) == found

    def test_what_the_bandit_was_about_to_do_is_counted_by_the_kind_of_query(self, small):
        small.search("halo", policy="bandit")
        finalize(small)
        found = sums(small)
        assert found["class/named"] == 1.0
        assert 0.0 <= found.get("chosen/dense/named", 0.0) <= found["asked/dense/named"] == 1.0


class TestAsked:
    def test_a_text_is_read_by_others_once_enough_users_asked(self, small):
        for user in ("ann", "ann", "bob"):
            small.act("hurt-cash", on=small.search("sad tune", user=user), action="save")
            finalize(small)
            if user == "ann":
                assert read_one_query(small.home.memory.state, "sad tune") is None
        found = read_one_query(small.home.memory.state, "sad tune")
        assert (found.searches, found.clicked, found.satisfied) == (3, 3, 3)
        assert sum(day.searches for day in found.days) == 3
        assert [one.text for one in read_query_stats(small.home.memory.scan)] == ["sad tune"]

    def test_what_only_a_forgotten_user_asked_is_gone(self, small):
        small.search("sad tune", user="ann")
        finalize(small)
        assert list(small.home.memory.scan(b"asked/"))
        small.storage.log.append_control(FORGET_USER, {"user_id": "ann"})
        small.learn()
        assert not list(small.home.memory.scan(b"asked/"))

    def test_the_longest_not_asked_go_first(self):
        state = State()
        asked = QueryCounts(state, agree_users=1)
        for number in range(40):
            asked.add(f"query {number}", "who", clicked=False, satisfied=False, time=float(number))
        assert asked.evict(limit=20) == 21  # down to 95 % of the bound
        assert {one.text for one in read_query_stats(state.scan)} == {f"query {number}" for number in range(21, 40)}

    def test_days_are_kept_for_a_while(self):
        record = QueryStats()
        for day in range(100):
            record = record.with_search(clicked=True, satisfied=False, time=day * 86_400.0)
        assert (record.searches, len(record.days), record.days[0].day) == (100, 60, 40)


class TestExperiment:
    def visitors(self, small, count, *, wins):
        """Visitors of the experiment, those with the policy ``wins`` satisfied."""
        small.home.refresh()
        for number in range(count):
            user = f"visitor-{number}"
            assigned = small.home.assignment(user)
            for _ in range(2):
                found = small.search("halo", user=user, assignment=assigned)
                if assigned.policy == wins:
                    small.act("halo", on=found, action="save")

    def start(self, small, **values):
        small.storage.log.append_control(START_EXPERIMENT, {"id": "x", "a": "lexical", "b": "all", **values})
        small.learn()

    def test_each_visitor_counts_once_when_the_time_is_over(self, small):
        self.start(small)
        self.visitors(small, 30, wins="all")
        small.learn()
        assert running_experiment(small.home.memory.state).test.a.n == 0
        small.clock.pass_(3 * HOUR)
        small.learn()
        running = running_experiment(small.home.memory.state)
        split = Split(id="x", a="lexical", b="all")
        in_b = sum(split.assign(f"visitor-{number}").policy == "all" for number in range(30))
        assert (running.test.a.n, running.test.b.n) == (30 - in_b, in_b)
        assert (running.test.a.mean, running.test.b.mean) == (0.0, 1.0)
        assert running.by_arm["all"][:2] == (2.0 * in_b, 2.0 * in_b)
        logged = small.search("halo", user="visitor-1", assignment=small.home.assignment("visitor-1")).impression
        small.storage.log.flush()
        read = small.storage.log.impression(logged.query.id).decision
        assert (read.experiment, read.assigned) == ("x", 0.5)

    def test_an_order_of_version_0_1_is_understood(self, small):
        """It called the window in which a visitor counts ``ripens_s``."""
        self.start(small, ripens_s=60.0)
        assert running_experiment(small.home.memory.state).split.window_s == 60.0
        state = small.home.memory.state(b"experiment/now").replace(b"window_s", b"ripens_s")
        assert running_experiment(lambda _: state) == running_experiment(small.home.memory.state)

    def test_stopping_keeps_the_result_and_assigns_nobody_any_more(self, small):
        self.start(small)
        self.visitors(small, 4, wins="all")
        small.storage.log.append_control(STOP_EXPERIMENT, {"id": "x"})
        finalize(small)
        assert running_experiment(small.home.memory.state) is None
        assert small.home.assignment("visitor-1") is None
        (past,) = past_experiments(small.home.memory.scan)
        assert (past.split.id, past.stopped is not None) == ("x", True)
        assert not list(small.home.memory.scan(b"experiment/visitor/"))

    def test_a_forgotten_visitor_is_not_in_the_state(self, small):
        self.start(small)
        self.visitors(small, 3, wins="all")
        small.clock.pass_(HOUR)
        small.learn()
        assert len(list(small.home.memory.scan(b"experiment/visitor/"))) == 3
        small.storage.log.append_control(FORGET_USER, {"user_id": "visitor-1"})
        finalize(small)
        assert len(list(small.home.memory.scan(b"experiment/visitor/"))) == 2
