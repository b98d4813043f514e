"""`bandstand train` and `bandstand models`: new versions of ranker and reward, and which version serves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict
from rich.table import Table

from bandstand.cli.common import (
    HomeOption,
    JsonOption,
    opened,
    out,
    print_json,
    progress_shown,
    tell,
)
from bandstand.errors import BadInput

if TYPE_CHECKING:
    from bandstand.learner.train_ranker import Train, TrainingReport
    from bandstand.models.registry import Published

app = typer.Typer(help="List, promote and roll back model versions.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="ranker, bandit, abstention, reward or generator.")]


def train(
    model: Annotated[
        str,
        typer.Argument(
            help="The ranker, and the abstention score with it; reward; or generator. The bandit learns alone."
        ),
    ] = "ranker",
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Train on the workers of this Dask scheduler.")
    ] = None,
    partitions: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --dask: the log is exported here, where every worker sees it; in the home when not given.",
        ),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Train the ranker on self-play and on what was clicked, and promote it; also beside a running server.

    `train reward` learns from sessions in the log what actions are worth, `train generator` how people ask.
    """
    if model in {"reward", "generator"} and dask is None:
        _train_from_log(model, home, json=json)
        return
    if model != "ranker":
        raise BadInput(f"{model!r} cannot be trained so; ranker can, reward and generator without Dask", field="model")
    from bandstand.app.training import TrainingPlan

    with opened(home) as music, progress_shown() as progress:
        trainer = _training(dask, partitions or music.platform.storage.paths.training)
        report = music.train(plan=TrainingPlan(trainer=trainer), progress=progress)
    told = {"examples": report.examples, "clicked_searches": report.clicked_searches}
    learned_from = f"{report.examples} synthetic examples, {report.clicked_searches} clicked searches; held out: "
    _say_trained("ranker", report, told, learned_from, json=json)


def _train_from_log(model: str, home: Path | None, *, json: bool) -> None:
    """What needs no search and no tree of another machine: read the log, publish."""
    from bandstand.app.training import read_log, train_generator, train_reward_model

    with opened(home) as music:
        storage, train = music.platform.storage, train_generator if model == "generator" else train_reward_model
        report = train(storage, read_log(storage, music.platform.options.roster))
    _say_trained(model, report, {}, "", json=json)


def _say_trained(
    model: str,
    report: TrainingReport | Published,
    told: Mapping[str, int],
    learned_from: str,
    *,
    json: bool,
) -> None:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
    tell(
        {"version": report.version, "promoted": report.promoted, **told, "metrics": report.metrics},
        f"{model} {report.version} {'serves now' if report.promoted else 'waits: an older version is pinned'}",
        learned_from + metrics,
        json=json,
    )


def _training(dask: str | None, partitions: Path) -> Train:
    from bandstand.learner.dask_ranker import DaskTraining
    from bandstand.learner.train_ranker import train_here

    return train_here if dask is None else DaskTraining(dask, partitions)


@app.command("list")
def list_versions(home: HomeOption = None, json: JsonOption = False) -> None:
    """All versions, newest first."""
    from bandstand.engine.answers import ModelsAnswer

    with opened(home) as music:
        answer = ModelsAnswer.of(music.platform.storage.models, {})
    if json:
        print_json(answer)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "version", "made", "serves", "metrics"):
        table.add_column(column)
    for name, model in asdict(answer).items():
        for version in model.versions:
            serves = ("yes, pinned" if model.pinned else "yes") if version.version == model.current else ""
            made = datetime.fromtimestamp(version.created, UTC).strftime("%Y-%m-%d %H:%M")
            metrics = ", ".join(f"{key} {value:.4g}" for key, value in version.metrics.items())
            table.add_row(name, version.version, made, serves, metrics)
    out.print(table if table.row_count else "no models yet: bandstand index trains the first")


@app.command("promote")
def promote(
    name: NameArgument,
    version: Annotated[str, typer.Argument(help="As `bandstand models list` names it.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let a version serve from now on, also in a running server."""
    from bandstand.app.serving import promote_model

    with opened(home) as music:
        promote_model(music.platform.storage.models, name, version, music.platform.options.feature_set)
    _say_serving(name, version, pinned=False, json=json)


@app.command("rollback")
def rollback(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Serve the version before, and pin it until somebody promotes another."""
    with opened(home) as music:
        version = music.platform.storage.models.rollback(name)
    _say_serving(name, version, pinned=True, json=json)


def _say_serving(name: str, version: str, *, pinned: bool, json: bool) -> None:
    answer = {"model": name, "current": version, "pinned": pinned}
    tell(answer, f"{name} {version} serves now{' and is pinned' if pinned else ''}", json=json)
