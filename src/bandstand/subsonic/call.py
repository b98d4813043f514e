"""One call of Subsonic's API as a player makes it: its view, its parameters, in the address or in a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Scope

PREFIX = "/rest/"
_FORM = "application/x-www-form-urlencoded"
_LOGIN = ("u", "p", "t", "s", "apiKey")
_MOST_PARAMETERS = 2_000


@dataclass(frozen=True, slots=True)
class Call:
    """The view without ``.view``, the parameters in their order."""

    view: str
    parameters: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str | None:
        """The first value of a parameter."""
        return next((value for key, value in self.parameters if key == name), None)

    def every(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.parameters if key == name]

    @property
    def login(self) -> dict[str, str]:
        """The parameters that say who calls."""
        return {name: value for name in _LOGIN if (value := self.first(name)) is not None}


def view_of(path: str) -> str | None:
    """The view that a path names, None where it is none of the API's."""
    return path.removeprefix(PREFIX).removesuffix(".view") if path.startswith(PREFIX) else None


def has_form(headers: Mapping[str, bytes]) -> bool:
    """Whether the body is a form, whose fields are parameters."""
    return headers.get("content-type", b"").partition(b";")[0].strip().lower() == _FORM.encode()


def call_of(view: str, scope: Scope, form: bytes) -> Call | None:
    """The call; None where its parameters are too many."""
    texts = (scope["query_string"].decode("latin-1"), form.decode("utf-8", "replace"))
    try:
        pairs = [pair for text in texts for pair in parse_qsl(text, True, max_num_fields=_MOST_PARAMETERS)]
    except ValueError:
        return None
    return Call(view, tuple(pairs))
