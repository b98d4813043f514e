"""Attacks: `python -m bench.attack connections evidence flood kills`. `tests/` have them in a short form."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bandstand.catalog.bundled import load_bundled
from bandstand.settings import FILE, load_settings
from bench.attack_evidence import evidence_figures
from bench.catalogue import build
from bench.figures import Figure, table
from bench.flood import flood_figures
from bench.kills import kill_figures
from bench.slow_connections import connection_figures

PARTS = ("connections", "evidence", "flood", "kills")


def main() -> None:
    """Attack a home, or a server over it, and print what became of it and of everybody else."""
    parser = argparse.ArgumentParser(prog="bench.attack", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--home", type=Path, help="an indexed home; without it, one is made of the bundled catalogue")
    parser.add_argument("--rounds", type=int, default=100, help="how often a server is killed (kills)")
    given = parser.parse_args()
    figures: dict[str, Callable[[Path], Sequence[Figure]]] = {
        "connections": connection_figures,
        "evidence": evidence_figures,
        "flood": flood_figures,
        "kills": partial(kill_figures, rounds=given.rounds),
    }
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or _built(Path(folder))
        for part in given.parts:
            print(f"\n## {part}\n\n{table(figures[part](home))}", flush=True)


def _built(folder: Path) -> Path:
    """A home that takes seconds to make: what is measured is how long others wait, not what they find."""
    home = folder / "home"
    build(load_settings(home=home, encoder="hashing", selfplay_queries=100), list(load_bundled()))
    (home / FILE).write_text('encoder = "hashing"\n')
    return home


if __name__ == "__main__":
    main()
