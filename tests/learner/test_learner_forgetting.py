"""A user who asks for it is forgotten: in the memory, in the learner's state, in the log, and in the files' bytes."""

from __future__ import annotations

import pytest

from bandstand.errors import NotFound
from bandstand.learner.apply import COMMAND, FORGET_USER
from bandstand.learner.relabelling import hashed
from tests.support.small_home import MINUTE

WHO = "ann-with-a-long-name"


def order(small, user=WHO):
    return small.storage.log.append_control(FORGET_USER, {"user_id": user})


def behave(small, user=WHO):
    """A failed search, its rewording, a play, and a search that stays open."""
    small.search("a very personal query", user=user, session=f"of-{user}")
    small.clock.pass_(5)
    on = small.search("a personal query", user=user, session=f"of-{user}")
    small.play("so-what", on=on)
    small.act("halo", on=on, user_id=None, session_id=None)
    small.search("another personal query", user=user, session=f"of-{user}")
    return on


def learner_state(small):
    with small.storage.memory.batch() as batch:
        return dict(batch.scan(b""))


def files_hold(small, text):
    """Files of the home that hold a text, in any of the encodings in which it could be written."""
    small.close()
    files = [path for path in small.settings.home.rglob("*") if path.is_file()]
    found = [path.name for path in files if text.encode() in path.read_bytes()]
    small.reopen()
    return found


def test_nothing_of_the_user_is_left(small):
    on = behave(small)
    small.learn()
    memory, log = small.storage.memory, small.storage.log
    assert memory.knows(WHO)
    assert any(hashed(WHO).encode() in value for value in learner_state(small).values())

    order(small)
    small.learn()

    assert not memory.knows(WHO)
    assert len(memory.lookup("a personal query", user=WHO, now=small.clock()).ordinals) == len(
        memory.lookup("a personal query", user=None, now=small.clock()).ordinals
    )
    with pytest.raises(NotFound):
        log.impression(on.impression.query.id)
    assert log.count() == 0  # her searches and events, what was done on them without a name, and the order itself
    state = learner_state(small)
    assert not any(hashed(WHO).encode() in key + value for key, value in state.items())
    assert not any(hashed(f"user:{WHO}").encode() in key for key in state)
    assert COMMAND not in state
    assert files_hold(small, WHO) == []
    # LMDB reuses freed pages without wiping them; what she typed may stand there a while, under no name.
    assert set(files_hold(small, "a very personal query")) <= {"data.mdb"}


def test_others_stay(small):
    behave(small)
    kept = behave(small, "bob")
    order(small)
    small.learn()
    assert small.storage.memory.knows("bob")
    assert small.storage.log.impression(kept.impression.query.id).query.user_id == "bob"


def test_what_is_done_on_her_searches_afterwards_teaches_nothing_about_her(small):
    on = behave(small)
    small.learn()
    order(small)
    small.act("hello", on=on, user_id=None, session_id=None)  # a page that is still open somewhere
    small.learn()
    assert not small.storage.memory.knows(WHO)
    small.clock.pass_(40 * MINUTE)
    small.learn()
    assert not small.storage.memory.knows(WHO)


def test_an_order_is_carried_out_although_the_learner_was_killed_in_between(small):
    behave(small)
    small.learn()
    seq = order(small)
    learner = small.learning_side.learner
    carry_out, learner._carry_out = learner._carry_out, lambda: None
    learner.step()  # memory and position are committed, the log's part is not done
    assert (small.storage.memory.position(), small.storage.log.count("control")) == (seq, 1)
    learner._carry_out = carry_out
    small.restart()
    small.learn()
    assert small.storage.log.count() == 0
    assert COMMAND not in learner_state(small)


def test_she_may_come_back(small):
    behave(small)
    order(small)
    small.learn()
    small.play("halo", on=small.search("halo", user=WHO))
    small.learn()
    assert small.storage.memory.knows(WHO)
    assert small.storage.memory.personal(WHO, "", now=small.clock()).ordinals[0] == small.ordinal("halo")


@pytest.mark.parametrize("payload", [{}, {"user_id": None}, {"user_id": 7}])
def test_an_order_that_names_nobody_is_passed_over(small, payload):
    on = behave(small)
    small.storage.log.append_control(FORGET_USER, payload)
    small.storage.log.append_control("something else", {"user_id": WHO})
    small.learn()
    assert small.storage.memory.knows(WHO)
    assert small.storage.log.impression(on.impression.query.id)
    assert small.storage.memory.position() == small.storage.log.head()
