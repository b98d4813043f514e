"""Which models serve: promotion, rollback, pins, and versions that are refused while the old one serves on."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import structlog

from bandstand.app.serving import UNTRAINED, ModelFollower, promote_model
from bandstand.bandit.vw import BanditSettings
from bandstand.errors import ModelError, NotFound, StorageError
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import ModelCard
from bandstand.ranker.scorers import PlainScorer
from tests.support.small_home import SmallHome, ids


def serving(small):
    small.home.refresh()
    return small.search("halo").impression.models


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    """A home with two rankers, the second serving, and a bandit; and the names of the two."""
    folder = tmp_path_factory.mktemp("trained") / "home"
    small = SmallHome(folder)
    versions = [small.learning_side.train(small.home).version for _ in range(2)]
    small.close()
    return folder, *versions


@pytest.fixture
def trained(trained_folder, tmp_path):
    """A copy of that home, opened, and the two names."""
    folder, first, second = trained_folder
    small = SmallHome(shutil.copytree(folder, tmp_path / "home"))
    yield small, first, second
    small.close()


def test_before_any_training_the_plain_ranker_and_an_untrained_bandit_serve(small):
    assert serving(small) == {"ranker": PlainScorer.version, "bandit": UNTRAINED}


def test_trained_promoted_rolled_back_and_pinned(trained):
    small, first, second = trained
    assert serving(small)["ranker"] == second
    assert small.storage.models.rollback("ranker") == first
    assert serving(small)["ranker"] == first
    third = small.learning_side.train(small.home)
    assert (third.promoted, serving(small)["ranker"]) == (False, first)
    promote_model(small.storage.models, "ranker", third.version, small.home.features)
    assert serving(small)["ranker"] == third.version
    small.restart()
    assert serving(small)["ranker"] == third.version


def test_training_teaches_the_bandit_once(trained):
    small, _, _ = trained
    assert len(small.storage.models.list("bandit")) == 1
    assert serving(small)["bandit"] == small.storage.models.list("bandit")[0].version


class TestRefusal:
    def broken(self, small, how):
        """A version that is published and promoted but cannot serve."""
        models = small.storage.models
        current = models.current("ranker")
        files = {name: current.read(name) for name in current.files}
        card = current.card if how == "no model" else ModelCard(feature_names=("old",), feature_hash="0123")
        version = models.publish("ranker", {"model.txt": b"?"} if how == "no model" else files, card)
        models.promote("ranker", version)
        return version

    @pytest.mark.parametrize(
        ("how", "reason"), [("other features", "not trained on what its manifest says"), ("no model", "no")]
    )
    def test_what_cannot_serve_is_refused_and_named_while_the_old_one_serves(self, trained, how, reason):
        small, _, second = trained
        with structlog.testing.capture_logs() as logs:
            version = self.broken(small, how)
            for _ in range(3):
                assert serving(small)["ranker"] == second
        assert version in small.home.serving.refused["ranker"]
        assert reason in small.home.serving.refused["ranker"]
        assert [(entry["event"], entry["model"]) for entry in logs] == [("model_refused", "ranker")]
        assert ids(small.search("hallelujah"))[0] == "hallelujah"

    def test_the_refusal_ends_with_the_next_good_version(self, trained):
        small, first, _ = trained
        self.broken(small, "other features")
        small.home.refresh()
        small.storage.models.promote("ranker", first)
        assert serving(small)["ranker"] == first
        assert small.home.serving.refused == {}

    def test_after_a_restart_with_a_refused_version_the_plain_ranker_serves(self, trained):
        small, _, _ = trained
        self.broken(small, "other features")
        small.restart()
        assert serving(small)["ranker"] == PlainScorer.version
        assert "ranker" in small.home.serving.refused

    def test_by_hand_it_is_not_even_promoted(self, trained):
        small, _, second = trained
        models = small.storage.models
        version = self.broken(small, "other features")
        models.promote("ranker", second)
        with pytest.raises(ModelError, match="train again"):
            promote_model(models, "ranker", version, small.home.features)
        with pytest.raises(NotFound):
            promote_model(models, "ranker", "20200101T000000-000000", small.home.features)
        assert models.pointer("ranker").current == second

    def test_a_damaged_bandit_changes_neither_policy_nor_statistics(self, trained):
        small, _, _ = trained
        before = small.home.serving()
        models = small.storage.models
        good = models.current("bandit").read("model.vw")
        models.promote("bandit", models.publish("bandit", {"model.vw": good, "stats.json": b"{"}))
        small.home.refresh()
        assert small.home.serving().policies["bandit"] is before.policies["bandit"]
        assert small.home.serving().stats is before.stats
        assert "statistics" in small.home.serving.refused["bandit"]


class Flaky(FolderRegistry):
    """A registry whose disk fails for a while."""

    failing = False

    def current(self, name):
        if self.failing:
            raise StorageError("the disk is gone")
        return super().current(name)


def test_a_model_that_could_not_be_read_is_read_later(trained):
    small, first, second = trained
    flaky = Flaky(small.storage.paths.models, small.clock)
    keeper = ModelFollower(flaky, small.home.features, BanditSettings())
    flaky.promote("ranker", first)
    flaky.failing = True
    assert not keeper.refresh()
    assert keeper().scorer.version == second
    flaky.failing = False
    assert keeper.refresh()
    assert keeper().scorer.version == first
    assert keeper.refused == {}
    assert not keeper.refresh()


def test_a_search_sees_one_set_of_brains(trained):
    small, _, _ = trained
    before = small.home.serving()
    assert before is small.home.serving()
    assert np.isfinite(before.scorer.score(np.zeros((1, len(before.scorer.layout.names)), np.float32))).all()
