"""Several threads and processes, growth, SIGKILL, and errors in our own tree."""

import inspect
import signal
import threading
from contextlib import closing

import lmdb
import numpy as np
import pytest

from bandstand.errors import BandstandError, Conflict, StorageError
from bandstand.memory_index.checksums import SUM, damage
from bandstand.memory_index.memory import Memory
from tests.support.processes import started

NOW = 1_700_000_000.0

READER = """
import sys
from pathlib import Path
from bandstand.memory_index.memory import Memory
memory = Memory(Path(sys.argv[1]), map_size=1 << 20)
for line in sys.stdin:
    rows = memory.lookup(line.strip(), user=None, now=1.7e9)
    print(memory.position(), len(rows), memory.stats().map_size, flush=True)
"""

WRITER = """
import sys
from pathlib import Path
from functools import partial
from bandstand.memory_index.environment import LmdbEnvironment
from bandstand.memory_index.memory import Memory
from tests.memory_index.test_memory_environment import apply
durable = sys.argv[2] == "durable"
memory = Memory(Path(sys.argv[1]), map_size=1 << 22, open_env=partial(LmdbEnvironment, durable=durable))
while True:
    with memory.batch() as batch:
        for position in range(learned := memory.position(), learned + 7):
            apply(batch, position)
        batch.set_position(position + 1)
    print(position + 1, flush=True)
"""


def apply(batch, position):
    rng = np.random.default_rng(position)
    query, ordinal, user = f"query {rng.integers(9)}", int(rng.integers(20)), f"user {rng.integers(5)}"
    batch.impression(query, np.arange(10), user=user, now=NOW + position)
    batch.click(query, ordinal, user=user, now=NOW + position)
    batch.choose(user, ordinal, normalized=query, strength=1.0, now=NOW + position)
    batch.trend(ordinal, 1.0, now=NOW + position)


def fill(batch, stop=2_000, start=0):
    for number in range(start, stop):
        batch.put(b"filler %d" % number, bytes(1_000))


def test_a_reader_in_another_process_follows_batches_and_growth(open_memory, tmp_path, agree):
    memory = open_memory(map_size=1 << 20)
    agree(memory, "hello", 1)
    with started("-c", READER, tmp_path / "memory") as reader:

        def ask(query):
            reader.stdin.write(query + "\n")
            reader.stdin.flush()
            return [int(number) for number in reader.stdout.readline().split()]

        assert ask("hello")[:2] == [0, 1]
        before = memory.stats().map_size
        for position in range(1, 9):
            with memory.batch() as batch:
                fill(batch, 100 * position, 100 * position - 100)
                batch.set_position(position)
        agree(memory, "hello", 2)
        assert memory.stats().map_size > before
        assert ask("hello") == [8, 2, memory.stats().map_size]
        reader.stdin.close()
        assert reader.wait(30) == 0


def test_a_batch_that_does_not_fit_is_undone_and_fits_once_the_map_has_grown(open_memory):
    memory = open_memory(map_size=1 << 20)
    for _ in range(2):
        with pytest.raises(StorageError, match="apply the batch again") as caught, memory.batch() as batch:
            fill(batch)
        assert isinstance(caught.value.__cause__, lmdb.MapFullError)
        assert (memory.version(), memory.state(b"filler 0")) == (0, None)
    with memory.batch() as batch:
        fill(batch)
    assert memory.state(b"filler 1999") == bytes(1_000)


def test_threads_read_while_batches_grow_the_map(open_memory, agree, now):
    memory = open_memory(map_size=1 << 20)
    agree(memory, "hello", *range(30))
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            if len(memory.lookup("hello", user="ann", now=now)) != 30:
                wrong.append("lost rows")

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(8):
        with memory.batch() as batch:
            for key in range(number * 100, number * 100 + 100):
                batch.put(b"%d" % key, bytes(2_000))
    stop.set()
    for thread in threads:
        thread.join()
    assert memory.stats().map_size > 1 << 20
    assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "durable"), [(0, "durable"), (1, "durable"), (2, "not")])
def test_a_killed_writer_leaves_a_state_that_was_committed(tmp_path, seed, durable):
    rng = np.random.default_rng(seed)
    with started("-c", WRITER, tmp_path / "killed", durable) as writer:
        for _ in range(int(rng.integers(1, 40))):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
    killed, calm = Memory(tmp_path / "killed"), Memory(tmp_path / "calm")
    try:
        position = killed.position()
        assert position >= said
        assert position % 7 == 0
        with calm.batch() as batch:
            for number in range(position):
                apply(batch, number)
        assert killed.stats().pairs == calm.stats().pairs
        for number in range(9):
            one, other = (m.lookup(f"query {number}", user="user 1", now=NOW) for m in (killed, calm))
            assert one.ordinals.tolist() == other.ordinals.tolist()
            assert one.clicks.tolist() == pytest.approx(other.clicks.tolist())
        assert killed.trending(now=NOW)[1].tolist() == pytest.approx(calm.trending(now=NOW)[1].tolist())
    finally:
        killed.close()
        calm.close()


def test_a_folder_is_opened_once_in_a_process(memory, tmp_path):
    with pytest.raises(Conflict, match="share the one Memory"):
        Memory(tmp_path / "memory")


def test_what_was_learned_is_there_after_opening_again(open_memory, agree, now):
    memory = open_memory("again")
    agree(memory, "hello", 3)
    with memory.batch() as batch:
        batch.click("mine", 4, user="ann", now=now)
    memory.close()
    memory.close()
    again = open_memory("again")
    assert again.lookup("hello", user=None, now=now).ordinals.tolist() == [3]
    assert again.lookup("mine", user="ann", now=now).ordinals.tolist() == [4]


def test_a_closed_memory_says_so(open_memory, now):
    memory = open_memory()
    memory.close()
    for use in (lambda: memory.lookup("hello", user=None, now=now), memory.position, memory.stats):
        with pytest.raises(StorageError, match="open it again"):
            use()
    with pytest.raises(StorageError, match="open it again"), memory.batch():
        pass


def test_a_batch_is_of_no_use_after_its_block(memory, now):
    with memory.batch() as batch:
        batch.put(b"key", b"value")
    with pytest.raises(lmdb.Error):
        batch.put(b"key", b"other")
    assert memory.state(b"key") == b"value"


def test_a_damaged_file_is_named_with_the_remedy(tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "data.mdb").write_bytes(b"not a database" * 1_000)
    with pytest.raises(StorageError, match="delete the folder"):
        Memory(folder)


def test_a_path_that_is_a_file_is_named(tmp_path):
    (tmp_path / "memory").write_text("in the way")
    with pytest.raises(StorageError, match="memory"):
        Memory(tmp_path / "memory")


def test_another_format_is_refused(open_memory, tmp_path):
    memory = open_memory()
    memory.close()
    with lmdb.open(str(tmp_path / "memory"), max_dbs=30) as environment, environment.begin(write=True) as txn:
        txn.put(b"schema", (99).to_bytes(8, "little"), db=environment.open_db(b"meta", txn=txn))
    with pytest.raises(StorageError, match="format 99"):
        Memory(tmp_path / "memory")


@pytest.mark.parametrize(
    "upstream", [error for _, error in inspect.getmembers(lmdb, inspect.isclass) if issubclass(error, lmdb.Error)]
)
def test_every_lmdb_error_is_mapped(memory, upstream):
    for transaction in (memory._env.reading, memory._env.writing):
        with pytest.raises(BandstandError) as caught, transaction():
            raise upstream("what LMDB says")
        assert isinstance(caught.value.__cause__, upstream)
        assert ":" in str(caught.value) or "must" in str(caught.value)  # a remedy


class TestDamage:
    """The memory's file may be damaged or cut: nobody dies of it, and nothing wrong is believed."""

    @pytest.fixture
    def folder(self, tmp_path):
        with closing(Memory(tmp_path / "memory")) as memory:
            for number in range(200):
                with memory.batch() as batch:
                    batch.click(f"query {number}", number, user="ann", now=1.0)
                    batch.put(b"key", str(number).encode())
                    batch.delete(b"key")
        return tmp_path / "memory"

    def test_records_add_up_however_they_were_changed(self, folder):
        with closing(Memory(folder)) as memory, memory.batch() as batch:
            batch.forget_user("ann")
            batch.forget_entity(3)
        assert damage(folder) == ""
        with closing(Memory(folder)) as memory:
            memory.begin_anew({b"key": b"value"})
            assert (memory.stats().queries, memory.state(b"key")) == (0, b"value")
        assert damage(folder) == ""

    def test_a_changed_byte_of_a_record_is_found(self, folder):
        data = (folder / "data.mdb").read_bytes()
        at = data.rindex(b"query 150")
        (folder / "data.mdb").write_bytes(data[:at] + b"Q" + data[at + 1 :])
        assert damage(folder)

    def test_a_memory_of_before_gets_its_sum(self, folder):
        with closing(lmdb.open(str(folder), max_dbs=30)) as env, env.begin(write=True) as txn:
            txn.delete(SUM, db=env.open_db(b"meta", txn=txn))
        assert damage(folder) == ""
        with closing(Memory(folder)) as memory, memory.batch() as batch:
            batch.put(b"key", b"value")
        with closing(lmdb.open(str(folder), max_dbs=30)) as env, env.begin() as txn:
            assert txn.get(SUM, db=env.open_db(b"meta", txn=txn, create=False))
        assert damage(folder) == ""

    @pytest.mark.parametrize("kept", [0.5, 0.9])
    def test_a_file_that_was_cut_short_is_refused_instead_of_ending_the_process(self, folder, kept):
        file = folder / "data.mdb"
        with file.open("r+b") as cut:
            cut.truncate(int(file.stat().st_size * kept) // 4096 * 4096)
        with pytest.raises(StorageError, match="was cut short"):
            Memory(folder)
        with file.open("r+b") as cut:
            cut.truncate(file.stat().st_size - 1)
        with pytest.raises(StorageError, match="cut short"):
            Memory(folder)
