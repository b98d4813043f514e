"""The envelope of Subsonic's answers: read as JSON, written as JSON, JSONP or XML, as a caller asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import orjson

from bandstand.errors import BadInput

Object = dict[str, Any]
"""An element of an answer, as JSON has it."""

ENVELOPE = "subsonic-response"
CLIENT = "bandstand"
VERSION = "1.16.1"
"""Of Subsonic's API, as which we speak to servers."""

WRONG_LOGIN, NO_TOKENS, MISSING_PARAMETER, NOT_FOUND = 40, 41, 10, 70
"""Codes of errors."""

_CALLBACK = re.compile(r"[\w.$\[\]]{1,200}", re.ASCII)
_NAMESPACE = "http://subsonic.org/restapi"
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def opened(body: bytes) -> Object | None:
    """The content of a JSON answer, None where it is none of Subsonic's."""
    try:
        content = orjson.loads(body)[ENVELOPE]
    except (ValueError, KeyError, TypeError):
        return None
    return content if isinstance(content, dict) else None


def error_of(content: Object) -> tuple[int, str] | None:
    """Code and message of an answer that says that it failed."""
    if content.get("status") != "failed":
        return None
    error = content.get("error") or {}
    return int(error.get("code") or 0), str(error.get("message") or "")


def several(value: object) -> list[Object]:
    """The elements of a name that may stand for none, one or many."""
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def written(content: Mapping[str, Any], *, form: str | None, callback: str | None) -> tuple[bytes, str]:
    """An answer's body and media type in the form that was asked for by ``f`` and ``callback``: XML unless it is known.

    Raises:
        BadInput: JSONP with a callback that is no name of a function.
    """
    if form == "json":
        return orjson.dumps({ENVELOPE: content}), "application/json"
    if form == "jsonp":
        if not _CALLBACK.fullmatch(callback or ""):
            raise BadInput("callback must be the name of a function", field="callback")
        return b"%b(%b);" % (str(callback).encode(), orjson.dumps({ENVELOPE: content})), "application/javascript"
    root = _element(ENVELOPE, {"xmlns": _NAMESPACE, **content})
    return ET.tostring(root, encoding="utf-8", xml_declaration=True), "text/xml; charset=utf-8"


def _element(name: str, value: object) -> ET.Element:
    """An element as Subsonic's JSON stands for it: what is plain is an attribute, ``value`` is the text."""
    element = ET.Element(name)
    if not isinstance(value, Mapping):
        element.text = _text(value)
        return element
    for key, each in value.items():
        if isinstance(each, (Mapping, list)):
            element.extend(_element(key, one) for one in (each if isinstance(each, list) else [each]))
        elif key == "value":
            element.text = _text(each)
        elif each is not None:
            element.set(key, _text(each))
    return element


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _UNWRITABLE.sub("\ufffd", str(value))
