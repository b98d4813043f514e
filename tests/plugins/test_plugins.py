"""A distribution with a retriever, a feature and a reader: installed, it takes part; gone again, nothing is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bandstand.types import DEPTHS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "plugins" / "lyrics"
QUICK = {"BANDSTAND_ENCODER": "hashing", "BANDSTAND_SELFPLAY_QUERIES": "0"}
COMMAND = "from bandstand.cli.main import main; main()"
CONTRACTS = """
from bandstand.testing.readers import ReaderContract
from bandstand.testing.retrievers import RetrieverContract
import bandstand_lyrics

bandstand_lyrics.LINES = {"t:halo": "remember those halo walls", "t:halo-live": "remember the halo walls", "t:it": "it"}

class TestLyrics(RetrieverContract):
    known, literal = "remember halo", True
    make = staticmethod(bandstand_lyrics.Lyrics)

class TestM3u(ReaderContract):
    rows, rejected = 1, 1
    make = staticmethod(bandstand_lyrics.M3uReader)

    def write(self, folder):
        path = folder / "list.m3u"
        path.write_text("#EXTM3U\\n#EXTINF:1,U2 - One\\none.mp3\\n#EXTINF:1,nobody knows\\nx.mp3\\n")
        return path
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the distribution was installed."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
            "--target", str(folder), str(SOURCE),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def run(*words: object, beside: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process of its own, with the distribution ``beside`` the platform or without it."""
    paths = [str(beside)] if beside else []
    path = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **QUICK, **environment, "PYTHONPATH": path},
    )  # fmt: skip


def story(home: Path, beside: Path | None, **environment: str) -> dict:
    done = run("-m", "tests.plugins.story", home, beside=beside, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # a threshold of nothing is warned of before


def test_it_comes_takes_part_and_goes_without_loss(installed: Path, tmp_path: Path) -> None:
    """Its threshold stays set when it is gone, which the doctor tells and nothing else minds."""
    thresholds = {"BANDSTAND_SELECTIVE_THRESHOLDS": "lyrics=0.2"}
    before = story(tmp_path, None)
    assert before == {
        "clicked": 3, "decision": None, "brought": False, "explained": False, "features": {}, "arms": [],
        "charted": [], "alone": None, "estimated": False, "not estimated": {},
    }  # fmt: skip
    there = story(tmp_path, installed, **thresholds)
    assert there["clicked"] == 6  # the searches that were logged before it came teach as well
    decision = there["decision"]
    assert decision["depth"] in DEPTHS
    assert decision["propensity"] == decision["probabilities"][DEPTHS.index(decision["depth"])] > 0
    assert there["brought"]
    assert there["explained"]
    assert there["features"] == {"lyrics.words": 5.0, "territory": 1.0}
    arm = there["arms"][0]
    assert (arm["title"], arm["colour"], arm["cost_ms"] > 0) == (
        "lines of songs", {"light": "#7a4b00", "dark": "#e8c27a"}, True,
    )  # fmt: skip
    assert there["charted"] == ["played", "chosen"]
    assert there["alone"] == 1.0  # judged queries are asked of it alone as well
    assert there["estimated"]
    assert there["not estimated"] == {}
    after = story(tmp_path, None, **thresholds)
    assert after["clicked"] == 9  # nor are those lost in which it played
    assert after["not estimated"] == {"unknown arm": 6}  # what it decided is not known to who does not know it
    assert {**after, "clicked": 3, "charted": [], "not estimated": {}} == before
    for beside, expected in ((installed, ""), (None, "there is no retriever lyrics: install the plug-in")):
        doctor = run("-c", COMMAND, "doctor", "--home", tmp_path, beside=beside, **thresholds)
        assert ("MEND  thresholds" in doctor.stdout) == bool(expected)
        assert expected in doctor.stdout


def test_what_is_installed_is_listed_and_what_is_broken_named(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(run("-c", COMMAND, "plugins", "--json", beside=installed).stdout)["plugins"]
    states = {(plugin["group"], plugin["name"]): plugin["error"] for plugin in listed}
    broken = states.pop(("readers", "broken"))
    assert "NotThere" in broken
    assert states == {("retrievers", "lyrics"): None, ("features", "territory"): None, ("readers", "m3u"): None}
    doctor = run("-c", COMMAND, "doctor", "--home", tmp_path, beside=installed)
    assert doctor.returncode == 1
    assert re.search(r"MEND +plug-in broken \(readers\): .*pip uninstall bandstand-lyrics", doctor.stdout)
    assert json.loads(run("-c", COMMAND, "plugins", "--json").stdout) == {"plugins": []}


def test_its_reader_reads(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "list.m3u").write_text("#EXTM3U\n#EXTINF:258,Johnny Cash - Hurt\nhurt.mp3\n")
    done = run(
        "-c", COMMAND, "ingest", tmp_path / "list.m3u", "--format", "m3u", "--home", tmp_path / "home", "--json",
        beside=installed,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["read"] == 1


def test_it_passes_the_contracts_that_ours_pass(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_lyrics.py").write_text(CONTRACTS)
    done = run(
        "-m", "pytest", "-q", "-p", "bandstand.testing.plugin", "--rootdir", tmp_path, "-c", os.devnull,
        tmp_path / "test_lyrics.py",
        beside=installed, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", ["retriever", "feature", "dataset"])
def test_the_pages_show_what_is_installed_here(page: str) -> None:
    """Every entry point that the pages show is one of the distribution."""
    shown = re.findall(
        r'^(\w+ = "bandstand_lyrics:\w+")$', (ROOT / f"docs/extending/{page}.md").read_text(), re.MULTILINE
    )
    assert shown
    assert all(line in (SOURCE / "pyproject.toml").read_text() for line in shown)
