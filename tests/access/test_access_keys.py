"""Keys over every store: issued, exchanged, revoked, and what opens in a process that follows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bandstand.access.callers import TRUSTED
from bandstand.access.key_file import KeyFile
from bandstand.access.keyring import Keyring
from bandstand.access.keys import ANONYMOUS, Grant, digest_of, issue, revoke, rotate, unguessable
from bandstand.errors import BadInput, Conflict, NotFound, StorageError, Unauthorized, Unavailable
from bandstand.opensearch.keys import ClusterKeys
from bandstand.types import Boundary, Filters

NOW = 1_700_000_000.0
SEARCH = Grant(scopes=("search",))
BOUND = Grant(
    scopes=("search", "suggest"),
    expires=NOW + 60,
    origins=("https://example.org",),
    rate=2.5,
    within=Boundary(kinds=("track",), filters=Filters(values=(("genre", ("jazz", "soul")),), year_gte=1960)),
)


@pytest.fixture(params=["embedded", "opensearch"])
def store(request, tmp_path):
    if request.param == "embedded":
        return KeyFile(tmp_path / "home" / "keys.json")
    return ClusterKeys(request.getfixturevalue("borrow_cluster")(), KeyFile(tmp_path / "keys.json"))


def names(store) -> list[str] | None:
    keys = store.read()
    return None if keys is None else [key.name for key in keys]


class TestStore:
    def test_what_was_issued_is_read_back_whole_and_its_secret_is_not_there(self, store):
        assert names(store) is None
        issued = issue(store, "web", BOUND, now=NOW)
        assert store.read() == (issued.key,)
        assert issued.key.grant == BOUND
        assert unguessable(issued.secret)
        assert issued.key.digest == digest_of(issued.secret)
        assert issued.secret not in repr(store.read())

    def test_names_are_unique_and_those_that_are_missing_are_named(self, store):
        issue(store, "web", SEARCH, now=NOW)
        with pytest.raises(Conflict, match="web"):
            issue(store, "web", SEARCH, now=NOW)
        for use in (revoke, lambda store, name: rotate(store, name, now=NOW)):
            with pytest.raises(NotFound, match="keys list"):
                use(store, "other")
        assert names(store) == ["web"]

    def test_where_all_are_revoked_there_were_keys(self, store):
        issue(store, "web", SEARCH, now=NOW)
        revoke(store, "web")
        assert names(store) == []

    def test_another_secret(self, store):
        old = issue(store, "web", BOUND, now=NOW)
        new = rotate(store, "web", now=NOW, keep_s=60)
        assert new.secret != old.secret
        assert store.read() == (
            replace(old.key, digest=digest_of(new.secret), former=old.key.digest, former_until=NOW + 60),
        )

    @pytest.mark.parametrize("grant", [
        Grant(scopes=()),
        Grant(scopes=("serch",)),
        Grant(scopes=("search",), expires=NOW),
        Grant(scopes=("search",), origins=("example.org",)),
        Grant(scopes=("search",), origins=("https://example.org/page",)),
        Grant(scopes=("search", "entities:write"), within=Boundary(kinds=("track",))),
    ])  # fmt: skip
    def test_what_cannot_be_kept_is_refused(self, tmp_path, grant):
        store = KeyFile(tmp_path / "keys.json")
        with pytest.raises(BadInput):
            issue(store, "web", grant, now=NOW)
        assert names(store) is None

    @pytest.mark.parametrize("name", ["", " ", "a b", "-x", "é", "x" * 65, "a/b"])
    def test_names_fit_into_addresses(self, tmp_path, name):
        with pytest.raises(BadInput, match="name"):
            issue(KeyFile(tmp_path / "keys.json"), name, SEARCH, now=NOW)


class TestFile:
    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "keys": [{"name": 1}]}', "\x00"]
    )
    def test_a_damaged_one_is_refused_with_the_remedy(self, tmp_path, content):
        (tmp_path / "keys.json").write_text(content)
        with pytest.raises(StorageError, match="backup"):
            KeyFile(tmp_path / "keys.json").read()

    def test_one_of_a_newer_version_says_so(self, tmp_path):
        (tmp_path / "keys.json").write_text('{"format": 2, "keys": []}')
        with pytest.raises(StorageError, match="upgrade"):
            KeyFile(tmp_path / "keys.json").read()


class TestCluster:
    def test_all_machines_share_them_and_each_knows_them_while_it_is_away(self, borrow_cluster, tmp_path, monkeypatch):
        cluster = borrow_cluster()
        one, other = (ClusterKeys(cluster, KeyFile(tmp_path / name / "keys.json")) for name in ("one", "other"))
        with pytest.raises(Unavailable):
            other.recall()
        issue(one, "web", SEARCH, now=NOW)
        assert names(other) == ["web"]

        def away(*_: object, **__: object) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(cluster, "get", away)
        assert names(other) == ["web"]
        assert [key.name for key in other.recall()] == ["web"]
        with pytest.raises(Unavailable):
            ClusterKeys(cluster, KeyFile(tmp_path / "third" / "keys.json")).read()

    def test_one_that_was_set_back_to_before_its_keys_does_not_open(self, borrow_cluster, tmp_path):
        cluster = borrow_cluster()
        issue(ClusterKeys(cluster, KeyFile(tmp_path / "keys.json")), "web", SEARCH, now=NOW)
        assert names(ClusterKeys(cluster, KeyFile(tmp_path / "keys.json"))) == ["web"]
        cluster.delete(cluster.index("state"), "keys")
        assert names(ClusterKeys(cluster, KeyFile(tmp_path / "keys.json"))) == []


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(tmp_path):
    return KeyFile(tmp_path / "keys.json")


def ring(keys, clock, *, admin_key=None, local=True) -> Keyring:
    made = Keyring(admin_key=admin_key, local=local, clock=clock)
    made.follow(keys.read)
    return made


class TestKeyring:
    def test_without_any_key_everybody_on_this_machine_is_trusted_and_nobody_elsewhere(self, keys, clock):
        assert ring(keys, clock).key_of(None, "admin") is TRUSTED.key
        assert ring(keys, clock).key_of("whatever", "admin") is TRUSTED.key
        with pytest.raises(Unauthorized):
            ring(keys, clock, local=False).key_of(None, "search")

    def test_once_there_was_a_key_nothing_opens_without_one(self, keys, clock):
        issue(keys, "web", SEARCH, now=NOW)
        for _ in range(2):
            for secret in (None, "", "web", "bs_" + 43 * "x"):
                with pytest.raises(Unauthorized):
                    ring(keys, clock).key_of(secret, "search")
            if keys.read():
                revoke(keys, "web")

    def test_the_admin_key_of_the_settings_opens_everything_beside_others(self, keys, clock):
        issued = issue(keys, "web", SEARCH, now=NOW)
        held = ring(keys, clock, admin_key="open sesame")
        assert held.key_of("open sesame", "admin").grant.scopes == ("admin",)
        assert held.key_of(issued.secret, "search") == issued.key
        with pytest.raises(Unauthorized):
            held.key_of(None, "search")

    def test_keys_expire_and_former_secrets_before_them(self, keys, clock):
        old = issue(keys, "web", BOUND, now=NOW)
        new = rotate(keys, "web", now=NOW, keep_s=30)
        held = ring(keys, clock)
        assert held.key_of(old.secret, "search") == held.key_of(new.secret, "search") == new.key
        clock.now += 30
        with pytest.raises(Unauthorized, match="expired"):
            held.key_of(old.secret, "search")
        held.key_of(new.secret, "search")
        clock.now += 30
        with pytest.raises(Unauthorized, match="expired"):
            held.key_of(new.secret, "search")

    def test_who_gives_no_key_has_what_anonymous_has_and_a_wrong_one_has_nothing(self, keys, clock):
        issued = issue(keys, ANONYMOUS, SEARCH, now=NOW)
        assert issued.secret == ""
        held = ring(keys, clock)
        assert held.key_of(None, "search") == issued.key
        for wrong in ("", "anonymous", issued.key.digest):
            with pytest.raises(Unauthorized):
                held.key_of(wrong, "search")
        with pytest.raises(BadInput, match="no secret"):
            rotate(keys, ANONYMOUS, now=NOW)

    def test_while_they_cannot_be_read_those_that_are_known_hold(self, keys, clock, tmp_path):
        issued = issue(keys, "web", SEARCH, now=NOW)
        held = ring(keys, clock)
        (tmp_path / "keys.json").write_text("{")
        with pytest.raises(StorageError):
            held.follow(keys.read)
        assert held.key_of(issued.secret, "search") == issued.key
        with pytest.raises(Unauthorized):
            held.key_of(None, "search")

    def test_before_they_were_read_only_events_are_taken_and_only_on_this_machine(self, clock):
        held = Keyring(admin_key="open sesame", local=True, clock=clock)
        assert held.key_of(None, "events").grant.scopes == ("events",)
        assert held.key_of("open sesame", "admin").grant.scopes == ("admin",)
        for secret, needed in ((None, "search"), ("guess", "search"), (None, "admin")):
            with pytest.raises(Unavailable):
                held.key_of(secret, needed)
        with pytest.raises(Unavailable):
            Keyring(admin_key=None, local=False, clock=clock).key_of(None, "events")
