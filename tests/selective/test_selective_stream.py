"""A data set in time order, looked into: every counted search of the learned policy, none of the fixed one."""

from __future__ import annotations

import pytest

from bandstand.replay.selective.choices import SelectiveSettings, stream
from tests.support.replay_worlds import asks, dataset

pytestmark = pytest.mark.slow


def test_counted_searches_are_looked_into(tmp_path):
    settings = SelectiveSettings(
        policies=("selective", "all"), searches=12, ablation_share=1.0, bootstrap=50, platform=(("encoder", "hashing"),)
    )
    runs = stream(dataset(list(asks(20))), settings, tmp_path, lambda *_: None)
    audits, tables = runs.audits["selective"], runs.tables
    assert set(runs.audits) == {"selective"}
    assert len(audits) == len(tables["selective"]) == len(tables["all"]) == 12
    assert set(audits.classes.tolist()) == {"seen query", "unseen query"}
    assert set(audits.users.tolist()) == set(tables["all"].users)
    reciprocal = [1 / rank if rank else 0.0 for rank in audits.shown.tolist()]
    assert reciprocal == tables["selective"].reciprocal_ranks.tolist()
