"""`bandstand search`: one search on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bandstand.cli.common import FiltersOption, HomeOption, JsonOption, opened, out, plain, print_json, read_filters

if TYPE_CHECKING:
    from bandstand.door.pages import Hit, Page

_SHOWN_REASONS = 5


def search(
    query: Annotated[str, typer.Argument(help="What to search for.")],
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 10,
    offset: Annotated[int, typer.Option(help="How many hits to leave out at the top.")] = 0,
    query_id: Annotated[str | None, typer.Option(help="Page on in this earlier search.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose search it is.")] = None,
    session: Annotated[str | None, typer.Option(help="Which session it belongs to.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be repeated.")] = None,
    filters: FiltersOption = None,
    sort: Annotated[str | None, typer.Option(help="Order by a field, FIELD:asc or FIELD:desc.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="bandit (default), selective, all, lexical, dense, memory, hybrid or random.")
    ] = None,
    literal: Annotated[
        bool, typer.Option("--literal", help="Answer what is typed, whatever it is a slip for.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each hit stands where it stands.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Search the home, and log the search so that a click can follow."""
    from bandstand.engine.answers import SearchAnswer
    from bandstand.engine.filters import filters_of
    from bandstand.engine.request import SearchRequest, known_kinds

    kinds, asked = known_kinds(kind or []), filters_of(read_filters(filters))
    with opened(home) as music:
        request = SearchRequest(
            query=query,
            k=k,
            offset=offset,
            query_id=query_id,
            user_id=user or None,
            session_id=session or None,
            kinds=kinds,
            filters=asked,
            sort=sort,
            policy=policy,
            explain=explain,
            correct=not literal,
        )
        page = music.page(request)
    if json:
        print_json(SearchAnswer.of(page.result, explain=explain))
    else:
        _show(page)


def _show(page: Page) -> None:
    if page.corrected:
        out.print(f"showing results for {plain(page.corrected)}; for what was typed: --literal")
    elif page.suggested:
        out.print(f"did you mean {plain(page.suggested)}?")
    table = Table(box=None, pad_edge=False)
    for name in ("#", "title", "by", "album", "year", "kind", "found by"):
        table.add_column(name)
    for hit in page:
        table.add_row(*map(plain, _row(hit)))
    out.print(table if len(page) else "nothing found: try fewer words, or --policy all")
    played = ", ".join(f"{name} {took_ms:.1f} ms" for name, took_ms in page.played.items() if took_ms)
    out.print(f"{page.took_ms:.1f} ms; played: {played or 'none'}; query id {page.query_id}", style="dim")
    for hit, why in zip(page, page.result.explanations, strict=False):
        best = sorted(why.contributions.items(), key=lambda item: -abs(item[1]))[:_SHOWN_REASONS]
        out.print(f"{hit.position}: " + ", ".join(f"{name} {value:+.2f}" for name, value in best), style="dim")


def _row(hit: Hit) -> tuple[str, ...]:
    found_by = " ".join(f"{source.retriever}:{source.rank}" for source in hit.sources)
    artists, year = ", ".join(hit.artists), str(hit.year or "")
    return str(hit.position), hit.title, artists, hit.album or "", year, hit.kind, found_by
