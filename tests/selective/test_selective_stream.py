"""A data set in time order, looked into: every counted search of the learned policy, none of the fixed one."""

from __future__ import annotations

from bandstand.replay.selective.curve import SelectiveSettings
from bandstand.replay.selective.play import stream
from tests.support.replay_worlds import asks, dataset


def test_counted_searches_are_looked_into(tmp_path):
    settings = SelectiveSettings(
        policies=("selective", "all"), searches=12, ablation_share=1.0, bootstrap=50, platform=(("encoder", "hashing"),)
    )
    runs = stream(dataset(list(asks(20))), settings, tmp_path, lambda *_: None)
    audits = runs["selective"].audits
    assert runs["all"].audits is None
    assert len(audits) == len(runs["selective"].quality) == len(runs["all"].quality) == 12
    assert set(audits.classes.tolist()) == {"seen query", "unseen query"}
    assert set(audits.users.tolist()) == set(runs["all"].users)
    reciprocal = [1 / rank if rank else 0.0 for rank in audits.shown.tolist()]
    assert reciprocal == runs["selective"].quality.tolist()
