"""What letting a request in costs, in microseconds of CPU: `python -m bench.keys`."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bandstand.access.key_file import KeyFile
from bandstand.access.keyring import Keyring
from bandstand.access.keys import Grant, issue
from bandstand.access.user_tokens import user_token
from bandstand.api.access import Gate
from bandstand.api.metrics import Metrics

SECRET = "0123456789abcdef0123456789abcdef"
HEADERS = [
    (b"host", b"127.0.0.1:8080"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"),
    (b"user-agent", b"python-httpx/0.28"),
    (b"content-type", b"application/json"),
    (b"content-length", b"40"),
]


def main() -> None:
    """Print a line for each kind of caller."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000, help="how many keys there are")
    parser.add_argument("--requests", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = KeyFile(Path(folder) / "keys.json")
        nobody = _gate(store)
        grants = [Grant(scopes=("search",)), Grant(scopes=("search",), rate=1e9)]
        plain, limited = (issue(store, f"key-{n}", grant, now=0.0).secret for n, grant in enumerate(grants))
        _fill(store, given.keys)
        gate = _gate(store)
    token = user_token("ana", SECRET, expires=4_000_000_000)
    _say("no keys", _asking(nobody), given.requests)
    _say("a key", _asking(gate, key=plain), given.requests)
    _say("a key with a rate", _asking(gate, key=limited), given.requests)
    _say("a key and a user token", _asking(gate, key=plain, user=token), given.requests)


def _fill(store: KeyFile, count: int) -> None:
    """Copies of one key under other digests: to make each is a file written and synchronised."""
    store.change(lambda keys: (*keys, *(replace(keys[0], name=f"other-{n}", digest=f"{n:064x}") for n in range(count))))


def _gate(store: KeyFile) -> Gate:
    keys = Keyring(admin_key=None, local=True, clock=time.time)
    keys.follow(store.read)
    return Gate(keys, Metrics(), token_secret=SECRET)


def _asking(gate: Gate, **given: str) -> Callable[[], object]:
    headers = HEADERS + [(f"x-bandstand-{name}".encode(), value.encode()) for name, value in given.items()]
    return lambda: gate.admit({"headers": headers, "client": ("127.0.0.1", 1)}, "search")


def _say(what: str, ask: Callable[[], object], requests: int) -> None:
    started = time.process_time()
    for _ in range(requests):
        ask()
    print(f"{what:<24} {(time.process_time() - started) / requests * 1e6:6.2f} µs")


if __name__ == "__main__":
    main()
