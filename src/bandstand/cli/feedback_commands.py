"""`bandstand click`, `export` and `ablate`: feedback in, the log out in the formats of the field, and looked into."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, learned, opened, plain, progress_shown, tell
from bandstand.errors import BadInput


def click(
    query_id: Annotated[str, typer.Argument(help="The search, as its answer named it.")],
    hit: Annotated[str, typer.Argument(help="Position of the hit (from 1), or its entity id.")],
    action: Annotated[str, typer.Option(help="What was done: click, play, save, skip.")] = "click",
    seconds: Annotated[float | None, typer.Option(min=0, help="With play: for how long.")] = None,
    user: Annotated[str | None, typer.Option(help="Who; default: whose search it was.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say what was chosen from a search; it is learned at once, by this command or by the running server."""
    from bandstand.types.actions import ACTION_NAMES, ACTIONS

    if action not in ACTIONS:
        raise BadInput(f"unknown action {action!r}: use one of {ACTION_NAMES}", field="action")
    with opened(home) as music:
        event = music.event(query_id, hit, action, seconds=seconds, user=user)
        appended = music.platform.storage.log.append_events([event])
        known = learned(music)
    answer = {"accepted": appended.accepted, "duplicates": appended.duplicates, "learned": known}
    by = "learned" if known else "on disk; the process that has the home open learns from it"
    tell(answer, plain(f"{action} on {event.object_id}: {by}"), json=json)


def parked(
    retry: Annotated[bool, typer.Option("--retry", help="Try once more to learn from them.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List the log entries that could not be learned from, each with its reason; they wait in the log."""
    from bandstand.learner.parking import RETRY_PARKED, parked_entries

    with opened(home) as music:
        storage = music.platform.storage
        if retry:
            storage.log.append_control(RETRY_PARKED, {})
        done = retry and learned(music)
        found = parked_entries(storage.memory.scan)
    rows = [{"entry": one.seq, "kind": one.kind, "query_id": one.query_id, "reason": one.reason} for one in found]
    lines = [plain(f"{one.kind} {one.seq or one.query_id}: {one.reason}") for one in found]
    ordered = ["The process that has the home open tries them again."] if retry and not done else []
    tell(rows, *(lines or ["no log entry is parked"]), *ordered, json=json)


def export(
    path: Annotated[Path, typer.Argument(help="File to write.")],
    form: Annotated[str, typer.Option("--format", help="ubi, trec, qrels, svmlight, dsjson, helped or obp.")] = "ubi",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the log in a standard format; `trec` writes the run, and the qrels beside it."""
    with opened(home) as music:
        count = music.export(path, form)
    tell({"format": form, "path": str(path), "records": count}, f"{count} records to {path}", json=json)


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
    with opened(home) as music, progress_shown() as progress:
        storage, searching = music.platform.storage, music.platform.searching
        count = ablate_log(
            storage.log,
            searching.catalog.columns,
            partial(with_and_without, searching.engine),
            window=storage.settings.join_minutes * 60,
            share=share,
            seed=storage.settings.seed,
            progress=lambda done: progress("searches", done, None),
        )
    tell({"recorded": count}, f"{count} searches recorded; bandstand train learns from them", json=json)
