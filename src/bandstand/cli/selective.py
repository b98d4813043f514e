"""`bandstand replay selective`: what selective retrieval keeps and saves, and which thresholds reach a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from bandstand.cli.common import out, telling
from bandstand.errors import BadInput


def selective(
    paths: list[Path], given: dict[str, Any], target: str | None, *, options: dict[str, str], folder: Path | None
) -> dict[str, Any]:
    """Play and look into a data set: the closed loop in a music catalogue, or ``NAME PATH`` of another in time order.

    ``given`` are settings by name, None where the command line said nothing; ``options`` those of the data set.

    Raises:
        BadInput: there is no such data set, or a setting cannot be used.
    """
    from bandstand.replay.selective.curve import parse_target
    from bandstand.replay.selective.result import evaluate_selective, source_of
    from bandstand.replay.selective.settings import SelectiveSettings

    if len(paths) not in {1, 2}:
        raise BadInput("give the folder of spotify_songs, or a data set's name and its folder", field="paths")
    name = str(paths[0]) if len(paths) == 2 else "spotify"
    chosen = {key: value for key, value in given.items() if value is not None}
    settings = SelectiveSettings(target=None if target is None else parse_target(target), **chosen)
    with telling() as told:
        found = evaluate_selective(
            source_of(name, paths[-1], options), settings, folder=folder, told=lambda job, done: told(job, done, None)
        )
    _print(found)
    return found


def _print(found: dict[str, Any]) -> None:
    out.print(found["answer"])
    for policy, looked in found["looked_into"].items():
        table = Table("choice", "MRR@10", "less always", "cost, ms", "share", box=None, pad_edge=False, title=policy)
        for name, row in looked["choices"].items():
            table.add_row(
                name, f"{row['MRR@10']['value']:.4f}", f"{row['less_always']['difference']:+.4f}",
                f"{row['cost_ms']:.2f}", f"{row['cost_share']:.3f}",
            )  # fmt: skip
        out.print(table)
        out.print(f"decisions right: {looked['decisions']['as decided']['all']['value']:.3f}")
        if "target" in looked:
            found_at = looked["target"]
            text = ",".join(f"{arm}={value:.4f}" for arm, value in found_at["thresholds"].items())
            gap = found_at["less_always"]["difference"]
            out.print(f"BANDSTAND_SELECTIVE_THRESHOLDS={text}")
            out.print(f"on the other half: {gap:+.4f} MRR@10, {found_at['cost_share']:.3f} of the cost")
