"""Exit codes and messages: 0, 1 failed, 2 asked wrongly; every message names what to do, none is a traceback."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import time

import pytest

from bandstand.cli.main import app
from tests.support.cli_world import ENTITIES, ndjson, run

COMMAND = [sys.executable, "-c", "from bandstand.cli.main import main; main()"]
HEAVY = {
    "fastapi",
    "faiss",
    "lightgbm",
    "lmdb",
    "numpy",
    "onnxruntime",
    "pandas",
    "sentence_transformers",
    "sklearn",
    "tantivy",
    "torch",
    "uvicorn",
    "vowpalwabbit",
}


class TestUsage:
    @pytest.mark.usefixtures("home")
    @pytest.mark.parametrize(
        "words",
        [
            ["dance"],
            ["search"],
            ["search", "a", "--no-such-option"],
            ["search", "a", "-k", "many"],
            ["search", "a", "-k", "0"],
            ["search", "a", "-k", "101"],
            ["search", "a" * 10_001],
            ["search", "a", "--policy", "clever"],
            ["search", "a", "--kind", "song"],
            ["click", "q"],
            ["click", "q", "1", "--action", "like"],
            ["click", "q", "1", "--seconds", "-1"],
            ["ingest", "/no/such/file"],
            ["ingest", __file__, "--format", "xml"],
            ["ingest", __file__],
            ["export", "out", "--format", "xml"],
            ["models"],
            ["models", "promote", "ranker"],
            ["serve", "--port", "65536"],
            ["serve", "--workers", "0"],
        ],
        ids=lambda words: " ".join(words)[:40],
    )
    def test_what_was_asked_wrongly_exits_2(self, cli, words):
        ended = cli(*words)
        assert ended.code == 2
        assert (ended.err + ended.out).strip()

    @pytest.mark.parametrize(
        ("name", "value"), [("PORT", "many"), ("EPSILON", "0"), ("ENCODER", "huge"), ("SEED", "-1")]
    )
    def test_a_bad_setting_exits_2_and_is_named(self, cli, monkeypatch, name, value):
        monkeypatch.setenv(f"BANDSTAND_{name}", value)
        ended = cli("search", "hello")
        assert ended.code == 2
        assert f"BANDSTAND_{name}" in ended.err
        assert value in ended.err

    @pytest.mark.parametrize(
        "words", [["--help"], ["--version"], *([name, "--help"] for name in ("search", "serve", "models"))]
    )
    def test_help_exits_0(self, cli, words):
        assert cli(*words).code == 0

    def test_every_command_and_option_has_a_help_text(self):
        import typer

        group = typer.main.get_command(app)
        commands = {**group.commands, **{f"models {k}": v for k, v in group.commands["models"].commands.items()}}
        for name, command in commands.items():
            assert command.help, name
            for parameter in command.params:
                assert parameter.help or parameter.name == "help", (name, parameter.name)


class TestFailure:
    @pytest.mark.parametrize(
        ("words", "remedy"),
        [
            (["search", "hello"], "bandstand index"),
            (["click", "never", "1"], "never made"),
            (["models", "promote", "ranker", "x"], "bandstand models"),
            (["models", "promote", "nothing", "x"], "known are"),
            (["models", "rollback", "ranker"], "nothing to roll back"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    @pytest.mark.usefixtures("empty")
    def test_in_an_empty_home_exits_1_with_a_remedy(self, cli, words, remedy):
        ended = cli(*words)
        assert ended.code == 1
        assert remedy in ended.err

    @pytest.mark.parametrize(
        "words",
        [
            ["index"],
            ["search", "a"],
            ["click", "q", "1"],
            ["train"],
            ["models", "list"],
            ["memory", "changes"],
            ["export", "x"],
            ["ope"],
            ["estimates"],
        ],
        ids=" ".join,
    )
    def test_a_home_that_is_not_there_exits_2_and_is_not_begun(self, cli, tmp_path, words):
        ended = cli(*words, "--home", tmp_path / "mistyped")
        assert ended.code == 2
        assert f"there is no home in {tmp_path / 'mistyped'}" in ended.err
        assert not (tmp_path / "mistyped").exists()

    @pytest.mark.parametrize("words", [["ingest"], ["serve"]], ids=" ".join)
    def test_a_home_that_cannot_be_written_exits_1_with_a_remedy(self, cli, tmp_path, words):
        (tmp_path / "file").write_text("not a folder")
        ended = cli(*words, "--home", tmp_path / "file" / "home")
        assert ended.code == 1
        assert "BANDSTAND_HOME" in ended.err

    def test_a_port_in_use_exits_1_with_a_remedy(self, cli):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ended = cli("serve", "--port", taken.getsockname()[1])
        assert ended.code == 1
        assert "--port" in ended.err

    def test_an_address_that_is_none_exits_1(self, cli):
        ended = cli("serve", "--host", "no such host", "--insecure", "--port", 0)
        assert ended.code == 1
        assert "--host" in ended.err

    def test_a_damaged_home_exits_1(self, cli, home):
        (home / "catalog.sqlite").write_bytes(b"not a database" * 1000)
        ended = cli("search", "hello")
        assert ended.code == 1
        assert "catalog.sqlite" in ended.err

    @pytest.mark.usefixtures("empty")
    def test_an_export_that_cannot_be_written_exits_1(self, cli, tmp_path):
        assert cli("export", tmp_path / "no" / "such" / "folder" / "x").code == 1

    @pytest.mark.usefixtures("empty")
    def test_a_defect_is_one_line_and_its_traceback_is_in_a_file(self, cli, monkeypatch, tmp_path):
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("oh no")

        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr("bandstand.app.storage.Storage.__init__", broken)
        ended = cli("search", "hello")
        assert ended.code == 1
        assert ended.err.count("\n") == 1
        (file,) = tmp_path.glob("bandstand-error-*.txt")
        assert str(file) in ended.err
        assert "ZeroDivisionError: oh no" in file.read_text()


class TestProcess:
    def test_importing_is_cheap(self):
        code = f"import sys, bandstand, bandstand.cli.main; print(sorted({HEAVY!r} & set(sys.modules)))"
        printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        assert printed.strip() == "[]"

    def test_importing_the_package_imports_nothing_else_of_it(self):
        code = "import sys, bandstand; print([m for m in sys.modules if m.startswith('bandstand.')])"
        printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        assert printed.strip() == "[]"

    @pytest.mark.slow
    def test_ctrl_c_is_told_calmly_and_resumed(self, cli, tmp_path):
        many = [{**ENTITIES[0], "id": f"t{number}", "title": f"Song {number}"} for number in range(30_000)]
        path = ndjson(tmp_path / "many.ndjson", many)
        process = subprocess.Popen(
            [*COMMAND, "ingest", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        resume = tmp_path / "home" / "ingest.json"
        while not resume.exists() and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Interrupted" in err
        assert "Traceback" not in err
        again = cli("ingest", path, "--json").json()
        assert again["skipped"] > 0
        assert again["read"] + again["skipped"] == len(many)

    @pytest.mark.slow
    @pytest.mark.usefixtures("empty")
    def test_a_reader_that_leaves_is_no_error_message(self):
        process = subprocess.Popen(
            [*COMMAND, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        process.stdout.close()
        assert process.stderr.read() == ""
        process.wait(timeout=60)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_poor_terminal_shows_what_it_can(monkeypatch, more):
    poor = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", poor)
    assert run(monkeypatch, ["search", "beyonce", *more]) == 0
    shown = poor.buffer.getvalue().decode("ascii")
    assert ("Beyonc\\u00e9" if more else "Beyonc?") in shown
