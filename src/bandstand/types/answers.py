"""What an answer is: one definition that makes the value, its JSON and its description in OpenAPI."""

from __future__ import annotations

from typing import Any

import msgspec


class _AnswerMeta(msgspec.StructMeta):
    """Every answer is frozen and made by name; told here, since type checkers would want it told of each class."""

    def __new__(  # noqa: PYI034 - a metaclass has no Self
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = True
    ) -> _AnswerMeta:
        return super().__new__(mcs, name, bases, namespace, frozen=True, kw_only=kw_only, forbid_unknown_fields=True)


class Answer(msgspec.Struct, metaclass=_AnswerMeta):
    """An answer, or a part of one: these fields, by name, and no others; its docstring describes it in OpenAPI.

    A field that may be `msgspec.UNSET` is left out where there is nothing to say; it is never null.
    """
