"""Tiny audio files of every container, made here: some frames of nothing, and tags as players write them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import mutagen
from mutagen import id3
from mutagen.ogg import OggPage

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf"
    b"\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)
"""One pixel."""


def flac(seconds: int = 2) -> bytes:
    rate = 8_000
    numbers = (rate << 44) | (15 << 36) | rate * seconds
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + numbers.to_bytes(8) + bytes(16)
    return b"fLaC\x80" + len(info).to_bytes(3) + info


def mp3() -> bytes:
    return (b"\xff\xfb\x90\x00" + bytes(413)) * 80  # 128 kbit/s, 44.1 kHz: 26 ms each


def opus() -> bytes:
    head = b"OpusHead" + struct.pack("<BBHIHB", 1, 2, 0, 48_000, 0, 0)
    return _ogg(head, [b"OpusTags" + _no_comments()], position=96_000)


def vorbis() -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 2, 44_100, 0, 128_000, 0, 0xB8, 1)
    return _ogg(head, [b"\x03vorbis" + _no_comments() + b"\x01", b"\x05vorbis"], position=88_200)


def m4a() -> bytes:
    mvhd = _atom(b"mvhd", bytes(12) + struct.pack(">II", 1_000, 2_000) + bytes(80))
    mdhd = _atom(b"mdhd", bytes(12) + struct.pack(">II", 1_000, 2_000) + bytes(4))
    track = _atom(b"trak", _atom(b"mdia", mdhd, _atom(b"hdlr", bytes(8) + b"soun" + bytes(13))))
    return _atom(b"ftyp", b"M4A \0\0\0\0M4A mp42isom") + _atom(b"moov", mvhd, track) + _atom(b"mdat", b"\0")


CONTAINERS: Mapping[str, Callable[[], bytes]] = {
    ".flac": flac, ".mp3": mp3, ".opus": opus, ".ogg": vorbis, ".m4a": m4a,
}  # fmt: skip


def song(path: Path, **tags: object) -> Path:
    """Write a file; tags go by their names in Vorbis comments, or by frames and atoms (``TPE1=``, ``©ART=``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTAINERS[path.suffix]())
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for name, value in tags.items():
        if path.suffix == ".mp3":
            frame = getattr(id3, name)
            file.tags.add(frame(encoding=3, text=value))
        else:
            file.tags[name] = value
    file.save()
    return path


def _ogg(head: bytes, packets: list[bytes], *, position: int) -> bytes:
    pages = (([head], 0), (packets, 0), ([b"\0"], position))
    return b"".join(_page(page, number, at, len(pages)) for number, (page, at) in enumerate(pages))


def _page(packets: list[bytes], number: int, position: int, of: int) -> bytes:
    page = OggPage()
    page.packets, page.sequence, page.serial, page.position = packets, number, 1, position
    page.first, page.last = number == 0, number == of - 1
    return page.write()


def _no_comments() -> bytes:
    return struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)


def _atom(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body
