"""The `bandstand` command: its sub-commands, and what an error looks like on a terminal."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from typing import Annotated, NoReturn

import typer

from bandstand.cli import (
    ablate,
    catalogue,
    demo,
    doctor,
    estimates,
    evaluate,
    feedback,
    memory,
    models,
    ope,
    search,
    serve,
    synonyms,
)
from bandstand.errors import BadInput, BandstandError

app = typer.Typer(
    name="bandstand",
    help="Music search that learns how to rank and how to retrieve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("ingest")(catalogue.ingest)
app.command("index")(catalogue.index)
app.command("serve")(serve.serve)
app.command("search")(search.search)
app.command("click")(feedback.click)
app.command("train")(models.train)
app.add_typer(models.app, name="models")
app.command("ablate")(ablate.ablate)
app.command("export")(feedback.export)
app.command("doctor")(doctor.doctor)
app.command("replay")(evaluate.replay)
app.command("simulate")(evaluate.simulate)
app.command("ope")(ope.ope)
app.command("estimates")(estimates.estimates)
app.add_typer(memory.app, name="memory")
app.add_typer(synonyms.app, name="synonyms")
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
    from bandstand.api.logs import configure_logs

    configure_logs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    try:
        app()
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
