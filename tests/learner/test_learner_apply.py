"""What one action changes: the next search, other people's searches, and nothing that it should not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandstand.feedback.log import LogEntry
from bandstand.learner.apply import FORGET_USER, examined
from bandstand.learner.open_searches import OpenSearches
from tests.support.small_home import ENTITIES, MINUTE, NOW, SmallHome, ids, track

DAY = 86_400.0


def remembered(small, text, **who):
    """Entities that the memory arm brings for a query, best first, predictions left out."""
    small.learn()
    result = small.search(text, policy="memory", k=50, **who)
    names = result.impression.feature_names
    clicks = result.impression.features[:, [names.index("memory.clicks"), names.index("memory.plays")]].sum(axis=1)
    own = result.impression.features[:, names.index("memory.own")]
    return [id_ for id_, c, o in zip(result.impression.entity_ids, clicks, own, strict=True) if c > 0 or o > 0]


def rows(small, text):
    """What everybody's memory holds of a query, by entity."""
    small.learn()
    columns = small.home.catalog.columns
    return {str(columns.ids[row.ordinal]): row for row in small.home.memory.query_rows(text)}


class TestClicks:
    def test_a_click_changes_ones_own_next_search_at_once(self, small):
        first = small.search("sad tune", user="ann", policy="all")
        small.act("hurt-cash", on=first)
        assert remembered(small, "sad tune", user="ann") == ["hurt-cash"]
        assert ids(small.search("sad tune", user="ann", policy="all"))[0] == "hurt-cash"

    def test_it_is_everybodys_once_two_users_agree(self, small):
        small.act("hurt-cash", on=small.search("sad tune", user="ann"))
        assert remembered(small, "sad tune", user="bob") == remembered(small, "sad tune") == []
        small.act("hurt-cash", on=small.search("sad tune", user="ann"))
        assert remembered(small, "sad tune", user="bob") == []
        small.act("hurt-cash", on=small.search("sad tune", user="bob"))
        assert remembered(small, "sad tune", user="cyd") == remembered(small, "sad tune") == ["hurt-cash"]

    def test_a_session_stands_in_for_who_has_no_name(self, small):
        small.act("hurt-cash", on=small.search("sad tune", session="s1"))
        assert remembered(small, "sad tune", session="s1") == ["hurt-cash"]
        assert remembered(small, "sad tune", session="s2") == []
        small.learn()
        personal = small.search("anything at all", session="s1", policy="all")
        assert "hurt-cash" in {
            hit.entity.id for hit in personal.hits if "personal" in [s.retriever for s in hit.sources]
        }

    def test_a_play_that_satisfied_counts_more_than_a_click_and_a_short_one_less(self, small):
        actions = {
            "one": {"action": "click"},
            "two": {"action": "play", "play_seconds": 60.0},
            "three": {"action": "play", "play_seconds": 3.0},
            "four": {"action": "save"},
        }
        for text, action in actions.items():
            for user in ("ann", "bob"):
                small.act("halo", on=small.search(f"song {text}", user=user), **action)
        found = {text: rows(small, f"song {text}")["halo"] for text in actions}
        assert (found["one"].clicks, found["one"].plays) == pytest.approx((2, 0))
        assert (found["two"].clicks, found["two"].plays) == pytest.approx((0, 2))
        assert (found["four"].clicks, found["four"].plays) == pytest.approx((0, 2))
        assert found["three"].clicks == pytest.approx(2 * 0.1 / 0.3)
        assert found["two"].score > found["one"].score > found["three"].score

    def test_other_actions_and_unknown_entities_teach_nothing(self, small):
        on = small.search("sad tune", user="ann")
        for action in ("view", "add_to_cart", "CLICK"):
            small.act("hurt-cash", on=on, action=action)
        small.act("no-such-entity", on=on)
        small.act(None, on=on)
        assert remembered(small, "sad tune", user="ann") == []

    def test_events_on_entities_that_were_deleted_are_passed_over(self, small):
        on = small.search("sad tune", user="ann")
        small.storage.store.delete(["hurt-cash"])
        small.act("hurt-cash", on=on)
        small.act("hurt-nin", on=on)
        assert remembered(small, "sad tune", user="ann") == ["hurt-nin"]


class TestReadings:
    """Listeners who ask for "1999" and choose what came out that year, not the song of that name."""

    @pytest.fixture
    def small(self, tmp_path):
        opened = SmallHome(tmp_path / "home", entities=(*ENTITIES, track("prince", "1999", "Prince", year=1982)))
        yield opened
        opened.close()

    def meant(self, small, text="1999"):
        slots = small.search(text).impression.query.slots
        return {slot.name: slot.confidence for slot in slots if slot.phrase == "1999"}

    def listen(self, small, *users, text="1999", times=6):
        for _ in range(times):
            for user in users:
                small.clock.pass_(MINUTE)
                small.play("first-love", on=small.search(text, user=user, policy="all"))
        small.learn()

    def test_a_reading_that_led_to_choices_gains_weight(self, small):
        before = self.meant(small)
        assert before["track"] > before["year"]
        self.listen(small, "ann", "bob")
        after = self.meant(small)
        assert after["year"] > after["track"]
        found = {s.slot: s for each in small.search("1999", explain=True).reading.readings for s in each.senses}
        assert found["year"].posterior > found["year"].prior * found["year"].likelihood

    def test_one_listener_alone_does_not_decide_for_others(self, small):
        before = self.meant(small)
        self.listen(small, "ann", times=12)
        assert self.meant(small) == before

    def test_who_is_forgotten_takes_along_what_nobody_else_said(self, small):
        self.listen(small, "ann")
        small.storage.log.append_control(FORGET_USER, {"user_id": "ann"})
        small.learn()
        before = self.meant(small)
        self.listen(small, "bob")
        assert self.meant(small) == before  # bob is alone with it

    def test_a_restart_keeps_it(self, small):
        self.listen(small, "ann", "bob")
        learned = self.meant(small)
        small.restart()
        assert self.meant(small) == pytest.approx(learned)


def test_words_of_queries_that_led_somewhere_are_corrected_to(small):
    assert small.search("grandpasong").impression.query.correction is None
    for user in ("ann", "bob"):
        small.play("hallelujah", on=small.search("grandpasongs", user=user))
    small.learn()
    correction = small.search("grandpasonsg please").impression.query.correction
    assert correction.text == "grandpasongs please"


class TestWithoutASearch:
    def test_an_event_that_says_what_was_asked_teaches_the_memory(self, small):
        for user in ("ann", "bob"):
            small.act("hurt-cash", user_id=user, user_query="Sad  TUNE")
        assert remembered(small, "sad tune") == ["hurt-cash"]

    def test_of_a_long_query_the_beginning_counts_wherever_it_comes_from(self, small):
        page = "a sad TUNE, " * 500
        small.act("hurt-cash", user_id="ann", user_query=page)
        small.act("hurt-nin", on=small.search(page, user="ann"))
        assert {*remembered(small, page, user="ann")} == {"hurt-cash", "hurt-nin"}
        assert {*remembered(small, page[:900] + " what is not read", user="ann")} == {"hurt-cash", "hurt-nin"}

    @pytest.mark.parametrize("query_id", [None, "never-logged", "x" * 1_000])
    def test_a_play_from_elsewhere_teaches_history_and_trend(self, small, query_id):
        small.play("so-what", user_id="ann", query_id=query_id)
        small.learn()
        assert small.home.memory.personal("ann", "", now=NOW).ordinals.tolist() == [small.ordinal("so-what")]
        trending, amounts = small.home.memory.trending(now=NOW)
        assert trending.tolist() == [small.ordinal("so-what")]
        assert amounts[0] == pytest.approx(1 / 0.3)  # a play is worth so many clicks

    def test_a_click_that_comes_too_late_is_one_from_elsewhere(self, small):
        on = small.search("sad tune", user="ann")
        small.clock.pass_(31 * MINUTE)
        small.act("hurt-cash", on=on)
        assert remembered(small, "sad tune", user="ann") == []
        assert small.home.memory.knows("ann")

    def test_an_event_of_nobody_is_remembered_for_nobody(self, small):
        small.act("hurt-cash", on=small.search("sad tune"))
        small.act("hurt-cash", on=small.search("sad tune"))
        assert remembered(small, "sad tune") == []  # everybody without a name is one and the same
        small.act("hurt-cash", on=small.search("sad tune", user="ann"))
        assert remembered(small, "sad tune") == ["hurt-cash"]


class TestRelabelling:
    def search_again(self, small, *queries, session="s1", seconds=10.0):
        for text in queries:
            result = small.search(text, user="ann", session=session)
            small.clock.pass_(seconds)
        return result

    def test_a_failed_search_leads_where_its_rewording_led(self, small):
        small.act("hoppipolla", on=self.search_again(small, "hopi pola sigur", "hoppipolla sigur"))
        assert remembered(small, "hopi pola sigur", user="ann") == ["hoppipolla"]

    def test_a_chain_of_failures_is_credited_as_a_whole(self, small):
        last = self.search_again(small, "sigor", "sigor ros song", "sigur ros song")
        small.play("hoppipolla", on=last)
        assert remembered(small, "sigor", user="ann") == remembered(small, "sigor ros song", user="ann")

    @pytest.mark.parametrize("broken", ["other session", "too slow", "satisfied before", "short play"])
    def test_what_is_no_failure_is_not_relabelled(self, small, broken):
        first = small.search("hopi pola", user="ann", session="s0" if broken == "other session" else "s1")
        if broken == "satisfied before":
            small.act("hello", on=first)
        small.clock.pass_(90.0 if broken == "too slow" else 10.0)
        second = small.search("hoppipolla", user="ann", session="s1")
        small.act("hoppipolla", on=second, action="play", play_seconds=2.0 if broken == "short play" else 60.0)
        assert "hoppipolla" not in remembered(small, "hopi pola", user="ann")

    def test_acting_twice_credits_once(self, small):
        last = self.search_again(small, "hopi pola", "hoppi polla")
        for _ in range(4):
            small.act("hoppipolla", on=last)
        for user in ("bob", "cyd"):
            small.act("hoppipolla", on=small.search("hopi pola", user=user))
        assert rows(small, "hopi pola")["hoppipolla"].clicks == pytest.approx(2 + 0.5)


class TestTime:
    def test_a_clock_that_runs_ahead_lets_nothing_fade(self, small):
        for user in ("ann", "bob"):
            small.act("hurt-cash", on=small.search("sad tune", user=user))
        before = rows(small, "sad tune")["hurt-cash"].clicks
        on = small.search("sad tune", user="eve")
        small.act("hello", user_id="eve", user_query="sad tune", time=NOW + 10 * 365 * DAY)
        small.act("hello", on=on, time=NOW + 29 * MINUTE)
        assert rows(small, "sad tune")["hurt-cash"].clicks == pytest.approx(before)

    def test_a_clock_that_runs_backwards_is_survived(self, small):
        on = small.search("sad tune", user="ann")
        small.clock.pass_(-3_600.0)
        small.act("hurt-cash", on=on, time=NOW)
        other = small.search("sad tune", user="ann")
        small.act("hurt-nin", on=other)
        assert set(remembered(small, "sad tune", user="ann")) == {"hurt-cash", "hurt-nin"}

    def test_an_event_that_reached_the_log_before_its_search_counts_for_it(self, small):
        on = small.search("hallelujah", user="ann", policy="random")
        small.learn()
        (entry,) = small.storage.log.read(0, 10)
        event = small.act("hallelujah", on=on)
        learner = small.learning_side.learner
        with small.storage.memory.batch() as batch:  # the two in the other order, into a state that knows neither
            batch.delete(b"open/" + on.impression.query.id.encode())
            learner._learn(batch, [LogEntry(9, "event", NOW, event)], 0.0)
            learner._learn(batch, [LogEntry(10, "impression", NOW, entry.record)], 0.0)
            search = OpenSearches(batch).get(on.impression.query.id)
        assert search.grades() == {small.ordinal("hallelujah"): pytest.approx(0.3)}
        assert search.due == NOW + 60


class TestSettling:
    def open_searches(self, small):
        small.storage.log.flush()
        small.learning_side.learner.catch_up()
        with small.storage.memory.batch() as batch:
            return {s.query_id: s for s in map(OpenSearches(batch).get, self.keys(batch))}

    def keys(self, batch):
        return [key[len(b"open/") :].decode() for key, _ in batch.scan(b"open/")]

    def test_a_search_settles_a_minute_after_its_first_action_and_is_forgotten_with_its_window(self, small):
        on = small.search("halo", user="ann")
        small.clock.pass_(20)
        small.act("halo", on=on)
        small.clock.pass_(30)
        small.act("halo", on=on)
        name = on.impression.query.id
        assert self.open_searches(small)[name].due == NOW + 20 + 60
        small.clock.pass_(40)
        assert self.open_searches(small)[name].finalized
        small.play("halo", on=on)  # too late for the bandit, not for the memory
        assert self.open_searches(small)[name].grades() == {}
        small.clock.pass_(30 * MINUTE)
        assert self.open_searches(small) == {}

    def test_without_an_action_it_settles_when_its_window_ends(self, small):
        small.search("halo")
        small.clock.pass_(30 * MINUTE - 1)
        assert len(self.open_searches(small)) == 1
        small.clock.pass_(10)
        assert self.open_searches(small) == {}

    def test_what_was_seen_and_not_chosen_loses(self, small):
        for user in ("ann", "bob"):
            small.act("hurt-cash", on=small.search("hurt", user=user))
        before = rows(small, "hurt")["hurt-cash"]
        for number in range(5):
            small.search("hurt", user=f"u{number}")
        small.clock.pass_(31 * MINUTE)
        after = rows(small, "hurt")["hurt-cash"]
        assert after.impressions > before.impressions
        assert after.score < before.score

    @pytest.mark.parametrize("skipped", [False, True])
    def test_a_skip_tells_that_it_was_seen_and_passed_over(self, small, skipped):
        on = small.search("hurt song", user="cyd", policy="all")
        low = ids(on)[6]  # below what counts as seen by itself
        for user in ("ann", "bob"):
            small.act(low, user_id=user, user_query="hurt song")
        before = rows(small, "hurt song")[low]
        if skipped:
            small.act(low, on=on, action="skip")
        small.clock.pass_(31 * MINUTE)
        after = rows(small, "hurt song")[low]
        assert (after.impressions > before.impressions) is skipped

    def test_a_skip_takes_its_share_of_what_a_hit_earned(self, small):
        on = small.search("halo", user="ann")
        for action in ("click", "skip"):
            small.act("halo", on=on, action=action)
        small.learn()
        with small.storage.memory.batch() as batch:
            search = OpenSearches(batch).get(on.impression.query.id)
        assert search.grades() == {small.ordinal("halo"): pytest.approx(0.3 - 0.2)}

    @pytest.mark.parametrize(
        ("offset", "shown", "touched", "seen"),
        [
            (0, 10, [], [0, 1, 2]),
            (0, 2, [], [0, 1]),
            (0, 0, [], []),
            (0, 10, [0], [0]),
            (0, 10, [4, 1], [0, 1, 2, 3, 4]),
            (0, 3, [5], [0, 1, 2, 3, 4, 5]),
            (2, 3, [], [2, 3, 4]),
            (2, 3, [3], [2, 3]),
            (0, 10, [99], [0, 1, 2]),
        ],
    )
    def test_what_counts_as_seen(self, small, offset, shown, touched, seen):
        impression = small.search("halo", k=10, policy="all").impression
        impression = replace(impression, query=replace(impression.query, offset=offset), shown=shown)
        impression = replace(impression, ordinals=np.arange(12, dtype=np.int32))
        assert examined(impression, touched).tolist() == seen


class TestFloods:
    def test_a_bots_thousand_clicks_weigh_like_a_busy_persons(self, small):
        on = small.search("sad tune", user="bot")
        for _ in range(300):
            small.act("hello", on=on)
        small.act("hello", on=small.search("sad tune", user="ann"))
        assert rows(small, "sad tune")["hello"].clicks <= 30 + 1 + 1e-3

    def test_leaving_out_who_one_is_does_not_help(self, small):
        for _ in range(3):
            on = small.search("sad tune", user="bot")
            for _ in range(40):
                small.act("hello", on=on, user_id=None, session_id=None)
        small.act("hello", on=small.search("sad tune", user="ann"))
        assert rows(small, "sad tune")["hello"].clicks <= 30 + 1 + 1e-3

    def test_a_search_holds_grades_of_its_own_hits_only(self, small):
        on = small.search("thunderstruck", user="ann", policy="lexical")
        assert ids(on) == ["thunderstruck"]
        small.act("hello", on=on)
        small.learn()
        with small.storage.memory.batch() as batch:
            assert OpenSearches(batch).get(on.impression.query.id).outcomes == {}
