"""What the tests of replay share."""

from __future__ import annotations

import pytest
from replay_worlds import DAY, START, asks

from bandstand.replay.stream import Deed, Moment


@pytest.fixture
def moments() -> list[Moment]:
    return [Deed(id="d0", time=START - DAY, entity_id="t5", text="morning", user="u9"), *asks(60)]
