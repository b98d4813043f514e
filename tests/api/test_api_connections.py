"""How many connections there may be: of whom they are, what descriptors leave, and that places come back."""

from __future__ import annotations

import resource

import pytest

from bandstand.api.connections import MOST, ConnectionLimits, Places, descriptors_for_connections, origin_of
from bandstand.errors import TooMany, Unavailable
from bandstand.settings import Settings


def limits_of(monkeypatch, descriptors=1024, **settings):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    return ConnectionLimits.of(Settings(**settings))


def places(limits):
    refused = []
    return Places(limits, refused.append), refused


@pytest.mark.parametrize(
    ("limit", "left"), [(1024, 768), (512, 256), (256, 128), (8, 4), (1_048_576, 1_048_320), (-1, MOST)]
)
def test_descriptors_are_kept_back_for_what_is_not_a_connection(limit, left):
    assert descriptors_for_connections(limit) == left


@pytest.mark.parametrize(("descriptors", "settings", "most"), [
    (1024, {}, 768),
    (1_048_576, {}, MOST),
    (1_048_576, {"max_connections": 10_000}, 10_000),
    (1024, {"max_connections": 10_000}, 768),
    (1024, {"max_connections": 5}, 5),
    (1024, {"subsonic": "http://127.0.0.1:4533"}, 384),
])  # fmt: skip
def test_no_setting_takes_descriptors_that_are_not_there(monkeypatch, descriptors, settings, most):
    assert limits_of(monkeypatch, descriptors, **settings).most == most


def test_one_address_has_its_share_and_others_have_theirs(monkeypatch):
    there, refused = places(limits_of(monkeypatch, max_connections=4, max_connections_per_address=2))
    first = [there.take("10.0.0.1") for _ in range(2)]
    with pytest.raises(TooMany, match="BANDSTAND_MAX_CONNECTIONS_PER_ADDRESS"):
        there.take("10.0.0.1")
    there.take("10.0.0.2")
    there.take("10.0.0.3")
    with pytest.raises(Unavailable, match="BANDSTAND_MAX_CONNECTIONS"):
        there.take("10.0.0.4")
    first[0].leave()
    first[0].leave()  # gives back one place
    there.take("10.0.0.1")
    with pytest.raises(TooMany):
        there.take("10.0.0.1")
    assert (there.held, refused) == (4, ["address", "connections", "address"])


def test_whoever_everybody_comes_through_is_exempt(monkeypatch):
    there, _ = places(limits_of(monkeypatch, max_connections_per_address=1, proxies="10.0.0.1, 10.1.0.0/16, nobody"))
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "10.1.2.3"):
        for _ in range(3):
            there.take(address)
    for address in ("10.0.0.2", "10.2.0.1", "2001:db8::1"):
        there.take(address)
        with pytest.raises(TooMany):
            there.take(address)
    trusting, _ = places(limits_of(monkeypatch, max_connections_per_address=1, proxies="*"))
    for _ in range(3):
        trusting.take("10.0.0.2")


def test_a_network_of_ipv6_is_one_address():
    assert origin_of("2001:db8:1:2:3:4:5:6") == origin_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert origin_of("2001:db8:1:3::1") != origin_of("2001:db8:1:2::1")
    assert origin_of("::ffff:10.0.0.1") == origin_of("10.0.0.1") == "10.0.0.1"
