"""What was deleted from an LMDB file is overwritten: in free pages, in gaps, behind values; and what is there stays."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandstand.errors import StorageError
from bandstand.memory_index.checksums import damage
from bandstand.memory_index.environment import LmdbEnvironment
from bandstand.memory_index.erasing import erase
from tests.support.processes import started

NEEDLE = b"an unmistakable needle"

READER = """
import sys
from pathlib import Path
from bandstand.memory_index.environment import LmdbEnvironment
env = LmdbEnvironment(Path(sys.argv[1]), 1 << 20)
with env.reading() as txn:
    print("reads", flush=True)
    sys.stdin.readline()
print("done", flush=True)
sys.stdin.readline()
"""


def state(env):
    """Everything that a transaction sees."""
    with env.reading() as txn:
        return {
            name: [(bytes(key), bytes(value)) for key, value in txn.cursor(db=db)]
            for name, db in env.dbs.items()
            if name != "meta"
        }


def needles(env):
    return (env.path / "data.mdb").read_bytes().count(NEEDLE)


def fill(env, sizes):
    """A record of each size, every second one with the needle at its end, some larger than a page."""
    with env.writing() as txn:
        for number, size in enumerate(sizes):
            value = os.urandom(size) + (NEEDLE if number % 2 else b"")
            txn.put(b"key %d" % number, value, db=env.dbs["state"])
            txn.put(b"several", os.urandom(8), db=env.dbs["near"])


@settings(max_examples=15)
@given(
    sizes=st.lists(st.sampled_from([0, 10, 300, 1_500, 3_000, 9_000, 30_000]), min_size=1, max_size=60),
    batches=st.integers(1, 4),
    shortened=st.booleans(),
)
def test_no_byte_of_what_was_deleted_is_left_and_all_else_stays(tmp_path_factory, sizes, batches, shortened):
    with closing(LmdbEnvironment(tmp_path_factory.mktemp("env"), 1 << 24)) as env:
        for _ in range(batches):
            fill(env, sizes)
        with env.writing() as txn:
            for number in range(1, len(sizes), 2):
                key = b"key %d" % number
                value = txn.get(key, db=env.dbs["state"])
                if shortened and len(value) > 9_000:
                    txn.put(key, value[: -len(NEEDLE)], db=env.dbs["state"])
                else:
                    txn.delete(key, db=env.dbs["state"])
        before = state(env)
        assert env.erase()
        assert needles(env) == 0
        assert state(env) == before
        fill(env, sizes[:1])  # what LMDB held in memory does not come back to the file
        for number in range(200):
            with env.writing() as txn:
                txn.put(b"more %d" % number, bytes(number), db=env.dbs["state"])
        assert needles(env) == 0
        assert damage(env.path) == ""


def test_who_reads_what_was_there_before_is_waited_for(tmp_path):
    with closing(LmdbEnvironment(tmp_path, 1 << 20)) as env:
        fill(env, [100, 100])
        with started("-c", READER, tmp_path) as reader:
            assert reader.stdout.readline() == "reads\n"
            with env.writing() as txn:
                txn.delete(b"key 1", db=env.dbs["state"])
            assert not env.erase()
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == "done\n"
            assert env.erase()
        assert needles(env) == 0


def test_a_file_of_another_format_is_not_touched(tmp_path):
    with lmdb.open(str(tmp_path), map_size=1 << 20) as env, env.begin(write=True) as txn:
        txn.put(b"key", b"value")
    path = Path(tmp_path) / "data.mdb"
    content = bytearray(path.read_bytes())
    content[20] += 1  # the format's version
    path.write_bytes(content)
    with pytest.raises(StorageError, match="another format than LMDB"):
        erase(path, 1)
    assert path.read_bytes() == bytes(content)
