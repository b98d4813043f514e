"""User tokens and token buckets, by known answers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bandstand
from bandstand.access.limits import Buckets, Drawn
from bandstand.access.user_tokens import proved_user, user_token
from bandstand.errors import BadInput, Unauthorized

SECRET = "0123456789abcdef0123456789abcdef"
EXPIRES = 1_900_000_000
ANA = "v1.YW5hIPCfjrU.1900000000.-9voKkoYZeK_BfeFd9vx5d1O8T8Zw0RNpZxWaboQ7MY"
PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text()


def test_a_known_answer():
    assert user_token("ana 🎵", SECRET, expires=EXPIRES) == ANA
    assert bandstand.user_token is user_token
    assert proved_user(ANA, SECRET, now=EXPIRES - 1) == "ana 🎵"


def test_javascript_makes_the_same_token(tmp_path):
    """The function of the page, run where Node is there; else only that the page has the known answer."""
    (code,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
    assert ANA in PAGE
    if node := shutil.which("node"):
        script = tmp_path / "token.mjs"
        script.write_text(f"{code}\nprocess.stdout.write(userToken('ana 🎵', '{SECRET}', {EXPIRES}));\n")
        assert subprocess.run([node, script], check=True, capture_output=True, text=True).stdout == ANA


@given(st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable()))
def test_every_id_comes_back(user_id):
    assert proved_user(user_token(user_id, SECRET, expires=EXPIRES), SECRET, now=0) == user_id


@given(st.integers(0, len(ANA) - 1), st.characters(codec="latin-1"))
def test_no_other_token_is_taken(at, letter):
    forged = ANA[:at] + letter + ANA[at + 1 :]
    if forged != ANA:
        with pytest.raises(Unauthorized):
            proved_user(forged, SECRET, now=0)


@pytest.mark.parametrize("token", ["", ".", "...", "v1", "ana", ANA[:-1], ANA + "A"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Unauthorized, match="not one of"):
        proved_user(token, SECRET, now=0)


def test_tokens_expire_and_need_the_secret():
    with pytest.raises(Unauthorized, match="expired"):
        proved_user(ANA, SECRET, now=EXPIRES)
    with pytest.raises(Unauthorized, match="not one of"):
        proved_user(ANA, SECRET.upper(), now=0)
    with pytest.raises(Unauthorized, match="BANDSTAND_USER_TOKEN_SECRET"):
        proved_user(ANA, None, now=0)


def test_a_guessable_secret_or_nobody_is_refused():
    with pytest.raises(BadInput, match="openssl"):
        user_token("ana", "short", expires=EXPIRES)
    with pytest.raises(BadInput, match="user id"):
        user_token("", SECRET, expires=EXPIRES)


class TestBuckets:
    def test_fill_again_at_their_rate_up_to_their_room(self):
        now = [0.0]
        buckets = Buckets(lambda: now[0])
        drawn = [buckets.draw("a", rate=2, room=3) for _ in range(4)]
        assert drawn == [Drawn(2, 0), Drawn(1, 0), Drawn(0, 0), Drawn(0, 0.5)]
        assert buckets.draw("b", rate=2, room=3) == Drawn(2, 0)
        now[0] = 0.25
        assert buckets.look("a", rate=2, room=3) == Drawn(0, 0.25)
        now[0] = 0.5
        assert buckets.draw("a", rate=2, room=3) == Drawn(0, 0)
        now[0] = 100.0
        assert buckets.look("a", rate=2, room=3) == Drawn(3, 0)
