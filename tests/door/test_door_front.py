"""`import bandstand`: quick, lazy, complete for type checkers, and every example in its documents is run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bandstand as bs
from bandstand.door.opening import demo
from bandstand.errors import BandstandError
from tests.door.conftest import QUICK

ROOT = Path(__file__).parents[2]
FRONT = Path(bs.__file__)
EXAMPLES = ("bandstand", "bandstand.door.facade", "bandstand.door.pages", "bandstand.door.opening")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_it_loads_nothing_else():
    found = run(
        "import sys; before = set(sys.modules); import bandstand;"
        "print(*sorted(set(sys.modules) - before - sys.stdlib_module_names))"
    )
    own = {name for name in found.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert own == {"bandstand"}


def test_importing_it_takes_less_than_50_ms():
    took = run(
        "import time; started = time.process_time(); import bandstand; print((time.process_time() - started) * 1e3)"
    )
    assert float(took) < 50


def test_everything_that_is_offered_is_there():
    for name in bs.__all__:
        assert getattr(bs, name).__name__ == name
    assert set(bs.__all__) <= set(dir(bs))
    with pytest.raises(AttributeError, match="no attribute 'opne'"):
        _ = bs.opne


def test_type_checkers_see_what_is_loaded_lazily():
    """Each name is imported under ``TYPE_CHECKING`` from the module that it comes from at run time."""
    block = next(node for node in ast.parse(FRONT.read_text()).body if isinstance(node, ast.If))
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert set(seen) == set(bs.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(module), name) is getattr(bs, name)


def test_every_error_that_callers_can_meet_is_offered():
    for name in ("BadInput", "NotFound", "Conflict", "Unavailable", "StorageError", "ModelError", "MissingDependency"):
        assert issubclass(getattr(bs, name), BandstandError)


def checked(text: str, names: dict[str, object], where: str) -> int:
    """Run the examples of a text; how many there were."""
    test = doctest.DocTestParser().get_doctest(text, dict(names), where, where, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    printed: list[str] = []
    runner.run(test, out=printed.append)
    assert not runner.failures, "".join(printed)
    return len(test.examples)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What examples may use: a folder of their own, which is also where they are run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "home"))
    return {"folder": str(tmp_path / "home"), "__name__": "examples"}


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_examples_of_the_docstrings(module, names):
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    for test in found:
        checked(test.docstring, names, test.name)


def test_the_examples_of_the_page_on_python(names):
    text = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    assert checked(re.sub(r"^```.*$", "", text, flags=re.MULTILINE), names, "python-api.md") > 20


class TestOpening:
    def test_a_setting_that_does_not_exist_is_named(self, tmp_path):
        with pytest.raises(bs.BadInput, match="no setting 'deadlin_ms'"):
            bs.open(tmp_path, deadlin_ms=5)

    def test_a_value_that_a_setting_cannot_have_is_named(self, tmp_path):
        with pytest.raises(bs.BadInput, match="BANDSTAND_SEED"):
            bs.open(tmp_path, seed=-1)

    def test_complete_settings_and_changes_of_them(self, tmp_path):
        settings = bs.Settings(home=tmp_path, encoder="hashing", seed=7)
        assert bs.open(settings).settings is settings
        changed = bs.open(settings, seed=8).settings
        assert (changed.home, changed.encoder, changed.seed) == (tmp_path, "hashing", 8)

    def test_opening_touches_nothing_before_it_is_used(self, tmp_path):
        bs.open(tmp_path / "home").close()
        assert not (tmp_path / "home").exists()

    def test_the_environment_is_read_where_nothing_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path / "there"))
        assert bs.open().settings.home == tmp_path / "there"

    def test_the_demo_has_the_bundled_music_and_leaves_other_music_alone(self, tmp_path):
        with demo(tmp_path / "a", **QUICK) as music:
            assert len(music) > 1_000
            assert "Queen" in music.search("bohemian rapsody")[0].artists
        with bs.open(tmp_path / "b", **QUICK) as music:
            music.add({"id": "x", "kind": "track", "title": "Alone"})
        with demo(tmp_path / "b", **QUICK) as music:
            assert [hit.id for hit in music.search("alone")] == ["x"]
