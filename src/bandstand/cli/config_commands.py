"""`bandstand config`: what the settings are, and where each of them comes from."""

from __future__ import annotations

from json import dumps

import typer

from bandstand.cli.common import HomeOption, JsonOption, out, print_json
from bandstand.settings import Told, told

app = typer.Typer(help="Show the settings; `bandstand doctor` checks them.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Show the settings; `bandstand doctor` checks them."""


@app.command()
def show(home: HomeOption = None, json: JsonOption = False) -> None:
    """Each setting with its value, and where it comes from: an option, a variable, bandstand.toml, or its default."""
    found = told(home=home)
    if json:
        print_json({each.name: {"value": _shown(each), "origin": each.origin} for each in found})
        return
    for each in found:
        out.print(f"{_line(each):<56}  # {each.origin}")


def _line(setting: Told) -> str:
    """As bandstand.toml would set it; commented out where there is no value."""
    value = _shown(setting)
    return f"# {setting.name} =" if value is None else f"{setting.name} = {dumps(value, ensure_ascii=False)}"


def _shown(each: Told) -> object:
    """A value as JSON can carry it; of a secret only whether there is one."""
    if each.value is None or isinstance(each.value, bool | int | float):
        return each.value
    return "********" if each.secret else str(each.value)
