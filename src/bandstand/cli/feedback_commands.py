"""`bandstand click`, `export` and `ablate`: feedback in, the log out in the formats of the field, and looked into."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import (
    HomeOption,
    JsonOption,
    learning_side_if_free,
    opened_home,
    opened_storage,
    out,
    plain,
    print_json,
    progress_shown,
)
from bandstand.errors import BadInput
from bandstand.types.actions import ACTION_NAMES, ACTIONS

if TYPE_CHECKING:
    from bandstand.app.storage import Storage
    from bandstand.types import Event, Impression


def click(
    query_id: Annotated[str, typer.Argument(help="The search, as its answer named it.")],
    hit: Annotated[str, typer.Argument(help="Position of the hit (from 1), or its entity id.")],
    action: Annotated[str, typer.Option(help=f"{ACTION_NAMES}.")] = "click",
    seconds: Annotated[float | None, typer.Option(min=0, help="With play: for how long.")] = None,
    user: Annotated[str | None, typer.Option(help="Who; default: whose search it was.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say what was chosen from a search; it is learned at once, by this command or by the running server."""
    from bandstand.errors import BadInput

    if action not in ACTIONS:
        raise BadInput(f"unknown action {action!r}: use one of {ACTION_NAMES}", field="action")
    with opened_storage(home) as storage:
        event = _event(storage, storage.log.impression(query_id), hit, action, seconds, user)
        appended = storage.log.append_events([event])
        learned = _learned(storage)
    answer = {"accepted": appended.accepted, "duplicates": appended.duplicates, "learned": learned}
    if json:
        print_json(answer)
    else:
        by = "learned" if learned else "on disk; the process that has the home open learns from it"
        out.print(plain(f"{action} on {event.object_id}: {by}"))


def _event(
    storage: Storage, search: Impression, hit: str, action: str, seconds: float | None, user: str | None
) -> Event:
    from bandstand.feedback.ubi_events import parse_event

    place = _place(search, hit)
    attributes = {
        "object": {"object_id": search.entity_ids[place]},
        "position": {"ordinal": place + 1},
        "play_seconds": seconds,
    }
    raw: dict[str, object] = {
        "action_name": action,
        "query_id": search.query.id,
        "user_id": user or search.query.user_id,
        "session_id": search.query.session_id,
        "event_attributes": attributes,
    }
    return parse_event(raw, now=storage.clock())


def _place(search: Impression, hit: str) -> int:
    """Where in the ranking, from 0: by entity id, else by position from 1."""
    from bandstand.errors import BadInput

    ids = search.entity_ids
    if hit in ids:
        return ids.index(hit)
    if hit.isascii() and hit.isdigit() and 1 <= int(hit) <= len(ids):
        return int(hit) - 1
    raise BadInput(f"{hit!r} is neither an entity of this search nor a position from 1 to {len(ids)}", field="hit")


def _learned(storage: Storage) -> bool:
    """Learn what the log holds, unless another process does that."""
    with learning_side_if_free(storage) as learning_side:
        if learning_side is None:
            return False
        learning_side.learner.catch_up()
        return True


def export(
    path: Annotated[Path, typer.Argument(help="File to write.")],
    form: Annotated[str, typer.Option("--format", help="ubi, trec, qrels, svmlight, dsjson, helped or obp.")] = "ubi",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the log in a standard format; `trec` writes the run, and the qrels beside it."""
    from bandstand.feedback.formats.export import export as run

    with opened_storage(home) as storage:
        count = run(storage.log, form, path, window=storage.settings.join_minutes * 60)
    if json:
        print_json({"format": form, "path": str(path), "records": count})
    else:
        out.print(f"{count} records to {path}")


def ablate(
    share: Annotated[float, typer.Option(help="Share of the logged searches to look into, in (0, 1].")] = 1.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make the page of logged searches again with and without each expensive retriever; `train` learns from that.

    What is recorded stays recorded: the same command goes on where it was cut off.
    """
    from bandstand.engine.ablation import ablate as with_and_without
    from bandstand.learner.gate_labels import ablate_log

    if not 0 < share <= 1:
        raise BadInput(f"share must be in (0, 1], not {share}", field="share")
    with opened_storage(home) as storage, opened_home(storage) as searching, progress_shown() as progress:
        count = ablate_log(
            storage.log,
            searching.catalog.columns,
            partial(with_and_without, searching.engine),
            window=storage.settings.join_minutes * 60,
            share=share,
            seed=storage.settings.seed,
            progress=lambda done: progress("searches", done, None),
        )
    if json:
        print_json({"recorded": count})
    else:
        out.print(f"{count} searches recorded; bandstand train learns from them")
