"""Which writing system a text is in, coarsely: what decides whether word-based retrieval can work on it."""

from __future__ import annotations

SCRIPTS = ("latin", "cyrillic", "cjk", "arabic", "other")

_HEAD = 64
"""Characters looked at: enough to tell, and bounded whatever is typed."""

_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0041, 0x024F, "latin"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0600, 0x06FF, "arabic"),
    (0x0750, 0x077F, "arabic"),
    (0x08A0, 0x08FF, "arabic"),
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "cjk"),
    (0x3400, 0x9FFF, "cjk"),
    (0xAC00, 0xD7AF, "cjk"),
    (0xF900, 0xFAFF, "cjk"),
    (0xFB50, 0xFDFF, "arabic"),
    (0xFE70, 0xFEFC, "arabic"),
    (0xFF66, 0xFF9D, "cjk"),
    (0x20000, 0x323AF, "cjk"),
)
"""Unicode blocks, first and last code point; ``cjk`` includes kana and Hangul. Source: Unicode Blocks.txt."""


def script_of(text: str) -> str:
    """The script of most letters among the first 64 characters; ``other`` when there are none.

    Ties go to the script that comes first in `SCRIPTS`.
    """
    head = text[:_HEAD]
    if head.isascii():
        return "latin" if any(map(str.isalpha, head)) else "other"
    counts = dict.fromkeys(SCRIPTS, 0)
    for character in head:
        if character.isalpha():
            counts[_script_of_letter(ord(character))] += 1
    return max(SCRIPTS, key=lambda name: counts[name]) if any(counts.values()) else "other"


def _script_of_letter(code: int) -> str:
    return next((name for first, last, name in _RANGES if first <= code <= last), "other")
