"""Queries that nobody means, and the time within which each must be answered."""

from __future__ import annotations

BOUND = 6.0
"""Loops of a million steps (see `effort`), 0.09 s on an idle core: quadratic work on these takes many times that."""

SYNTAX = '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /'

HOSTILE = {
    "long word": "x" * 10_000,
    "many words": "love " * 2_000,
    "many unknown words": " ".join(f"wrod{'abcdefghij'[i % 10]}q{'klmnopqrst'[i // 10 % 10]}" for i in range(1_000)),
    "control characters": "\x00\x01\x1bhello\x7f\x85" * 500,
    "bidi overrides": "\u202ehello\u202c \u2066adele\u2069" * 300,
    "syntax": SYNTAX * 200,
    "han": "愛" * 10_000,
    "combining": "e" + "\u0301" * 9_000,
    "digits": "1234567890" * 1_000,
    "emoji": "🎵🎶" * 3_000,
}
