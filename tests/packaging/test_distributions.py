"""The wheel and the sdist: complete, equal, and working where the repository is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests", "bench", "out")
PROJECT = (ROOT / "pyproject.toml").read_text()
QUICK = {"BANDSTAND_ENCODER": "hashing", "BANDSTAND_SELFPLAY_QUERIES": "0", "BANDSTAND_DEADLINE_MS": "10000"}

TRY_OUT = """
import importlib, pkgutil, sys
import bandstand
from bandstand.catalog.bundled import load_bundled
from bandstand.cli.main import main

for module in pkgutil.walk_packages(bandstand.__path__, "bandstand."):
    importlib.import_module(module.name)
print(bandstand.__file__, len(list(load_bundled())))
for words in (["ingest", sys.argv[1]], ["index"], ["search", "halo", "--json"]):
    sys.argv = ["bandstand", *words]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, words
"""


def run(*words: object, cwd: Path, **environment: str) -> str:
    ended = subprocess.run(
        [str(word) for word in words], cwd=cwd, env={**os.environ, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build_wheel(source: Path, into: Path) -> Path:
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index",
        "--wheel-dir", into, source, cwd=source,
    )  # fmt: skip
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The repository's files without its leftovers; links stay links."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "bandstand", symlinks=True, ignore=LEFT_OUT)


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel in a folder of its own, and how to run Python there without the repository's editable install."""
    target = tmp_path_factory.mktemp("installed") / "site"
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel,
        cwd=target.parent,
    )  # fmt: skip
    # Without `site` no .pth file is read, so the libraries are found and the editable install is not.
    paths = os.pathsep.join([str(target), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])

    def python(*words: object, **environment: str) -> str:
        return run(sys.executable, "-S", *words, cwd=target.parent, PYTHONPATH=paths, PYTHONSAFEPATH="1", **environment)

    return target, python


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_module_and_every_bundled_file(source, wheel):
    package = source / "src" / "bandstand"
    folders = [package, *(path for path in package.iterdir() if path.is_dir())]
    kinds = {".py", ".typed", ".txt", ".j2", ".json", ".html", ".css", ".js", ".svg", ".zdict"}
    wanted = {file for folder in folders for file in folder.rglob("*") if file.suffix in kinds}
    assert names(wheel) == {f"bandstand/{file.relative_to(package)}" for file in wanted}
    assert "bandstand/py.typed" in names(wheel)
    assert any(name.startswith("bandstand/catalog/bundled/") for name in names(wheel))


def test_every_folder_of_the_architecture_is_in_it(wheel):
    folders = {path.parent.name for path in (ROOT / "src" / "bandstand").glob("*/__init__.py")}
    assert folders == {name.split("/")[1] for name in names(wheel) if name.count("/") > 1}


def test_installed_elsewhere_everything_imports_and_works(installed, tmp_path):
    target, python = installed
    entities = tmp_path / "entities.ndjson"
    entities.write_text('{"id": "the-one", "kind": "track", "title": "Halo"}\n')
    shown = python("-c", TRY_OUT, entities, BANDSTAND_HOME=str(tmp_path / "home"), **QUICK)
    file, count, *_ = shown.split()
    assert Path(file).is_relative_to(target)
    assert int(count) > 500
    assert '"entity_id": "the-one"' in shown


def test_the_command_is_installed(installed):
    target, python = installed
    assert f'version = "{python(target / "bin" / "bandstand", "--version").strip()}"' in PROJECT


def test_the_sdist_makes_the_same_wheel(source, wheel, tmp_path):
    build = "import sys, setuptools.build_meta as backend; print(backend.build_sdist(sys.argv[1]))"
    archive = tmp_path / run(sys.executable, "-c", build, tmp_path, cwd=source).split()[-1]
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {"README.md", "LICENSE", "pyproject.toml"} <= {path.name for path in unpacked.iterdir()}
    again = build_wheel(unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert {n: first.read(n) for n in names(wheel)} == {n: second.read(n) for n in names(again)}
