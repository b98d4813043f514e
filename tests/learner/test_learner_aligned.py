"""A log of before a retriever or a feature came, went or changed its meaning: every search of it still teaches."""

from __future__ import annotations

from base64 import b85decode
from dataclasses import replace

import numpy as np
import pytest

from bandstand.feedback.ablation import Ablation, ablation_event, choices
from bandstand.feedback.attribution import Attribution
from bandstand.feedback.codec import decode_impression
from bandstand.feedback.joined import Joined
from bandstand.learner.bandit_learner import BanditLearner
from bandstand.learner.gate_labels import log_labels
from bandstand.learner.selfplay import Curriculum
from bandstand.learner.train_ranker import clicks_set, train_here
from bandstand.ranker.features import FeatureSet, RankingFeature
from bandstand.ranker.scorers import PlainScorer
from bandstand.ranker.train import TrainSettings
from bandstand.retrievers.registry import BUILT_IN
from bandstand.types import Event, RetrieverSpec, Roster

OF_THE_LAST_VERSION = (
    "LQ??&0e@%Ocmd5+U2YRG5Dst?KQGZHqDbU{a*wK7xn8HS)@yHVFG;8>dJQ-YM}Zq~1irD?&Zg>1r9QBd6Mysj*`ArVi^bvt);p}z_xCdGe_#I"
    "mLEoQ<-z4Fe#o`h8*Z0?16l;N%|6eQa{}PAJmKUAzrMw<LC;ylE-80p)4ZC9%3-S=K-EnP!jCDQN>YF6>BpdjxWSgs1UDeh4x?-I&t%m^Ht<pg"
    "{0zhWeI{rYh-&qJ5H-??bgX$4$Rp)P6SIlc0rg*|SCq+=!uuTldv_b-|*=EbNmlYeVR^mvpZ@6hy0Ou7Jt5(YzdAaK&8>Zz!3HVj(x+Yx(f>+"
    "mAEI4)Rc+YT}GkGhGm&v|ft}m*q_<R0C{x^zyWSkN-!45#ejwUoY=`|8DI|gBU`IJsoFE60%*b^>wyoyc@1MZ%5nNRhRG~|Gw(gYQbjfxMzI5O"
    "YBm~ABwqmzx{DIx1+Z{2a}aiKU<hR&V#0{7U_K_=5d^WzMvesI!zyu?fhQL97%!Qy83c;OtQRX%VdW*PmCM*`E$6hawCMn1Sv5dXI5XQF5_pv"
    "tV_x)>C}xti*W2p4smPF1j0oowz#>5g-&fqSZ?Vucpy=oCdTNGkK0pyweb+TxaWg;he4QrZS54c%5kXryK$6f+dRgrZ;Cme)y;=omZ)B2DF6Tr"
    "-Z&8F<wz%^gYw9!?HB$Gt2rMG$=odfurpiS<}wB$Se>pk*TuT+kh&K7mjvTXiVVar870)n}7IusBpB>{m26CJZ%iKmj$%oF2#yV>w4MqUi%$8X"
    "65ALF{ta4C3RW70qoRU4nb-&@$+h-nLSsC-0f#rjrh14wbLWdzvECNZDYdJWx-^VML=a&7xp!*U)_Vw5%Wg0g}8%AO"
)
"""A search of the last version, as its log held it: lexical and dense brought "a" and "b", dense was drawn with 1/4."""

FEATURES = FeatureSet(BUILT_IN)
LYRICS = RetrieverSpec("lyrics", cost_ms=2.0, columns=("lines",))
GROWN = FeatureSet(BUILT_IN.and_also([LYRICS]), [RankingFeature("licensed", lambda _: 1.0)])


def without(name: str) -> FeatureSet:
    return FeatureSet(Roster(tuple(spec for spec in BUILT_IN if spec.name != name)))


def changed(name: str, **versions: int) -> FeatureSet:
    return FeatureSet(
        Roster(tuple(replace(spec, versions=versions) if spec.name == name else spec for spec in BUILT_IN))
    )


@pytest.fixture(scope="module")
def impression():
    return decode_impression(b85decode(OF_THE_LAST_VERSION))


@pytest.fixture(scope="module")
def log(impression):
    """A hundred searches like it, each of a song of another popularity; every other one was after the second hit."""

    def search(number):
        query = replace(impression.query, id=f"q{number}", time=impression.query.time + number)
        click = Event(
            id=f"e{number}", action="click", time=query.time + 5, query_id=query.id, object_id="ab"[number % 2]
        )
        features = impression.features.copy()
        features[:, impression.feature_names.index("popularity")] += number / 1_000
        searched = replace(impression, query=query, features=features)
        return Joined(impression=searched, events=(click,), attribution=Attribution(window=1_800.0))

    return [search(number) for number in range(100)]


def test_a_row_that_bears_no_versions_is_of_the_first_meanings(impression):
    assert impression.feature_versions == {}
    assert impression.rows.layout.versions == ()
    known = [FEATURES.layout.names.index(name) for name in impression.feature_names]
    aligned = impression.rows.aligned(FEATURES.layout)
    np.testing.assert_array_equal(aligned[:, known], impression.features)
    assert np.isnan(np.delete(aligned, known, axis=1)).all()  # features that came since are unknown


@pytest.mark.parametrize("features", [GROWN, without("trigram"), without("dense"), changed("lexical", score=2)])
def test_every_search_trains_the_ranker(log, features):
    assert len(clicks_set(log, features.layout)[0]) == len(log)
    settings = TrainSettings(trees=5, min_rows_a_leaf=1)
    trained = train_here(Curriculum(), log, features.layout, 1, settings, None)
    assert trained.clicked_searches == len(log)
    assert trained.ranker.layout == features.layout


def columns(features, log):
    data = clicks_set(log[:1], features.layout)[0]
    return dict(zip(features.names, data.features.T, strict=True))


def test_a_retriever_that_came_did_not_play_in_them(log):
    before, now = columns(FEATURES, log), columns(GROWN, log)
    new = set(now) - set(before)
    assert new == {"lyrics.score", "lyrics.rr", "lyrics.lines", "licensed"}
    assert all(np.isnan(now[name]).all() for name in new)
    for name in before:
        np.testing.assert_array_equal(now[name], before[name])


def test_of_one_that_went_nothing_is_left(log):
    before, now = columns(FEATURES, log), columns(without("dense"), log)
    assert set(before) - set(now) == {"dense.score", "dense.rr"}
    for name in now:
        np.testing.assert_array_equal(now[name], before[name])


def test_what_changed_its_meaning_is_unknown_and_nothing_else(log):
    before, now = columns(FEATURES, log), columns(changed("lexical", score=2), log)
    assert not np.isnan(before["lexical.score"]).any()
    assert np.isnan(now["lexical.score"]).all()
    for name in set(now) - {"lexical.score"}:
        np.testing.assert_array_equal(now[name], before[name])


def test_rows_of_the_new_meaning_are_read_again(impression):
    features = changed("lexical", score=2)
    newer = replace(impression, feature_versions={"lexical.score": 2})
    known = impression.rows.aligned(FEATURES.layout)
    np.testing.assert_array_equal(newer.rows.aligned(features.layout), known)
    assert np.isnan(newer.rows.aligned(FEATURES.layout)[:, FEATURES.names.index("lexical.score")]).all()


def taught(features, impression):
    """The labels of the search, and the bandit that learned them."""
    bandit = BanditLearner(features, scorer_of=lambda _: PlainScorer(features).score, cost_weight=0.003)
    bandit.observe_costs(impression)
    return bandit.learn(impression, {1: 1.0}), bandit


@pytest.mark.parametrize("features", [GROWN, without("trigram")])
def test_every_search_teaches_the_bandit_the_same(impression, features):
    expected, _ = taught(FEATURES, impression)
    labels, bandit = taught(features, impression)
    assert [label.depth_index for label in labels] == [0, 1, 2, 3]
    assert labels == expected
    assert bandit._stats.past_yield("dense") == 1.0


def test_what_was_decided_about_a_retriever_that_went_is_passed_over(impression):
    labels, bandit = taught(without("dense"), impression)
    assert labels == []
    assert bandit._stats.past_yield("lexical") == 1.0


@pytest.mark.parametrize(
    ("features", "known"),
    [(FEATURES, {"trigram", "dense"}), (GROWN, {"trigram", "dense"}), (without("trigram"), {"dense"})],
)
def test_every_record_teaches_the_gate(log, features, known):
    """ "a" is first with dense alone, which so helped, also where nobody knows of trigram any more."""
    arms = ("trigram", "dense")
    pages = {played: ("a",) if "dense" in played else () for played in choices(arms)}

    def recorded(search):
        query = search.impression.query
        record = Ablation(
            query_id=query.id,
            retrievers=arms,
            pages=pages,
            context=(("bias", 1.0),),
            hit_rates=dict.fromkeys(arms, 0.5),
        )
        return replace(search, events=(*search.events, ablation_event(record, query, now=query.time)))

    labels = list(log_labels(map(recorded, log), features.roster))
    assert len(labels) == len(log)
    assert all(set(label.useful) == known for label in labels)
    assert [label.useful["dense"] for label in labels[:2]] == [True, False]
