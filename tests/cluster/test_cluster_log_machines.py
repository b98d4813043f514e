"""Two machines on one cluster: both search and accept, one learns, and the other goes on when it is gone."""

import time

import pytest

from bandstand.api.metrics import Metrics
from bandstand.api.service import Service
from bandstand.app.storage import Storage
from bandstand.engine.request import SearchRequest
from bandstand.errors import BandstandError
from bandstand.settings import Settings
from tests.support.log_entries import click
from tests.support.small_home import ENTITIES


@pytest.fixture
def two(tmp_path, new_cluster):
    cluster = new_cluster()
    settings = [
        Settings(
            home=tmp_path / name, encoder="hashing", retrain_minutes=0, lease_seconds=0.5, deadline_ms=10_000.0,
            backend="opensearch", opensearch_url=",".join(cluster.settings.urls),
            opensearch_prefix=cluster.settings.prefix,
        )
        for name in ("a", "b")
    ]  # fmt: skip
    storage = Storage(settings[0])
    storage.store.upsert(list(ENTITIES))
    storage.close()
    services = [Service(each, learn=True) for each in settings]
    for service in services:
        service.start()
    yield services
    for service in services:
        service.stop()


def until(true, seconds=60):
    """Wait for something that another thread does; what it raises while it is still loading is no answer."""
    ends, pause = time.monotonic() + seconds, 0.01
    while True:
        try:
            if true():
                return
        except BandstandError:
            pass
        assert time.monotonic() < ends
        time.sleep(pause)


def searchable(service):
    return service.home.searchable >= service.home.store.head() > 0


def choose(service, number):
    """Search and choose the first hit; the entity, and the number under which the click was accepted."""
    found = service.home.engine.search(SearchRequest(query="hello", user_id=f"u{number}", policy="all"))
    chosen = found.hits[0].entity.id
    event = click(f"e{number}", query_id=found.impression.query.id, user=f"u{number}", object_id=chosen)
    event = type(event)(**{**{name: getattr(event, name) for name in event.__slots__}, "time": service.home.clock()})
    return chosen, service.home.log.append_events([event]).last_seq


def learned(service, seq):
    return service.home.log.reached(service.home.memory.position(), seq)


def clicks(service):
    return sum(row.clicks for row in service.home.memory.query_rows("hello"))


def test_what_is_chosen_on_either_is_known_to_both_and_a_stopped_learner_is_replaced(two):
    one, other = two
    for service in two:
        until(lambda service=service: searchable(service))
    for number, service in enumerate((one, other, one, other)):
        _, seq = choose(service, number)
        until(lambda service=service, seq=seq: learned(service, seq))
    for service in two:
        until(lambda service=service: clicks(service) == pytest.approx(4, abs=0.01))
    assert b"bandstand_spool_waiting_entries 0.0" in Metrics().page(other.home)
    one.stop()
    _, seq = choose(other, 9)
    until(lambda: learned(other, seq))
    assert clicks(other) == pytest.approx(5, abs=0.01)
