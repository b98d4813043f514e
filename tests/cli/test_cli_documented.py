"""Every command of README and guides is given as it stands, in the order of its page; those that cannot run say why."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from bandstand.cli.common import opened
from tests.cli.conftest import QUICK
from tests.support.cli_world import run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GUIDES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "extending").glob("*.md")),
]

NOT_RUN = {
    r"^(make|source|pip|export|curl) ": "prepares a checkout or a shell, or is tested as a request, in tests/docs",
    r"^bandstand serve": "serves until it is stopped: tests/cli/test_serve_process.py",
    r"\$BANDSTAND_DATA": "minutes or hours of real data: tests/replay, tests/simulate and tests/ope run parts of it",
    r"--dask ADDRESS": "needs a scheduler: tests/cli/test_cli_dask.py has one",
    r" lastfm DIR": "the same data under a name of the reader's",
    r"^bandstand (replay|compare bandit)": "plays every policy: tests/cli/test_cli_own_log.py plays few",
    r"^bandstand train (reward|generator)": "needs hundreds of searches: tests/learner",
    r"~/Music|subsonic://": "needs a library or a server: tests/library and tests/subsonic have some",
    r"^BANDSTAND_ENCODER": "needs a model from the network: tests/system/test_system_encoder.py makes a small one",
}
"""What a line looks like that is not run here, and why."""

PAGES_NOT_RUN = {
    "cli.md": "says what each command takes, and is held against the commands",
    "opensearch.md": "needs a cluster: tests/system and tests/cluster have one",
    "catalogue.md": "tests/cli/test_cli_catalogue.py runs it, with tables of its own",
}


def lines_of(page: Path) -> list[str]:
    """The lines of a page's shell blocks, comments off, continued lines joined."""
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(), re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in (re.sub(r"\s+#\s.*", "", each).strip() for each in text.splitlines()) if line]


def is_run(line: str) -> bool:
    return line.startswith(("bandstand ", "BANDSTAND_")) and not any(re.search(pattern, line) for pattern in NOT_RUN)


RUN = {
    page.name: lines
    for page in GUIDES
    if page.name not in PAGES_NOT_RUN and (lines := [line for line in lines_of(page) if is_run(line)])
}


def test_every_line_is_run_or_says_why_not():
    left = [
        line
        for page in GUIDES
        if page.name not in PAGES_NOT_RUN
        for line in lines_of(page)
        if not is_run(line) and not any(re.search(pattern, line) for pattern in NOT_RUN)
    ]
    assert [line for line in left if re.match(r"[a-z]+ ", line) and not line.startswith("-")] == []
    assert {"tutorial.md", "evaluation.md", "importing.md", "operations.md", "understanding.md"} <= set(RUN)


@pytest.fixture(scope="session")
def written(made_once, built):
    """A folder with a home, and the files that the pages speak of: logs of elsewhere, judgements, results, exports."""

    def make(folder: Path) -> None:
        home = shutil.copytree(built, folder / "home")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**QUICK, "BANDSTAND_HOME": str(home)}.items():
                patch.setenv(name, value)
            with opened(None) as music:
                for number in range(6):
                    music.search(("halo", "hurt", "hello")[number % 3], policy="random")[0].click()
                music.learn()
                for form, name in (("ubi", "log.ndjson"), ("obp", "log.npz")):
                    music.export(folder / name, form)
            for name in ("before.json", "after.json"):
                with (folder / name).open("w") as file, redirect_stdout(file):
                    run(patch, ["ope", "--policy", "all", "--json"])
        write_foreign(folder)

    return made_once("documented", make)


def write_foreign(folder: Path) -> None:
    rows = [f"17000{number:05},halo,u{number % 3},halo,1,40" for number in range(12)]
    (folder / "searches.csv").write_text("\n".join(["ts,q,uid,track,rank,seconds", *rows]) + "\n")
    asked = {"query_id": "q1", "user_query": "blue", "client_id": "c", "timestamp": "2024-05-01T10:00:00Z"}
    acted = {**asked, "action_name": "click", "event_attributes": {"object": {"object_id": "so-what"}}}
    del acted["user_query"]
    (folder / "ubi_queries.ndjson").write_text(json.dumps(asked) + "\n")
    (folder / "ubi_events.ndjson").write_text(json.dumps(acted) + "\n")
    (folder / "judged.csv").write_text("query,entity_id\nhalo,halo\n")
    (folder / "topics.qrels").write_text("1 0 halo 1\n")
    (folder / "topics.tsv").write_text("1\thalo\n")
    tutorial = (ROOT / "docs" / "tutorial.md").read_text()
    (block,) = re.findall(r"`songs.csv`:\n\n```csv\n(.*?)```", tutorial, re.DOTALL)
    (folder / "songs.csv").write_text(block)


def run_line(cli, line: str, last: str, monkeypatch) -> str:
    """Run one line; the id of the search that was printed last."""
    words = [word.replace("QUERY_ID", last).replace("/backups", "backups") for word in shlex.split(line)]
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    ended = cli(*words[1:])
    assert ended.code == 0, (line, ended.err, ended.out)
    printed = re.findall(r"\b[0-9a-f]{32}\b", ended.out)
    return printed[-1] if printed else last


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run_as_they_stand(cli, written, tmp_path, monkeypatch, page):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    last = ""
    for line in RUN[page]:
        last = run_line(cli, line, last, monkeypatch)
