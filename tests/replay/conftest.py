"""What the tests of replay share."""

from __future__ import annotations

import pytest

from bandstand.replay.stream import Interaction, Moment
from tests.support.replay_worlds import DAY, START, asks


@pytest.fixture
def moments() -> list[Moment]:
    return [Interaction(id="d0", time=START - DAY, entity_id="t5", text="morning", user="u9"), *asks(30)]
