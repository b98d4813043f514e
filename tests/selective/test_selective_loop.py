"""The closed loop looked into: records are learned from, estimates decide, the figures hang together."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from bandstand.errors import BadInput
from bandstand.replay.report.page import render
from bandstand.replay.selective.audit import fixed, reciprocal_ranks
from bandstand.replay.selective.choices import SelectiveSettings, closed_loop, summary
from bandstand.replay.selective.curve import Target
from bandstand.retrievers.registry import BUILT_IN
from tests.support.tiny_world import TINY

pytestmark = pytest.mark.slow


def test_the_held_out_searches_are_looked_into(runs, settings):
    audits = runs.audits["selective"]
    assert len(audits) == len(runs.tables["all"]) == 24
    assert set(runs.audits) == {"selective"}
    assert not np.isnan(audits.p_useful).any()
    assert ((audits.p_useful >= 0) & (audits.p_useful <= 1)).all()


def test_a_page_of_every_arm_is_what_the_audit_says(runs):
    """Where the policy happened to play everything, it showed what the audit calls always-on."""
    audits = runs.audits["selective"]
    everything = audits.played.all(axis=1)
    always = reciprocal_ranks(audits, fixed(audits, play=True))
    shown = np.divide(1.0, audits.shown, out=np.zeros(len(audits)), where=audits.shown > 0)
    assert np.array_equal(shown[everything], always[everything])


def test_the_summary_holds_what_was_played_and_the_curve(runs, settings):
    found = summary(runs, settings)
    looked = found["looked_into"]["selective"]
    assert set(found["policies"]) == {"selective", "all"}
    assert found["policies"]["all"]["cost_share"] == 1.0
    assert found["n_searches"] == 24
    assert looked["choices"]["never"]["cost_ms"] < looked["choices"]["always"]["cost_ms"]
    assert looked["choices"]["oracle"]["MRR@10"]["value"] >= looked["choices"]["never"]["MRR@10"]["value"]
    assert [point["cost_ms"] for point in looked["curve"]] == sorted(
        (point["cost_ms"] for point in looked["curve"]), reverse=True
    )
    assert set(looked["calibration"]) == set(BUILT_IN.expensive)


def test_fixed_policies_alone_are_refused():
    with pytest.raises(BadInput, match="decide nothing"):
        SelectiveSettings(policies=("all",))


def test_the_report_shows_it(runs, settings):
    with_target = replace(settings, target=Target("quality", 0.5))
    found = summary(runs, with_target)
    assert found["looked_into"]["selective"]["target"]["asked"]["what"] == "quality"
    page = render(found)
    for drawn in ("quality against", "class of query", "how often each retriever helped"):
        assert drawn in page.lower()
    assert found["answer"] in unescape(page)
    assert "Selective retrieval" in page
    assert "Thresholds found on every second of these searches for quality = 0.5" in page
    assert "each in a world of its own" in page


def test_the_closed_loop_has_no_dates(music, settings, tmp_path):
    with pytest.raises(BadInput, match="no dates"):
        closed_loop(music, TINY, replace(settings, since=0.0), tmp_path, lambda *_: None)
