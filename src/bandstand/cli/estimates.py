"""`bandstand estimates`: what every named policy would have earned lately, written down for the dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bandstand.cli.common import HomeOption, JsonOption, opened_home, opened_storage, out, print_json
from bandstand.cli.repeated import Repeated

if TYPE_CHECKING:
    from bandstand.dashboard.estimates import Estimates


def estimates(
    newest: Annotated[int, typer.Option(min=1, help="Entries at the log's end that are looked at.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples and of the reward model's folds.")] = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Estimate every policy on the newest logged searches, and keep the answer for the dashboard."""
    from dataclasses import asdict

    from bandstand.dashboard.estimates import write_estimates
    from bandstand.feedback.joined import joined
    from bandstand.replay.estimates import estimate_all
    from bandstand.replay.ope.evaluate import OpeSettings

    with opened_storage(home) as storage, opened_home(storage) as opened:
        window = storage.settings.join_minutes * 60
        found = estimate_all(
            joined(storage.log, window, newest=newest),
            opened.brains().policies,
            now=storage.clock(),
            settings=OpeSettings(seed=seed),
        )
        write_estimates(storage.paths.estimates, found)
    if json:
        print_json(asdict(found))
    else:
        out.print(_table(found))


def _table(found: Estimates) -> Table:
    table = Table(box=None, pad_edge=False, title=f"{found.searches:,} searches", title_justify="left")
    for column in ("policy", "reward a search", "95 % interval", "effective searches", "ms", "not enough data"):
        table.add_column(column, justify="left" if column in ("policy", "not enough data") else "right")
    for row in found.policies:
        interval = "" if row.low is None or row.high is None else f"{row.low:.4f} to {row.high:.4f}"
        table.add_row(
            row.policy, _shown(row.value, 4), interval, _shown(row.ess, 1), _shown(row.cost_ms, 2), row.reason
        )
    return table


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def repeated(home: Path, made: Path, minutes: float) -> Repeated:
    """`bandstand estimates` for a home, again and again."""
    command = [sys.executable, "-c", "from bandstand.cli.main import main; main()", "estimates", "--home", str(home)]
    return Repeated(command, made=made, minutes=minutes)
