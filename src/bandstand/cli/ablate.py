"""`bandstand ablate`: which expensive retrievers would have made a difference to the searches of the log."""

from __future__ import annotations

from typing import Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, opened_home, opened_storage, out, print_json, telling
from bandstand.errors import BadInput


def ablate(
    share: Annotated[float, typer.Option(help="Share of the logged searches to look into, in (0, 1].")] = 1.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make the page of logged searches again with and without each expensive retriever; `train` learns from that.

    What is recorded stays recorded: the same command goes on where it was cut off.
    """
    from bandstand.engine.ablation import ablate as with_and_without
    from bandstand.learner.ablate_log import ablate_log

    if not 0 < share <= 1:
        raise BadInput(f"share must be in (0, 1], not {share}", field="share")
    with opened_storage(home) as storage, opened_home(storage) as searching, telling() as told:
        columns, scorer = searching.catalog.columns, searching.brains().scorer
        count = ablate_log(
            storage.log,
            columns,
            lambda query, shown: with_and_without(searching.engine, query, columns, scorer, shown),
            window=storage.settings.join_minutes * 60,
            share=share,
            seed=storage.settings.seed,
            told=lambda done: told("searches", done, None),
        )
    if json:
        print_json({"recorded": count})
    else:
        out.print(f"{count} searches recorded; bandstand train learns from them")
