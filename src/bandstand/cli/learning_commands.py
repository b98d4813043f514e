"""`bandstand learning`: pause it, let it go on, see how it stands, and take a stretch of the log out of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, ago, learned, opened, tell
from bandstand.errors import BadInput

if TYPE_CHECKING:
    from bandstand.app.health import Learned
    from bandstand.door.facade import Bandstand
    from bandstand.learner.claimants import Claims
    from bandstand.learner.orders import Stretch

app = typer.Typer(
    help="Pause learning, let it go on, and take a stretch of the log out of what was learned.", no_args_is_help=True
)

_LATER = "the process that learns for this home obeys at once"


@app.command()
def pause(home: HomeOption = None, json: JsonOption = False) -> None:
    """Learn nothing from now on, also in a running server; what is logged waits until `resume`."""
    from bandstand.learner.orders import PAUSE

    _ordered(PAUSE, "learning is paused: what is logged waits for bandstand learning resume", home, json=json)


@app.command()
def resume(home: HomeOption = None, json: JsonOption = False) -> None:
    """Learn again, everything that was logged meanwhile first."""
    from bandstand.learner.orders import RESUME

    _ordered(RESUME, "learning goes on", home, json=json)


@app.command()
def status(home: HomeOption = None, json: JsonOption = False) -> None:
    """How learning stands: paused or not, what waits and for how long, and the newest models."""
    from bandstand.app.health import standstill

    with opened(home) as music:
        found, limit = _status(music), music.settings.learn_within_seconds
    complaint = standstill(found, found.oldest_s, limit)
    tell({**asdict(found), "stands_still": bool(complaint)}, *_shown(found, complaint), json=json)


@app.command()
def forget(
    since: Annotated[str, typer.Option(help="From when on: ISO 8601 (without a zone UTC), or seconds since 1970.")],
    until: Annotated[str | None, typer.Option(help="Up to when, likewise; default: now.")] = None,
    user: Annotated[str | None, typer.Option(help="Only what was this user's.")] = None,
    query: Annotated[str | None, typer.Option(help="Only what was about this query.")] = None,
    claimant: Annotated[str | None, typer.Option(help="Only what this claimant did, see `claims`.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a stretch of the log, and learn everything else again, as if it had never been logged.

    Memory, history, counts and bandit are rebuilt from the whole log; `bandstand train` then makes rankers without it.
    """
    from bandstand.learner.orders import FORGET_STRETCH, Stretch

    with opened(home) as music:
        stretch = Stretch(since=_time(since, "since"), until=_until(until), user=user, query=query, claimant=claimant)
        count = _counted(music, stretch)
        if count and not yes:
            typer.confirm(f"Delete {count} log entries, and learn the others again?", abort=True)
        if count:
            music.platform.storage.log.append_control(FORGET_STRETCH, asdict(stretch))
        done = learned(music)
        if count and done:
            music.platform.learning.index()  # predictions were forgotten too
    says = "everything else is learned again" if done else _LATER
    tell(
        {"forgotten": count, "done": done},
        f"{count} log entries are forgotten; {says}. Next: bandstand train",
        json=json,
    )


@app.command()
def claims(
    days: Annotated[float, typer.Option(min=0, help="How far to look back.")] = 7.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Who did what for which nobody vouches, by key and network: what the log does not bear out, and who pushes.

    `entity` and `minute` are the most events on one entity, and in one minute. `bandstand learning forget --claimant`
    takes back what one of them taught.
    """
    from bandstand.feedback.attribution import Attribution
    from bandstand.learner.claimants import claims as claims_of
    from bandstand.types.times import DAY_S, MINUTE_S

    with opened(home) as music:
        log, since = music.platform.storage.log, music.platform.storage.clock() - days * DAY_S
        log.deliver()
        found = claims_of(log, Attribution(window=music.settings.join_minutes * MINUTE_S), since=since)
    rows = [_row(each) for each in found]
    table = Table(box=None, pad_edge=False)
    for name in _CLAIMED:
        table.add_column(name, no_wrap=name == "claimant")
    for row in rows:
        table.add_row(*(", ".join(value) if isinstance(value, tuple) else str(value) for value in row.values()))
    tell({"claims": rows}, table if rows else f"nothing was claimed in {days:g} days", json=json)


_CLAIMED = ("claimant", "searches", "events", "refused", "users", "entity", "minute", "flags")


def _row(found: Claims) -> dict[str, object]:
    """What is said of a claimant, by `_CLAIMED`."""
    said = (found.claimant, found.searches, found.events, found.refused, len(found.users), found.most_on_one_entity)
    return dict(zip(_CLAIMED, (*said, found.busiest_minute, found.flags), strict=True))


def _counted(music: Bandstand, stretch: Stretch) -> int:
    """How many entries a stretch holds; refused where the log does not hold all that was learned."""
    settings, log = music.settings, music.platform.storage.log
    log.deliver()
    if settings.keep_log_days or settings.keep_log_gb:
        raise BadInput(
            "old entries are deleted from this log (keep_log_days, keep_log_gb), and what they taught would be lost as "
            "well: restore a backup of before, or unset both once the log holds all that is to be kept",
            field="keep_log_days",
        )
    return sum(1 for _ in stretch.entries(log))


def _ordered(kind: str, says: str, home: Path | None, *, json: bool) -> None:
    from bandstand.learner.orders import PAUSE

    with opened(home) as music:
        music.platform.storage.log.append_control(kind, {})
        learned(music)
        found = _status(music)
    done = found.paused == (kind == PAUSE)
    tell({**asdict(found), "done": done}, f"{says}{'' if done else f'; {_LATER}'}", json=json)


def _status(music: Bandstand) -> Learned:
    from bandstand.app.health import learned as health

    storage = music.platform.storage
    return health(storage.log, storage.memory, storage.models, storage.clock())


def _shown(found: Learned, complaint: str) -> list[str]:
    waiting = (
        f"{found.waiting} log entries wait, the oldest for {found.oldest_s:.0f} s" if found.waiting else "up to date"
    )
    made = f"bandit published {ago(found.published_s)}, ranker trained {ago(found.trained_s)}"
    return [complaint or f"learning {'is paused' if found.paused else 'goes on'}: {waiting}", made]


def _time(text: str, name: str) -> float:
    from bandstand.feedback.fields import timestamp

    found = timestamp(text, name)
    if found is None:
        raise BadInput(f"{name} is empty", field=name)
    return found


def _until(text: str | None) -> float | None:
    return None if text is None else _time(text, "until")
