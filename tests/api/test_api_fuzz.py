"""Whatever the description allows, and much that it forbids: every answer is one that the description names."""

from __future__ import annotations

import shutil
import socket
import threading

import orjson
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
)

from bandstand.api.app import create_app
from tests.support.api_world import serving, settings_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def live(built_home, tmp_path_factory):
    """The application behind a real HTTP server, on a port of its own."""
    home = shutil.copytree(built_home, tmp_path_factory.mktemp("fuzz") / "home")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with serving(home) as client:
        server = uvicorn.Server(uvicorn.Config(client.app, lifespan="off", log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=30)


# A description cannot say everything (offset + k, blank titles). Events and lines are judged one by one, so that no
# body is refused as a whole; and "bulk" and "delete" are an entity's id too, for every method but POST.
EXCLUDED = {
    "/v1/events": [negative_data_rejection],
    "/v1/entities/bulk": [negative_data_rejection, allow_header_conformance],
    "/v1/entities/delete": [allow_header_conformance],
}

schema = schemathesis.openapi.from_dict(create_app(settings_of("unused")).openapi())


@schemathesis.serializer("application/x-ndjson")
def lines(_: object, value: object) -> bytes:
    """The description says text, so text is what is sent."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else orjson.dumps(value)


@schema.parametrize()
@settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_described(case, live):
    excluded = [positive_data_acceptance, *EXCLUDED.get(case.operation.path, ())]
    case.call_and_validate(base_url=live, excluded_checks=excluded)
