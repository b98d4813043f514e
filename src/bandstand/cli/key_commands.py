"""`bandstand keys`: who may ask over HTTP for what; running servers take changes up within moments."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.json import encode
from rich.table import Table

from bandstand.access.scopes import SCOPES
from bandstand.cli.common import HomeOption, JsonOption, err, out, plain, print_json, tell
from bandstand.errors import BadInput
from bandstand.settings import load_settings

if TYPE_CHECKING:
    from bandstand.access.keys import Issued, KeyStore
    from bandstand.access.shown import KeyAnswer
    from bandstand.types import Filters

app = typer.Typer(help="Create, list, rotate and revoke the keys of the HTTP API.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The key's name.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name; `anonymous` is the key of whoever gives none.")],
    scope: Annotated[
        list[str],
        typer.Option(help=f"What it opens: {', '.join(SCOPES)}."),
    ],
    days: Annotated[float | None, typer.Option(min=0, help="Days until it expires; by default never.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Another site whose pages may use it, https://example.org or '*'.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second from each address.")] = None,
    burst: Annotated[
        int | None, typer.Option(min=1, help="How many of them at once; by default 10 seconds' worth.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind of entity is found with it.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--filter", help="Only what has this is found with it: genre=jazz, year=1960..1969."),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a key and print its secret, which is kept nowhere."""
    from bandstand.access.keys import Grant, issue
    from bandstand.engine.request import known_kinds
    from bandstand.types import Boundary
    from bandstand.types.times import DAY_S

    now = time.time()
    grant = Grant(
        scopes=tuple(dict.fromkeys(scope)),  # type: ignore[arg-type]  # checked where the key is issued
        expires=None if days is None else now + days * DAY_S,
        origins=tuple(origin or ()),
        rate=rate,
        burst=burst,
        within=Boundary(kinds=known_kinds(kind or ()), filters=_filters(only or ())),
    )
    with _store(home) as store:
        _say(issue(store, name, grant, now=now), json=json)


@app.command("list")
def list_keys(home: HomeOption = None, json: JsonOption = False) -> None:
    """All keys, without their secrets."""
    from bandstand.access.shown import KeyAnswer, KeysAnswer

    with _store(home) as store:
        found = [KeyAnswer.of(key) for key in store.read() or ()]
    if json:
        print_json(KeysAnswer(keys=found))
        return
    table = Table("name", "opens", "expires", "bounds", box=None, pad_edge=False)
    for key in found:
        table.add_row(key.name, ", ".join(key.scopes), _when(key.expires), plain(_bounds(key)))
    out.print(table if found else "no keys: bandstand keys create NAME --scope SCOPE")


@app.command()
def rotate(
    name: NameArgument,
    keep_hours: Annotated[float, typer.Option(min=0, help="Hours for which the secret before stays good.")] = 0.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give a key another secret."""
    from bandstand.access.keys import rotate as rotated
    from bandstand.types.times import HOUR_S

    with _store(home) as store:
        _say(rotated(store, name, now=time.time(), keep_s=keep_hours * HOUR_S), json=json)


@app.command()
def revoke(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Take a key out; it opens nothing any more."""
    from bandstand.access.keys import revoke as revoked

    with _store(home) as store:
        revoked(store, name)
    tell({"revoked": name}, f"{name} is revoked", json=json)


@contextmanager
def _store(home: Path | None) -> Iterator[KeyStore]:
    from bandstand.app.storage import open_backend
    from bandstand.backend import Paths

    settings = load_settings(home=home)
    Paths(settings.home).create()
    with closing(open_backend(settings)) as backend:
        yield backend.open_keys()


def _say(issued: Issued, *, json: bool) -> None:
    """The secret alone on standard output, so that a script can take it from there."""
    from bandstand.access.shown import IssuedAnswer

    if json:
        print_json(IssuedAnswer.of(issued))
        return
    key = issued.key
    err.print(f"{key.name} opens {', '.join(key.grant.scopes)}")
    if issued.secret:
        err.print("its secret, shown this once:")
        out.print(issued.secret)


def _filters(given: Sequence[str]) -> Filters:
    """`genre=jazz genre=soul year=1960..1969`: of values of one name any will do."""
    from bandstand.catalog.conditions import years_of
    from bandstand.engine.filters import filters_of

    found: dict[str, object] = {}
    values: dict[str, list[str]] = {}
    for each in given:
        name, _, value = each.partition("=")
        years = years_of(value) if name == "year" else None
        if not name or not value or (name == "year" and years is None):
            raise BadInput(f"a filter is like genre=jazz or year=1960..1969, not {each!r}", field="--filter")
        if years is None:
            found[name] = values.setdefault(name, [])
            values[name].append(value)
        else:
            found["year"] = {side: year for side, year in zip(("gte", "lte"), years, strict=True) if year is not None}
    return filters_of(found)


def _when(expires: float | None) -> str:
    return "never" if expires is None else datetime.fromtimestamp(expires, tz=UTC).isoformat(" ", "minutes")


def _bounds(key: KeyAnswer) -> str:
    """What else there is to say of a key, in a line."""
    rate = "" if key.rate is None else f"{key.rate:g}/s"
    filters = encode(key.filters).decode() if key.filters else ""
    return " ".join(filter(None, (*key.origins, rate, *key.kinds, filters)))
