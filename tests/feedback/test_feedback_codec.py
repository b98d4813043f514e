"""Bytes of the log: round trips of arbitrary records, and damage of every byte noticed."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bandstand.errors import BadInput, StorageError
from bandstand.feedback import matrices, packed
from bandstand.feedback.codec import (
    decode_event,
    decode_impression,
    decode_json,
    encode_event,
    encode_impression,
    encode_json,
)
from bandstand.feedback.reduced import ROWS, reduced
from bandstand.feedback.ubi_queries import impression_from_ubi, query_to_ubi
from bandstand.types import (
    ArmDecision,
    Correction,
    Decision,
    Event,
    Filters,
    Impression,
    Query,
    RetrieverOutcome,
    Slot,
)

text = st.text(st.characters(codec="utf-8"), max_size=12)
maybe = st.none() | text
finite = st.floats(allow_nan=False, allow_infinity=False)
any32 = st.floats(width=32)
texts = st.lists(text, max_size=3).map(tuple)

queries = st.builds(
    Query,
    id=text,
    text=text,
    normalized=text,
    k=st.integers(1, 100),
    offset=st.integers(0, 100),
    kinds=st.lists(st.sampled_from(["track", "artist"]), max_size=2).map(tuple),
    filters=st.builds(
        Filters,
        values=st.lists(st.tuples(text, texts), max_size=2).map(tuple),
        year_gte=st.none() | st.integers(0, 3000),
    ),
    user_id=maybe,
    session_id=maybe,
    locale=maybe,
    time=finite,
    slots=st.lists(st.builds(Slot, text, text, finite, text), max_size=2).map(tuple),
    correction=st.none()
    | st.builds(Correction, typed=text, text=text, mode=st.just("suggest"), edits=st.integers(0, 9), confidence=finite),
    literal=st.booleans(),
)
decisions = st.builds(
    Decision,
    policy=text,
    version=text,
    arms=st.lists(
        st.builds(
            ArmDecision,
            arm=text,
            depth=st.integers(0, 200),
            propensity=finite,
            probabilities=st.lists(finite, max_size=4).map(tuple),
            context=st.lists(st.tuples(text, st.floats()), max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)
outcomes = st.lists(
    st.builds(RetrieverOutcome, retriever=text, candidates=st.integers(0, 200), took_ms=finite), max_size=3
).map(tuple)


@st.composite
def impressions(draw):
    n, f = draw(st.integers(0, 5)), draw(st.integers(0, 4))
    m = draw(st.integers(0, n))
    return Impression(
        query=draw(queries),
        decision=draw(decisions),
        outcomes=draw(outcomes),
        entity_ids=tuple(draw(st.lists(text, min_size=m, max_size=m))),
        ordinals=draw(arrays.arrays(np.int32, n)),
        scores=draw(arrays.arrays(np.float32, n, elements=any32)),
        features=draw(arrays.arrays(np.float32, (m, f), elements=any32)),
        feature_names=tuple(draw(st.lists(text, min_size=f, max_size=f))),
        shown=draw(st.integers(0, 10)),
        models=draw(st.dictionaries(text, text, max_size=2)),
        corrected=draw(maybe),
        took_ms=draw(finite),
        feature_versions=draw(st.dictionaries(text, st.integers(1, 9), max_size=2)),
    )


events = st.builds(
    Event,
    id=text,
    action=text,
    time=finite,
    query_id=maybe,
    user_query=maybe,
    user_id=maybe,
    session_id=maybe,
    client_id=maybe,
    object_id=maybe,
    position=st.none() | st.integers(1, 1000),
    play_seconds=st.none() | finite,
    payload=text,
)


@given(impressions())
@settings(max_examples=60)
def test_impressions_round_trip(impression):
    again = decode_impression(encode_impression(impression))
    for name in ("query", "decision", "outcomes", "entity_ids", "feature_names", "shown", "corrected", "took_ms"):
        assert repr(getattr(again, name)) == repr(getattr(impression, name)), name
    assert again.models == impression.models
    assert again.feature_versions == impression.feature_versions
    for name in ("ordinals", "scores", "features"):
        back, there = getattr(again, name), getattr(impression, name)
        assert (back.dtype, back.shape) == (there.dtype, there.shape)
        assert back.tobytes() == there.tobytes()


@given(events)
def test_events_round_trip(event):
    assert decode_event(encode_event(event)) == event


def test_the_mask_over_the_catalogue_is_left_out(make):
    impression = make.impression()
    masked = replace(impression, query=replace(impression.query, allowed=np.ones(50_000, np.bool_)))
    assert encode_impression(masked) == encode_impression(impression)


def test_decoded_arrays_cannot_be_changed(make):
    again = decode_impression(encode_impression(make.impression()))
    for array in (again.features, again.scores, again.ordinals):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def of_a_hundred(make):
    """A search with numbers of every size, to places that nobody looks at."""
    rng = np.random.default_rng(1)
    return replace(
        make.impression(ids=tuple(f"track:{i:016x}" for i in range(100))),
        scores=np.sort(rng.normal(size=100).astype(np.float32))[::-1],
        features=np.where(rng.random((100, 45)) < 0.6, np.nan, rng.random((100, 45))).astype(np.float32),
        feature_names=tuple(f"f{i}" for i in range(45)),
    )


def test_what_is_logged_of_a_hundred_by_forty_five_stays_small(make):
    impression = of_a_hundred(make)
    assert len(encode_impression(reduced(impression))) < 2_500  # nothing of it repeats itself
    assert len(encode_impression(impression)) > 9_000


def test_a_search_is_logged_down_to_where_it_was_shown(make):
    impression = of_a_hundred(make)
    short, whole = reduced(impression), reduced(replace(impression, shown=60))
    assert short.entity_ids == impression.entity_ids[:ROWS]
    assert (len(whole.entity_ids), len(whole.features)) == (60, 60)
    np.testing.assert_array_equal(short.ordinals, impression.ordinals)
    np.testing.assert_allclose(short.scores[:ROWS], impression.scores[:ROWS], rtol=2**-11)
    np.testing.assert_allclose(short.scores, impression.scores, rtol=2**-6)
    np.testing.assert_allclose(short.features, impression.features[:ROWS], rtol=2**-11)
    assert encode_impression(reduced(short)) == encode_impression(short)


def test_ranks_are_logged_exactly_and_numbers_of_any_size_nearly(make):
    features = np.array([[1e6, 1 / 3], [-7e4, np.nan], [np.inf, 1 / 997]], np.float32)
    impression = replace(make.impression(ids=("a", "b", "c")), features=features, feature_names=("big", "lexical.rr"))
    again = decode_impression(encode_impression(reduced(impression))).rows
    np.testing.assert_allclose(again.values[:, 0], features[:, 0], rtol=2**-11)
    np.testing.assert_array_equal(again.rank("lexical"), [3, np.nan, 997])


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(0, 20)), elements=any32)
    | arrays.arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(0, 20)), elements=st.floats())
    | arrays.arrays(np.int16, st.tuples(st.integers(1, 6), st.integers(1, 20))).map(lambda parts: parts / 4096.0)
)
def test_matrices_keep_every_bit(values):
    data = matrices.packed(values)
    assert matrices.unpacked(data, *values.shape, values.dtype.type).tobytes() == values.tobytes()


@pytest.mark.parametrize("decode", [decode_event, decode_impression, decode_json])
@pytest.mark.parametrize("data", [b"", b"BS", b"\x00" * 8, b"BS\x01\x01\x00\x00\x00\x00", b"PK" + b"\x00" * 40])
def test_nonsense_is_damage(decode, data):
    with pytest.raises(StorageError, match="damaged"):
        decode(data)


def test_every_flipped_byte_and_every_cut_is_noticed(make):
    data = encode_impression(make.impression())
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 0x41
        for broken in (bytes(flipped), data[:at]):
            with pytest.raises(StorageError):
                decode_impression(broken)


def test_kinds_do_not_pass_for_each_other(make):
    with pytest.raises(StorageError, match="damaged"):
        decode_event(encode_impression(make.impression()))


def test_newer_versions_ask_for_an_upgrade(make):
    data = bytearray(encode_event(make.event()))
    data[3] = 99
    with pytest.raises(StorageError, match="upgrade"):
        decode_event(bytes(data))


def test_what_cannot_be_encoded_is_the_callers_fault(make):
    impression = make.impression()
    with pytest.raises(BadInput, match="shapes"):
        encode_impression(replace(impression, scores=impression.scores[:1]))
    with pytest.raises(BadInput, match="cannot be logged"):
        encode_impression(make.impression(text="\ud800"))
    with pytest.raises(BadInput, match="payload"):
        encode_event(make.event(payload="\ud800"))
    with pytest.raises(BadInput, match="cannot be logged"):
        encode_event(make.event(position=2**70))
    with pytest.raises(BadInput, match="cannot be logged"):
        encode_json({"a": object()})


GOLDEN = Path(__file__).parent / "golden"
"""One record of each kind, and one UBI query, as the first version wrote them; a search also as each later one did."""

LAST_QUERY = Query(
    id="q-1",
    text="Happy  K-pop",
    normalized="happy kpop",
    k=2,
    kinds=("track", "album"),
    filters=Filters(values=(("genre", ("k-pop", "dance")),), year_gte=1990),
    user_id="ana",
    session_id="s-1",
    locale="de-AT",
    time=1_700_000_000.25,
    slots=(Slot("mood", "happy", 0.9, "happy"), Slot("genre", "k-pop", 0.8, "kpop")),
    correction=Correction(typed="hapy kpop", text="happy kpop", mode="showing", edits=1, confidence=0.75),
)


def last_impression(read: str) -> Impression:
    if read != "ubi":
        return decode_impression((GOLDEN / f"{read}.bin").read_bytes())
    return impression_from_ubi(json.loads((GOLDEN / "ubi_query.json").read_text("utf-8")))


@pytest.mark.parametrize("read", ["impression", "impression_2", "impression_3", "ubi"])
def test_a_search_that_the_last_version_logged_is_read_whole(read):
    impression = last_impression(read)
    assert impression.query == LAST_QUERY
    memory, dense = impression.decision.arms
    assert (impression.decision.experiment, impression.decision.assigned) == ("e-1", 0.5)
    assert memory == ArmDecision(arm="memory", depth=50)
    assert (dense.depth, dense.propensity, dense.probabilities) == (10, 0.25, (0.5, 0.25, 0.125, 0.125))
    assert dense.context[0] == ("words", 2.0)
    assert dense.context[1][0] == "best"
    assert np.isnan(dense.context[1][1])
    assert [(o.retriever, o.candidates, o.took_ms) for o in impression.outcomes] == [
        ("memory", 3, 0.5),
        ("dense", 10, 6.25),
        ("lexical", 4, 1.0),
    ]
    assert impression.entity_ids == ("track:a", "track:b", "album:c")
    assert impression.ordinals.tolist() == [3, 1, 2]
    assert impression.scores.tolist() == [2.5, 1.25, -0.5]
    np.testing.assert_array_equal(impression.features, np.array([[1, np.nan], [0.5, 2], [np.nan, 3]], np.float32))
    assert (impression.feature_names, impression.feature_versions) == (("memory.score", "popularity"), {})
    assert (impression.shown, impression.models) == (2, {"ranker": "r1", "bandit": "b1"})
    assert (impression.corrected, impression.took_ms) == ("happy k-pop", 12.5)


def test_a_search_is_written_as_this_version_writes_it():
    """Other bytes are another version, which the one before cannot read; only zstd itself may find shorter ones."""
    written, again = (GOLDEN / "impression_3.bin").read_bytes(), encode_impression(last_impression("impression"))
    assert again[:4] == written[:4] == b"BS\x01\x03"
    body = packed.packed(decode_impression(written))
    assert packed.packed(decode_impression(again)) == body
    assert hashlib.sha256(body).hexdigest()[:16] == "25c7ae50bdfd0627"


def test_events_and_commands_that_the_last_version_logged_are_read():
    assert decode_event((GOLDEN / "event.bin").read_bytes()) == Event(
        id="e-1",
        action="play",
        time=1_700_000_010.5,
        query_id="q-1",
        user_query="happy kpop",
        user_id="ana",
        session_id="s-1",
        object_id="track:b",
        position=2,
        play_seconds=31.5,
        payload='{"action_name":"play"}',
    )
    assert decode_json((GOLDEN / "control.bin").read_bytes()) == {"kind": "forget_user", "user_id": "bob"}


def test_what_the_last_version_exported_is_exported_again():
    """A search exported by either version is the same document, but for what records say since."""
    again = query_to_ubi(last_impression("impression"), features=True)
    assert again["query_attributes"]["bandstand"].pop("feature_versions") == {}
    assert json.loads(json.dumps(again)) == json.loads((GOLDEN / "ubi_query.json").read_text("utf-8"))
