"""What every registry promises, in a folder and on a cluster: publish, promote, roll back, prune, refuse."""

from __future__ import annotations

import json

import pytest

from bandstand.errors import BadInput, Conflict, ModelError, NotFound, StorageError
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import HISTORY, ModelCard
from bandstand.opensearch.models import MirroredRegistry

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
CARD = ModelCard(
    data_range=(1.0, 2.5),
    feature_names=("lexical.score", "kind"),
    feature_hash="abc",
    metrics={"ndcg@10": 0.5},
    parent="20250101T000000-000000",
)


@pytest.fixture(params=["embedded", "opensearch"])
def open_registry(request, tmp_path):
    """Opens registries of either kind over one folder, which on a cluster is the mirror."""
    cluster = request.getfixturevalue("borrow_cluster")() if request.param == "opensearch" else None

    def open_one(clock=lambda: NOON):
        folder = FolderRegistry(tmp_path, clock)
        return folder if cluster is None else MirroredRegistry(folder, cluster, clock=clock)

    return open_one


@pytest.fixture
def registry(open_registry):
    return open_registry()


def publish(registry, *contents):
    return [registry.publish("ranker", {"model.txt": content}) for content in contents]


def test_publish_round_trips_files_and_card(registry):
    version = registry.publish("ranker", {"model.txt": b"trees", "notes.json": b"{}"}, CARD)
    model = registry.get("ranker", version)
    assert version.startswith("20260101T120000-")
    assert (model.name, model.version, model.created, model.card) == ("ranker", version, NOON, CARD)
    assert {name: model.read(name) for name in model.files} == {"model.txt": b"trees", "notes.json": b"{}"}


def test_a_flat_folder_can_be_published(registry, tmp_path):
    source = tmp_path / "trained"
    source.mkdir()
    (source / "policy.vw").write_bytes(b"weights")
    assert registry.get("bandit", registry.publish("bandit", source)).read("policy.vw") == b"weights"


def test_publishing_promotes_nothing(registry):
    publish(registry, b"a")
    assert registry.current("ranker") is None
    assert registry.pointer("ranker") is None
    assert registry.stamp("ranker") is None


def test_versions_increase_while_the_clock_stands_still_or_steps_back(open_registry):
    times = iter([NOON, NOON, NOON - 3600, NOON + 60])
    registry = open_registry(clock=lambda: next(times))
    versions = publish(registry, b"same", b"same", b"same", b"same")
    assert [version[:15] for version in versions] == [
        "20260101T120000", "20260101T120001", "20260101T120002", "20260101T120100",
    ]  # fmt: skip
    assert [model.version for model in registry.list("ranker")] == versions


def test_an_empty_registry(registry):
    assert registry.list("ranker") == ()
    assert registry.current("bandit") is None
    assert registry.prune("ranker", 0) == ()
    with pytest.raises(NotFound, match="nothing to roll back"):
        registry.rollback("ranker")


def test_rollbacks_walk_back_and_pin_until_the_next_explicit_promote(registry):
    a, b, c, d = publish(registry, b"a", b"b", b"c", b"d")
    for version in (a, b, c):
        assert registry.promote("ranker", version)
    assert registry.rollback("ranker") == b
    assert registry.rollback("ranker") == a
    assert registry.pointer("ranker").pinned
    assert registry.promote("ranker", d, automatic=True) is False
    assert registry.current("ranker").version == a
    with pytest.raises(Conflict, match="no earlier ranker"):
        registry.rollback("ranker")
    assert registry.promote("ranker", d)
    assert not registry.pointer("ranker").pinned
    (e,) = publish(registry, b"e")
    assert registry.promote("ranker", e, automatic=True)
    assert registry.rollback("ranker") == d
    assert registry.rollback("ranker") == a


def test_an_automatic_promote_neither_goes_back_nor_undoes_a_choice(registry):
    a, b, c, d = publish(registry, b"a", b"b", b"c", b"d")
    assert registry.promote("ranker", b, automatic=True)
    assert not registry.promote("ranker", a, automatic=True)
    assert registry.promote("ranker", c, automatic=True)
    registry.promote("ranker", a)
    assert not registry.promote("ranker", c, automatic=True)
    assert registry.promote("ranker", d, automatic=True)
    assert registry.pointer("ranker").history == (b, c, a)


def test_an_explicit_promote_of_the_pinned_version_only_lifts_the_pin(registry):
    a, b = publish(registry, b"a", b"b")
    registry.promote("ranker", a)
    registry.promote("ranker", b)
    registry.rollback("ranker")
    assert registry.promote("ranker", a, automatic=True)
    assert registry.pointer("ranker").pinned
    registry.promote("ranker", a)
    assert registry.pointer("ranker").history == ()
    assert not registry.pointer("ranker").pinned


def test_history_is_bounded(registry):
    a, b = publish(registry, b"a", b"b")
    for _ in range(HISTORY):
        registry.promote("ranker", a)
        registry.promote("ranker", b)
    assert len(registry.pointer("ranker").history) == HISTORY


def test_stamp_differs_after_every_change_of_the_pointer(registry):
    a, b = publish(registry, b"a", b"b")
    stamps = [registry.stamp("ranker")]
    for change in (lambda: registry.promote("ranker", a), lambda: registry.promote("ranker", b)):
        change()
        stamps.append(registry.stamp("ranker"))
    registry.rollback("ranker")
    stamps.append(registry.stamp("ranker"))
    assert len(set(stamps)) == 4
    assert registry.stamp("ranker") == stamps[-1]


@pytest.mark.parametrize("keep", [0, 1, 2, 9])
def test_prune_spares_the_newest_the_current_and_its_predecessor(registry, tmp_path, keep):
    versions = publish(registry, b"a", b"b", b"c", b"d", b"e")
    registry.promote("ranker", versions[0])
    registry.promote("ranker", versions[1])
    newest = versions[len(versions) - keep :] if keep < len(versions) else versions
    spared = sorted({versions[0], versions[1], *newest})
    assert registry.prune("ranker", keep) == tuple(version for version in versions if version not in spared)
    assert [model.version for model in registry.list("ranker")] == spared
    assert sorted(path.name for path in (tmp_path / "ranker").iterdir()) == [".lock", *spared, "CURRENT"]


def test_rollback_passes_over_what_is_pruned_or_damaged(registry, tmp_path):
    a, b, c, d = publish(registry, b"a", b"b", b"c", b"d")
    for version in (a, b, c, d):
        registry.promote("ranker", version)
    assert registry.prune("ranker", 0) == (a, b)
    (tmp_path / "ranker" / c / "model.txt").write_bytes(b"x")
    with pytest.raises(Conflict):
        registry.rollback("ranker")
    assert registry.current("ranker").version == d


def damage_content(folder):
    (folder / "model.txt").write_bytes(b"other")


def damage_by_removal(folder):
    (folder / "model.txt").unlink()


def damage_manifest(folder):
    (folder / "manifest.json").write_text('{"files": {}')


def damage_card(folder):
    raw = json.loads((folder / "manifest.json").read_text())
    raw["card"]["unheard_of"] = 1
    (folder / "manifest.json").write_text(json.dumps(raw))


@pytest.mark.parametrize("damage", [damage_content, damage_by_removal, damage_manifest, damage_card])
def test_a_damaged_version_is_refused_by_name_with_the_remedy(registry, tmp_path, damage):
    a, b = publish(registry, b"a", b"b")
    registry.promote("ranker", a)
    damage(tmp_path / "ranker" / b)
    for use in (lambda: registry.get("ranker", b), lambda: registry.promote("ranker", b)):
        with pytest.raises(ModelError, match=rf"{b}.*promote another version"):
            use()
    assert registry.current("ranker").version == a


def test_a_damaged_pointer_is_reported_and_mended_by_a_promote(tmp_path):
    registry = FolderRegistry(tmp_path, lambda: NOON)
    (a,) = publish(registry, b"a")
    registry.promote("ranker", a)
    (tmp_path / "ranker" / "CURRENT").write_text("{")
    for use in (registry.current, registry.rollback, lambda name: registry.prune(name, 0)):
        with pytest.raises(ModelError, match="pointer of ranker is damaged"):
            use("ranker")
    registry.promote("ranker", a)
    assert registry.current("ranker").version == a


def test_a_current_version_that_vanished_is_an_error_not_an_endless_search(registry, tmp_path):
    (a,) = publish(registry, b"a")
    registry.promote("ranker", a)
    (tmp_path / "ranker" / a).rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=f"{a} serves but is missing"):
        registry.current("ranker")


@pytest.mark.parametrize("name", ["", "..", "../ranker", "ranker/", "/", "Ranker", "ranker\0"])
def test_unknown_models_are_not_found_and_nothing_is_written(registry, tmp_path, name):
    uses = (
        lambda: registry.publish(name, {"f": b""}),
        lambda: registry.promote(name, "20260101T120000-000000"),
        lambda: registry.rollback(name),
        lambda: registry.current(name),
        lambda: registry.list(name),
        lambda: registry.prune(name, 1),
        lambda: registry.stamp(name),
    )
    for use in uses:
        with pytest.raises(NotFound, match="there is no model"):
            use()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", ["", ".", "..", "../bandit", ".lock", "20260101T120000-000000", "2026"])
def test_unknown_versions_are_not_found(registry, version):
    publish(registry, b"a")
    for use in (registry.get, registry.promote):
        with pytest.raises(NotFound, match="bandstand models"):
            use("ranker", version)


@pytest.mark.parametrize("filename", ["", ".hidden", "../up", "a/b", "manifest.json", "a b"])
def test_file_names_are_plain(registry, filename):
    with pytest.raises(BadInput):
        registry.publish("ranker", {filename: b""})


def test_bad_values(registry, tmp_path):
    with pytest.raises(BadInput, match="at least one file"):
        registry.publish("ranker", {})
    with pytest.raises(BadInput, match="flat folder"):
        registry.publish("ranker", tmp_path / "nowhere")
    with pytest.raises(BadInput, match="keep"):
        registry.prune("ranker", -1)
    with pytest.raises(ModelError, match="has no file 'other'"):
        registry.get("ranker", publish(registry, b"a")[0]).read("other")


def test_an_unwritable_root_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be changed"):
        FolderRegistry(tmp_path / "file", clock=lambda: NOON).publish("ranker", {"f": b""})


def test_nothing_is_new_to_who_published_it(registry):
    (a,) = publish(registry, b"a")
    registry.promote("ranker", a)
    registry.follow()
    stamp = registry.stamp("ranker")
    assert not registry.follow()
    assert (registry.stamp("ranker"), registry.current("ranker").version) == (stamp, a)


def test_what_was_published_is_there_after_opening_again(open_registry):
    first = open_registry()
    a, b = publish(first, b"a", b"b")
    first.promote("ranker", b)
    again = open_registry()
    again.follow()
    assert ([model.version for model in again.list("ranker")], again.current("ranker").version) == ([a, b], b)
