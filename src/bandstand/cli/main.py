"""The `bandstand` command: its sub-commands, and what an error looks like on a terminal."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from typing import Annotated, NoReturn

import typer

from bandstand.cli import (
    backup_commands,
    catalogue_app,
    catalogue_commands,
    config_commands,
    demo,
    doctor,
    evaluation_commands,
    feedback_commands,
    import_command,
    key_commands,
    learning_commands,
    memory_commands,
    model_commands,
    ope_command,
    plugin_command,
    search_command,
    serve,
    synonym_commands,
    user_commands,
)
from bandstand.errors import BadInput, BandstandError

app = typer.Typer(
    name="bandstand",
    help="Music search that learns how to rank and how to retrieve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("ingest")(catalogue_commands.ingest)
app.command("import")(import_command.import_)
app.command("index")(catalogue_commands.index)
app.command("serve")(serve.serve)
app.command("search")(search_command.search)
app.command("click")(feedback_commands.click)
app.command("train")(model_commands.train)
app.add_typer(model_commands.app, name="models")
app.command("ablate")(feedback_commands.ablate)
app.command("parked")(feedback_commands.parked)
app.command("export")(feedback_commands.export)
app.command("backup")(backup_commands.backup)
app.command("restore")(backup_commands.restore)
app.command("doctor")(doctor.doctor)
app.add_typer(config_commands.app, name="config")
app.command("plugins")(plugin_command.list_plugins)
app.command("replay")(evaluation_commands.replay)
app.command("compare")(evaluation_commands.compare)
app.command("simulate")(evaluation_commands.simulate)
app.command("selective")(evaluation_commands.selective)
app.command("evaluate")(evaluation_commands.evaluate)
app.command("ope")(ope_command.ope)
app.command("estimates")(ope_command.estimates)
app.add_typer(catalogue_app.app, name="catalogue")
app.add_typer(memory_commands.app, name="memory")
app.add_typer(learning_commands.app, name="learning")
app.add_typer(synonym_commands.app, name="synonyms")
app.add_typer(key_commands.app, name="keys")
app.add_typer(user_commands.app, name="users")
app.command("demo")(demo.demo)

INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(version("bandstand") + "\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Music search that learns how to rank and how to retrieve."""


def main() -> None:
    """Run a command; exit 0, 1 when it failed, 2 when it was asked wrongly, 130 when it was interrupted."""
    from bandstand.api.processes import configure_logs

    configure_logs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    try:
        _command()()
    except BadInput as error:
        _fail(f"{error.title}: {error}", 2)
    except BandstandError as error:
        _fail(f"{error.title}: {error}", 1)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _fail("Interrupted: what was committed is kept, and the same command goes on from there.", INTERRUPTED)
        raise
    except Exception as error:  # noqa: BLE001 - the edge: a defect, told without a traceback
        _fail(f"Unexpected {type(error).__name__}: {error}. Please report it with {_written()}.", 1)
    finally:
        _flush()


@cache
def _command() -> Callable[[], object]:
    """The application with its sub-commands: made of their signatures, which takes a tenth of a second each time."""
    return typer.main.get_command(app)


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(message + "\n")
    sys.exit(code)


def _flush() -> None:
    """Write what is buffered; a reader that has left (`| head`) is no failure to be reported at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _written() -> str:
    """The traceback of the error being handled, in a file."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="bandstand-error-", suffix=".txt", delete=False, errors="replace"
    ) as file:
        traceback.print_exc(file=file)
    return file.name
