"""Overwrites what deleted records left in an LMDB file: LMDB frees pages, and room in them, and keeps what was there.

By the file format of LMDB 0.9 (``mdb.c``, data version 1), which has not changed since 2013. Nothing that a transaction
can see is written to: free pages, the gap between a page's pointers and its nodes, and what stands behind the last byte
of a value that has pages of its own.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import StorageError

_META = Struct("=IIQQ")  # magic, version, address, size of the map; after the page's header
_DATABASE = Struct("=IHHQQQQQ")  # pad, flags, depth, branch, leaf, overflow pages, entries, root
_LAST = Struct("=QQ")  # last page, transaction
_NODE = Struct("=HHHH")  # low and high half of a size, flags, size of the key
_NUMBER = Struct("=Q")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER = 16
_BRANCH, _LEAF, _OVERFLOW, _FIXED = 0x01, 0x02, 0x04, 0x20
_APART = 0x01
"""Of a node: its value has pages of its own."""

_NOWHERE = (1 << 64) - 1

Pages = NDArray[np.uint8]
"""Every page of a file, (n, bytes of a page)."""

Spans = Iterator[tuple[int, int]]
"""Beginnings and ends in a file."""


class _State(NamedTuple):
    """What the newest meta page says: bytes of a page, the root of the free list, the last page, the transaction."""

    page: int
    free: int
    last: int
    transaction: int


def erase(path: Path, upto: int) -> None:
    """Overwrite with zeros what transactions up to number ``upto`` have deleted from the LMDB file ``path``.

    The caller holds LMDB's lock for writing, both meta pages are newer than ``upto``, and nobody reads a state that is
    older. Keys and values of fixed size that share a node (sorted values of one key) are not looked into.

    Raises:
        StorageError: the file is of another format than is known here.
    """
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        with closing(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)) as whole:
            state = max(_states(whole, path), key=lambda each: each.transaction)
            count = min(state.last + 1, size // state.page)
            pages = np.frombuffer(whole, np.uint8, count * state.page).reshape(count, state.page)
            try:
                for start, end in _leftovers(pages, state, upto):
                    if np.frombuffer(whole, np.uint8, end - start, start).any():
                        os.pwrite(file.fileno(), bytes(end - start), start)
            finally:
                del pages  # else the map cannot be closed
        os.fsync(file.fileno())


def _states(whole: mmap.mmap, path: Path) -> Iterator[_State]:
    page = _DATABASE.unpack_from(whole, _HEADER + _META.size)[0]
    for start in (0, page):
        magic, version, *_ = _META.unpack_from(whole, start + _HEADER)
        if (magic, version & 0xFFFF) != (_MAGIC, _VERSION):
            raise StorageError(
                f"what was deleted in {path} cannot be overwritten, as the file has another format than LMDB 0.9's:"
                " delete the folder and learn anew from the log"
            )
        free = _DATABASE.unpack_from(whole, start + _HEADER + _META.size)
        last = _LAST.unpack_from(whole, start + _HEADER + _META.size + 2 * _DATABASE.size)
        yield _State(page, free[-1], *last)


def _leftovers(pages: Pages, state: _State, upto: int) -> Spans:
    """Where in the file something may stand that no transaction sees."""
    free = np.zeros(len(pages), np.bool_)
    for transaction, numbers in _freed(pages, state.free):
        if transaction <= upto:
            free[numbers[numbers < len(pages)]] = True
    for number in np.flatnonzero(free).tolist():
        yield number * state.page, (number + 1) * state.page
    flags, lower, upper, lengths = _headers(pages)
    apart = _runs(pages, free, flags, lengths)
    taken = free.copy()
    taken[:2] = True
    for number, length in apart.items():
        taken[number : number + length] = True
    for number in np.flatnonzero(~taken & ((flags & (_BRANCH | _LEAF)) != 0)).tolist():
        start, low, high = number * state.page, int(lower[number]), int(upper[number])
        if flags[number] & _FIXED:
            width = int(pages[number, 8:10].view(np.uint16)[0])
            yield start + _HEADER + (low - _HEADER) // 2 * width, start + state.page
            continue
        yield start + low, start + high
        if apart and flags[number] & _LEAF:
            for first, length in _values_apart(pages[number], low):
                if first in apart:
                    yield first * state.page + _HEADER + length, (first + apart[first]) * state.page


def _headers(pages: Pages) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint32]]:
    """Of every page its flags, the beginning and the end of its gap, and how many pages a value takes."""
    heads = np.ascontiguousarray(pages[:, :_HEADER])
    words, numbers = heads.view(np.uint16), heads.view(np.uint32)
    return words[:, 5], words[:, 6], words[:, 7], numbers[:, 3]


def _runs(
    pages: Pages, free: NDArray[np.bool_], flags: NDArray[np.uint16], lengths: NDArray[np.uint32]
) -> dict[int, int]:
    """The first pages of values that have pages of their own, and how many these are.

    The pages after the first are raw values, which may look like anything: hence in order.
    """
    numbers = np.ascontiguousarray(pages[:, :8]).view(np.uint64)[:, 0]
    firsts = np.flatnonzero(~free & (flags == _OVERFLOW) & (numbers == np.arange(len(pages), dtype=np.uint64)))
    found: dict[int, int] = {}
    end = 2
    for number in firsts.tolist():
        if number >= end:
            found[number] = int(lengths[number])
            end = number + found[number]
    return found


def _values_apart(page: Pages, lower: int) -> Iterator[tuple[int, int]]:
    """The first pages of the values of a leaf that have pages of their own, and the values' lengths."""
    places = page[_HEADER:lower].view(np.uint16)
    flags = page[places + np.uint16(4)]
    for place in places[(flags & _APART) != 0].tolist():
        low, high, _, key = _NODE.unpack_from(page.data, place)
        yield _NUMBER.unpack_from(page.data, place + _NODE.size + key)[0], low | high << 16


def _freed(pages: Pages, root: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The numbers of the transactions whose freed pages are listed, and these pages."""
    if root == _NOWHERE:
        return
    page = pages[root]
    flags, lower = page[10:14].view(np.uint16)
    for place in page[_HEADER : int(lower)].view(np.uint16).tolist():
        low, high, kind, key = _NODE.unpack_from(page.data, place)
        if flags & _BRANCH:
            yield from _freed(pages, low | high << 16 | kind << 32)
            continue
        at = place + _NODE.size + key
        value = page[at : at + (low | high << 16)]
        if kind & _APART:
            first = _NUMBER.unpack_from(page.data, at)[0] * len(page) + _HEADER
            value = pages.reshape(-1)[first : first + (low | high << 16)]
        yield _NUMBER.unpack_from(page.data, place + _NODE.size)[0], value.copy().view(np.uint64)[1:].astype(np.int64)
