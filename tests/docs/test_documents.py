"""What README and docs/ name exists, and what exists is documented."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
import typer
import yaml

from bandstand.api.app import create_app
from bandstand.api.schemas import SearchBody
from bandstand.cli.main import app
from bandstand.engine.answers import SearchAnswer
from bandstand.feedback.ubi_events import parse_event
from bandstand.settings import RENAMED, Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TEXT = {page: page.read_text() for page in PAGES}
ALL = "\n".join(TEXT.values())
DATED = {"adr", "results"}
COMMANDS = typer.main.get_command(app).commands


def routes() -> set[tuple[str, str]]:
    """Method and path of everything that the service answers."""
    described = create_app(Settings()).openapi()["paths"]
    return {(method.upper(), path) for path, methods in described.items() for method in methods}


def normal(path: str) -> str:
    """A path with its ids and query cut to their places."""
    path = path.partition("?")[0]
    path = re.sub(r"/v1/(queries|entities|users)/(?!bulk)[^/]+(/related)?$", r"/v1/\1/{}\2", path)
    path = re.sub(r"/v1/models/[^/]+/", "/v1/models/{}/", path)
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_setting_is_in_the_table_as_it_is():
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `BANDSTAND_{name.upper()}` | {default} | {field.description} |")
    assert "\n".join(rows) in TEXT[ROOT / "docs" / "settings.md"]


def test_every_setting_that_is_named_exists():
    named = set(re.findall(r"BANDSTAND_[A-Z_]+[A-Z]", ALL))
    known = {f"BANDSTAND_{name.upper()}" for name in Settings.model_fields} | {"BANDSTAND_DATA", *RENAMED}
    assert named <= known


def test_every_command_that_is_named_exists():
    named = set(re.findall(r"(?:^|`)bandstand ([a-z]+)", ALL, re.MULTILINE))
    assert named <= set(COMMANDS)


def test_the_page_of_the_command_line_is_what_the_commands_say():
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "typer",
            "bandstand.cli.main",
            "utils",
            "docs",
            "--name",
            "bandstand",
            "--title",
            "Command line",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    # To write it anew: python -m typer bandstand.cli.main utils docs --name bandstand --title "Command line"
    assert TEXT[ROOT / "docs" / "cli.md"].strip() == done.stdout.strip()


def test_every_route_that_is_named_exists():
    known = {normal(path) for _, path in routes()}
    named = {normal(path.rstrip(".,'`)")) for path in re.findall(r"/v1/[A-Za-z0-9_{}/?=&.-]+", ALL)}
    named = {path for path in named if not path.endswith("...")}
    assert named <= known


def test_every_route_is_on_the_page_of_the_api():
    page = TEXT[ROOT / "docs" / "http-api.md"]
    documented = {
        (method, normal(path)) for method, path in re.findall(r"`(GET|PUT|POST|PATCH|DELETE) (/[^`\s]+)`", page)
    }
    assert {(method, normal(path)) for method, path in routes()} <= documented


def examples(page: str) -> list[dict]:
    """The JSON examples of a page."""
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT[ROOT / "docs" / page], re.DOTALL)]


def test_the_examples_of_the_api_are_what_it_reads_and_writes():
    answer, event = examples("http-api.md")
    msgspec.convert(answer, SearchAnswer)
    parsed = parse_event(event, now=4e9)
    assert (parsed.object_id, parsed.position, parsed.play_seconds) == (answer["hits"][0]["entity_id"], 1, 61)


def test_the_curl_examples_of_the_readme_are_valid():
    bodies = [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", TEXT[ROOT / "README.md"], re.DOTALL)]
    searches = [body for body in bodies if "query" in body]
    assert len(searches) >= 2
    for body in searches:
        SearchBody.model_validate(body)
    for body in bodies:
        if "action_name" in body:
            assert parse_event(body, now=4e9).object_id


def test_every_option_that_is_named_exists():
    """Of every `bandstand` command that stands at the beginning of a line of an example."""
    lines = [line.partition(" #")[0].split() for line in re.findall(r"^bandstand [a-z]+ .*$", ALL, re.MULTILINE)]
    assert len(lines) > 40
    for _, name, *words in lines:
        command = COMMANDS[name]
        if words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}, (name, words)


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", ALL)) | set(re.findall(r"^make ([a-z]+)", ALL, re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", TEXT[page]):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name not in DATED], ids=lambda page: page.name)
def test_every_file_of_the_code_that_a_guide_names_exists(page):
    """Results and decisions name files as they were then."""
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|js|html))`", TEXT[page]):
        assert any((base / name).exists() for base in (ROOT, ROOT / "src", ROOT / "src" / "bandstand")), name


def test_the_image_runs_as_nobody_in_particular():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users
    assert "root" not in users


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors", "type"} <= set(cited)


def test_every_data_set_lies_where_the_page_says(real_data):
    rows = re.findall(r"^\| `([^`]+)` \|", TEXT[ROOT / "docs" / "data.md"], re.MULTILINE)
    assert len(rows) == 8
    for row in rows:
        outer = re.fullmatch(r"(\w+)/\{(\w+),(\w+)\}/\{(\w+),(\w+)\}/", row)
        places = (
            [row] if outer is None else [f"{outer[1]}/{a}/{b}" for a in outer.group(2, 3) for b in outer.group(4, 5)]
        )
        assert all(real_data(place) for place in places)
