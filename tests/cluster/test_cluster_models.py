"""Models in the cluster: published once, mirrored by every machine, whole or not at all."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bandstand.errors import Conflict, ModelError, Unavailable
from bandstand.models.folder import FolderRegistry
from bandstand.models.registry import ModelCard
from bandstand.opensearch import models as module
from bandstand.opensearch.models import MirroredRegistry
from tests.support.log_entries import Line

NOON = 1_767_268_800.0


@pytest.fixture
def line(cluster):
    opened = Line(cluster.settings)
    yield opened
    opened.close()


def mirrored(folder, line):
    return MirroredRegistry(FolderRegistry(folder, lambda: NOON), line, clock=lambda: NOON)


@pytest.fixture
def two(tmp_path, line):
    return [mirrored(tmp_path / name, line) for name in ("a", "b")]


def test_a_version_appears_on_every_machine_with_its_files_and_card(two, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1_000)
    one, other = two
    files, card = {"model.txt": bytes(range(256)) * 13, "empty": b""}, ModelCard(metrics={"ndcg@10": 0.5})
    version = one.publish("ranker", files, card)
    assert other.current("ranker") is None
    assert one.promote("ranker", version)
    assert other.follow()
    model = other.current("ranker")
    assert (model.version, model.card) == (version, card)
    assert {name: model.read(name) for name in model.files} == files
    stamp = other.stamp("ranker")
    assert not other.follow()
    assert other.stamp("ranker") == stamp  # nobody loads a model again that has not changed


def test_pointers_move_for_all(two):
    one, other = two
    first, second = (one.publish("ranker", {"model.txt": text}) for text in (b"a", b"b"))
    one.promote("ranker", first)
    assert other.promote("ranker", second)
    assert one.follow()
    assert one.current("ranker").version == second
    assert one.rollback("ranker") == first
    other.follow()
    assert other.pointer("ranker").pinned
    assert not other.promote("ranker", second, automatic=True)
    with pytest.raises(Conflict, match="no earlier"):
        other.rollback("ranker")


def test_a_machine_that_has_not_followed_promotes_nothing_older(two):
    one, other = two
    versions = [one.publish("bandit", {"model.vw": b"%d" % n}) for n in range(3)]
    other.follow()
    one.promote("bandit", versions[2])
    assert not other.promote("bandit", versions[1], automatic=True)
    assert one.current("bandit").version == other.current("bandit").version == versions[2]


def test_versions_of_machines_that_publish_at_once_are_all_kept_in_one_sequence(two):
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: two[n % 2].publish("bandit", {"model.vw": b"%d" % n}), range(8)))
    for models in two:
        models.follow()
        assert [model.verify().version for model in models.list("bandit")] == sorted(done)
    assert len(set(done)) == 8


def test_pruned_versions_go_everywhere(two, line):
    one, other = two
    versions = [one.publish("bandit", {"model.vw": b"%d" % n}) for n in range(5)]
    one.promote("bandit", versions[0])
    other.follow()
    assert other.prune("bandit", 2) == tuple(versions[1:3])
    one.follow()
    assert [model.version for model in one.list("bandit")] == [versions[0], *versions[3:]]
    line.refresh(line.index("models"))
    ids = {hit["_id"] for hit in line.search(line.index("models"), {"size": 100})["hits"]["hits"]}
    assert {name.split("/")[1] for name in ids if "/" in name} == {versions[0], *versions[3:]}


def test_a_machine_that_comes_later_gets_everything(two, tmp_path, line):
    one, _ = two
    version = one.publish("ranker", {"model.txt": b"a"})
    one.promote("ranker", version)
    late = mirrored(tmp_path / "late", line)
    assert late.follow()
    assert late.current("ranker").read("model.txt") == b"a"


@pytest.mark.parametrize("what", ["lose_request", "lose_answer"])
@pytest.mark.parametrize("step", ["_bulk", "/_doc/ranker"])
def test_a_cut_while_publishing_leaves_it_out_or_whole(two, line, step, what):
    one, other = two
    before = one.publish("ranker", {"model.txt": b"a"})
    one.promote("ranker", before)
    setattr(line, what, step)
    with pytest.raises(Unavailable):
        one.publish("ranker", {"model.txt": b"b"})
    setattr(line, what, None)
    for models in two:
        models.follow()
        assert models.current("ranker").version == before
        for model in models.list("ranker"):
            model.verify()
    assert other.promote("ranker", one.publish("ranker", {"model.txt": b"c"}))
    assert [model.version for model in one.list("ranker")] == [model.version for model in other.list("ranker")]


def test_without_the_cluster_what_was_mirrored_serves(two, line):
    one, other = two
    version = one.publish("ranker", {"model.txt": b"a"})
    one.promote("ranker", version)
    other.follow()
    line.lose_request = ""
    assert not other.follow()
    assert other.current("ranker").version == version
    with pytest.raises(Unavailable):
        other.promote("ranker", version)


def damage(line, part, source):
    line.put(line.index("models"), part, source)


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_damaged_chunk_is_refused_and_what_served_serves_on(two, line, how):
    one, other = two
    good = one.publish("ranker", {"model.txt": b"good"})
    one.promote("ranker", good)
    other.follow()
    bad = one.publish("ranker", {"model.txt": b"bad"})
    part = f"ranker/{bad}/model.txt/0"
    if how == "gone":
        line.delete(line.index("models"), part)
    else:
        line.put(line.index("models"), part, {"data": "AAAA"})
    one.promote("ranker", bad)
    with pytest.raises(ModelError, match=bad):
        other.follow()
    assert other.current("ranker").version == good


def test_a_damaged_pointer_of_a_mirror_is_reported_and_mended_by_the_next_change(two, tmp_path):
    one, other = two
    versions = [one.publish("ranker", {"model.txt": text}) for text in (b"a", b"b")]
    for version in versions:
        one.promote("ranker", version)
    other.follow()
    (tmp_path / "b" / "ranker" / "CURRENT").write_text("{")
    with pytest.raises(ModelError, match="pointer of ranker is damaged"):
        other.current("ranker")
    one.rollback("ranker")
    other.follow()
    assert other.current("ranker").version == versions[0]


def test_followers_in_threads_do_not_disturb_each_other(two):
    one, other = two
    stop, seen = threading.Event(), []

    def follow():
        while not stop.is_set():
            other.follow()
            model = other.current("ranker")
            if model is not None:
                seen.append(model.read("model.txt"))

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(6):
        one.promote("ranker", one.publish("ranker", {"model.txt": b"%d" % n}))
        one.prune("ranker", 1)
    stop.set()
    for thread in threads:
        thread.join()
    other.follow()
    assert other.current("ranker").read("model.txt") == b"5"
    assert set(seen) <= {b"%d" % n for n in range(6)}
