"""Records on disk: byte for byte as version 0.1 wrote them, and whole after any change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandstand.memory_index.history import CHOICE, CoChosen, History, UsersWhoChose
from bandstand.memory_index.query_records import PENDING, ROW, SEEN, SHARED, QueryRecord, StoredQuery, worth

NAN = float("nan")

GOLDEN = bytes.fromhex(
    "00000060b813da410000f8400000003f04000000030000000200000003000000070000002800"
    "00000c00000000006040000000000000803e000000000000803f0000000000000040000000000000a0400000803f00000000000000400000c0"
    "7f0000003e0000003f0000c07f0000c03f0000803f000000000000803f02000000000000000200000001000000000060400000000000"
    "00803e0000803f0000803f0000000000000040000000007361642073c3b66e67"
)
"""A query with a shared pair, a predicted one, one that waits for a second person, and a shared and predicted one."""

ROWS = [
    (3, SHARED, 5.0, 3.5, 1.0, NAN),
    (7, SEEN, 1.0, 0.0, 0.0, 0.125),
    (12, PENDING, 2.0, 1.0, 0.0, NAN),
    (40, SHARED, 0.0, 0.25, 2.0, 0.5),
]


def record(rows=ROWS, text="sad söng", updated=1.75e9):
    return QueryRecord(text, updated, np.array(rows, ROW))


class TestBytes:
    def test_a_query_record_is_written_as_it_was(self):
        assert record().dump() == GOLDEN
        assert QueryRecord().dump() == bytes(28)

    @pytest.mark.parametrize("last", [0.5, NAN])
    def test_what_was_only_predicted_is_written_as_anything_else(self, last):
        predicted = record([(3, SEEN, 0.0, 0.0, 0.0, 0.125), (7, SEEN, 0.0, 0.0, 0.0, last)])
        assert bool(predicted._dump_predicted()) == (last > 0)
        assert predicted.dump() == predicted._dump_any()

    def test_a_writer_reads_everything_again(self):
        read = QueryRecord.load(GOLDEN)
        assert (read.text, read.updated, read.stored) == ("sad söng", 1.75e9, 4)
        assert read.rows.tobytes() == record().rows.tobytes()
        assert read.published.tolist() == read.shared_ordinals.tolist() == [3, 40]

    def test_a_reader_sees_what_everybody_may(self):
        stored = StoredQuery(GOLDEN)
        assert (stored.text, stored.shared, worth(GOLDEN)) == ("sad söng", 2, (7.75, 1.75e9, 0.5))
        assert stored.visible["ordinal"].tolist() == [3, 7, 40]
        assert stored.visible["clicks"].tolist() == [3.5, 0.0, 0.25]
        assert stored.visible["plays"].tolist() == [1.0, 0.0, 2.0]
        assert stored.visible["unclicked"].tolist() == [1.5, 1.0, 0.0]
        assert stored.rows["raw_clicks"].tolist() == [3.5, 0.0, 0.25, 1.0]
        assert stored.rows["clicks"][3] == 0.0  # one person's own

    def test_histories_are_written_as_they_were(self):
        history = "050000000000c03f000000000000004000000060b813da413132333435363738" + "".join(
            f"0{bits}00000000000000" for bits in (1, 2, 3, 4)
        )
        assert History(np.array([(5, 1.5, 2.0, 1.75e9, b"12345678", (1, 2, 3, 4))], CHOICE)).dump().hex() == history
        assert CoChosen(2.0, {5: 1.0, 9: 2.5}).dump().hex() == "0000000000000040050000000000803f0900000000002040"
        assert UsersWhoChose([b"abcdefgh", b"ijklmnop"]).dump() == b"abcdefghijklmnop"


class TestChanges:
    @given(st.lists(st.lists(st.integers(0, 20), max_size=6), max_size=6))
    def test_rows_stay_in_order_and_keep_what_they_hold(self, added):
        changing, expected = QueryRecord(), {}
        for ordinals in added:
            unique = np.unique(np.array(ordinals, np.int32))
            at = changing.add(unique)
            changing.rows["clicks"][at] += 1
            expected = {**expected, **{ordinal: expected.get(ordinal, 0) + 1 for ordinal in unique.tolist()}}
        assert changing.rows["ordinal"].tolist() == sorted(expected)
        assert dict(zip(changing.rows["ordinal"].tolist(), changing.rows["clicks"].tolist(), strict=True)) == expected
        assert np.isnan(changing.rows["predicted"]).all()
        for ordinal in range(21):
            assert (changing.find(ordinal) >= 0) == (ordinal in expected)

    def test_counts_decay_and_never_grow_again(self):
        changing = record()
        changing.advance(1.75e9 + 10.0, half_life=10.0)
        assert changing.rows["clicks"].tolist() == [1.75, 0.0, 0.5, 0.125]
        changing.advance(1.75e9, half_life=10.0)
        assert changing.rows["plays"].tolist() == [0.5, 0.0, 0.0, 1.0]
        assert changing.rows["predicted"][1] == pytest.approx(0.125)

    def test_the_least_chosen_rows_are_too_many_first(self):
        assert record().surplus(2).tolist() == [False, True, True, False]
        assert not record().surplus(4).any()
