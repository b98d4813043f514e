"""Settings: which source wins, the file of the home, names of the last version, and what every mistake is told."""

from __future__ import annotations

import os

import pytest
from structlog.testing import capture_logs

from bandstand import settings
from bandstand.errors import BadInput
from bandstand.retrievers.encoder_registry import BUILT_IN
from bandstand.settings import FILE, RENAMED, Settings, load_settings, problems, told, unknown_variables


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, and an environment that names it and nothing else."""
    for name in os.environ:
        if name.startswith("BANDSTAND_") or name == "OPENSEARCH_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("BANDSTAND_HOME", str(tmp_path))
    settings._warn_renamed.cache_clear()
    return tmp_path


def write(home, text):
    (home / FILE).write_text(text, "utf-8")


def origins(**given):
    return {each.name: each.origin for each in told(**given)}


def test_argument_then_variable_then_file_then_default(home, monkeypatch):
    write(home, "port = 1\nseed = 1\nmax_queries = 7\n")
    monkeypatch.setenv("BANDSTAND_PORT", "2")
    monkeypatch.setenv("BANDSTAND_SEED", "2")
    found = load_settings(port=3, seed=None)
    assert (found.port, found.seed, found.max_queries, found.lease_seconds) == (3, 2, 7, 5.0)
    assert {name: origins(port=3)[name] for name in ("home", "port", "seed", "max_queries", "lease_seconds")} == {
        "home": "BANDSTAND_HOME", "port": "argument", "seed": "BANDSTAND_SEED", "max_queries": FILE,
        "lease_seconds": "default",
    }  # fmt: skip


def test_the_file_is_that_of_the_home_that_is_opened(home, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write(home, "port = 1\n")
    write(other, "port = 2\n")
    assert (load_settings().port, load_settings(home=other).port, Settings(home=other).port) == (1, 2, 2)
    assert load_settings(home=tmp_path / "new").port == 8080


def test_every_kind_of_value_can_stand_in_the_file(home):
    write(
        home, 'backend = "opensearch"\nrelabel = false\nhalf_life_days = 14\nsynonyms = "words.txt"\nadmin_key = "k"\n'
    )
    found = load_settings()
    assert (found.backend, found.relabel, found.half_life_days) == ("opensearch", False, 14.0)
    assert (str(found.synonyms), found.admin_key) == ("words.txt", "k")


def test_the_clusters_address_has_two_variables(home, monkeypatch):
    write(home, 'opensearch_url = "http://file:1"\n')
    assert (load_settings().opensearch_url, origins()["opensearch_url"]) == ("http://file:1", FILE)
    monkeypatch.setenv("OPENSEARCH_URL", "http://short:1")
    assert (load_settings().opensearch_url, origins()["opensearch_url"]) == ("http://short:1", "OPENSEARCH_URL")
    monkeypatch.setenv("BANDSTAND_OPENSEARCH_URL", "http://long:1")
    assert (load_settings().opensearch_url, origins()["opensearch_url"]) == (
        "http://long:1",
        "BANDSTAND_OPENSEARCH_URL",
    )
    assert load_settings(opensearch_url="http://argument:1").opensearch_url == "http://argument:1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = \nseed = 1", ["cannot be read", "line 1"]),
        ("prt = 1", ["no such setting: prt", "did you mean port?"]),
        ("[server]\nport = 1", ["no such setting: server"]),
        ('home = "elsewhere"', ["home", "BANDSTAND_HOME"]),
        ("port = 70000", ["port: Input should be less than or equal to 65535", "70000"]),
        ('relabel = "perhaps"', ["relabel: Input should be a valid boolean", "perhaps"]),
        ('encoder = "in8"', ["encoder: 'in8' is neither int8"]),
    ],
)
def test_a_mistake_in_the_file_names_file_key_and_remedy(home, text, named):
    write(home, text)
    with pytest.raises(BadInput) as raised:
        load_settings()
    assert str(home / FILE) in str(raised.value)
    for part in named:
        assert part in str(raised.value)


def test_all_mistakes_are_told_at_once(home):
    write(home, "prt = 1\nsed = 2\n")
    assert [problem.field for problem in problems()] == ["prt", "sed"]
    write(home, "port = -1\nseed = -1\n")
    assert [problem.field for problem in problems()] == [f"{home / FILE}: port", f"{home / FILE}: seed"]
    write(home, "")
    assert problems() == []


def test_a_bad_variable_is_named_and_a_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("BANDSTAND_PORT", "many")
    with pytest.raises(BadInput, match=r"BANDSTAND_PORT: .*\(got 'many'\)"):
        load_settings()
    with pytest.raises(BadInput, match="BANDSTAND_ADMIN_KEY") as raised:
        load_settings(port=1, admin_key=["s3cret"])
    assert "s3cret" not in str(raised.value)


def test_variables_of_the_last_version_are_read_with_a_warning(monkeypatch):
    monkeypatch.setenv("BANDSTAND_EXPLORATION", "0.5")
    monkeypatch.setenv("BANDSTAND_SETTLE_SECONDS", "5")
    with capture_logs() as logs:
        found = load_settings()
        load_settings()
    assert (found.epsilon, found.finalize_seconds) == (0.5, 5.0)
    assert sorted((log["old"], log["new"]) for log in logs) == [
        ("BANDSTAND_EXPLORATION", "BANDSTAND_EPSILON"),
        ("BANDSTAND_SETTLE_SECONDS", "BANDSTAND_FINALIZE_SECONDS"),
    ]
    assert origins()["epsilon"] == "BANDSTAND_EXPLORATION"
    monkeypatch.setenv("BANDSTAND_EPSILON", "0.25")
    assert (load_settings().epsilon, origins()["epsilon"]) == (0.25, "BANDSTAND_EPSILON")


def test_a_bad_value_of_an_old_variable_is_named_by_it(monkeypatch):
    monkeypatch.setenv("BANDSTAND_EXPLORATION", "2")
    with pytest.raises(BadInput, match="BANDSTAND_EXPLORATION: "):
        load_settings()


def test_old_names_lead_to_settings_that_exist():
    assert set(RENAMED.values()) <= set(Settings.model_fields)
    assert not {f"BANDSTAND_{name.upper()}" for name in Settings.model_fields} & set(RENAMED)


def test_unknown_variables_are_told_with_the_nearest(monkeypatch):
    monkeypatch.setenv("BANDSTAND_DEDLINE_MS", "5")
    monkeypatch.setenv("BANDSTAND_EXPLORATION", "0.5")
    monkeypatch.setenv("BANDSTAND_DATA", "/data")
    first, second = unknown_variables()
    assert "BANDSTAND_DEDLINE_MS" in first
    assert "did you mean BANDSTAND_DEADLINE_MS?" in first
    assert "BANDSTAND_EPSILON" in second


def test_secrets_are_known_as_such():
    secrets = {"admin_key", "opensearch_password", "subsonic_api_key", "subsonic_password", "user_token_secret"}
    assert {each.name for each in told() if each.secret} == secrets


def test_every_encoder_with_a_name_of_its_own_is_described():
    described = Settings.model_fields["encoder"].description or ""
    assert all(f"`{name}`" in described for name in BUILT_IN)


@pytest.mark.parametrize("value", ["int8", "fp32", "hashing", "./folder", "some/model", "hf:LaBSE", "int8:some/model"])
def test_an_encoder_may_be(value):
    assert load_settings(encoder=value).encoder == value


@pytest.mark.parametrize("value", ["", "int8:", "huge", "a/b/c", "hf:", "with space/model"])
def test_an_encoder_may_not_be(value):
    with pytest.raises(BadInput, match="BANDSTAND_ENCODER: "):
        load_settings(encoder=value)
