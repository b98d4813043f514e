"""Every setting of the platform: read once, at the edge, from arguments, the environment and the home's file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from bandstand.access.user_tokens import LEAST_SECRET
from bandstand.errors import BadInput, nearest

FILE = "bandstand.toml"
"""In the home folder; its keys are the names of the settings."""

INGEST = "ingest"
"""A table of the file: what `bandstand ingest` is asked for where the command says nothing."""

_TABLES: Mapping[str, frozenset[str]] = {INGEST: frozenset(("map", "kind", "unknown"))}

RENAMED: Mapping[str, str] = {"BANDSTAND_EXPLORATION": "epsilon", "BANDSTAND_SETTLE_SECONDS": "finalize_seconds"}
"""Variables of version 0.1 and the settings that they set, with a warning; the next version does not know them."""

NO_SETTINGS = frozenset({"BANDSTAND_DATA"})
"""Variables of tests and benchmarks."""

_THREADS = {"embedded": 2, "opensearch": 16}


class Settings(BaseSettings):
    """Frozen values, each from the first source that gives it.

    These are an argument; the environment variable ``BANDSTAND_`` + its name in capitals; the home's file
    ``bandstand.toml``; its default. The home itself comes from an argument or the environment.

    Raises:
        ValidationError: a value cannot be used; `load_settings` says so in Bandstand's own words.
        BadInput: the file cannot be read, or names no setting.
    """

    model_config = SettingsConfigDict(env_prefix="BANDSTAND_", frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - nor such a folder
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from, first things first."""
        home = _home(init_settings())
        renamed = InitSettingsSource(settings_cls, _renamed())
        return init_settings, env_settings, renamed, InitSettingsSource(settings_cls, read_file(home))

    home: Path = Field(
        Path(".bandstand"), description="Folder that holds everything: catalogue, indexes, memory, log, models"
    )
    backend: Literal["embedded", "opensearch"] = Field(
        "embedded",
        description="Where catalogue, indexes, memory and log live: the home folder, or an OpenSearch cluster",
    )
    opensearch_url: str = Field(
        "http://127.0.0.1:9200",
        validation_alias=AliasChoices("BANDSTAND_OPENSEARCH_URL", "OPENSEARCH_URL"),
        description="Addresses of the cluster's nodes, http or https, separated by commas; also `OPENSEARCH_URL`",
    )
    opensearch_user: str | None = Field(None, description="User of the cluster, where it asks for one")
    opensearch_password: str | None = Field(None, repr=False, description="That user's password")
    opensearch_ca: str | None = Field(None, description="File with the authority that signed the cluster's certificate")
    opensearch_aws_region: str | None = Field(
        None, description="When set, requests are signed for AWS with the credentials that boto3 finds"
    )
    opensearch_aws_service: Literal["es", "aoss"] = Field(
        "es", description="The AWS service that requests are signed for"
    )
    opensearch_prefix: str = Field("bandstand", description="How the names of all indices on the cluster begin")
    opensearch_shards: int = Field(1, ge=1, le=1024, description="Primary shards of a new index")
    lease_seconds: float = Field(
        5.0, ge=0.5, description="Seconds of silence after which another machine of the cluster takes the learner over"
    )
    host: str = Field("127.0.0.1", description="Address that `serve` listens on")
    port: int = Field(8080, ge=0, le=65535, description="Port that `serve` listens on")
    hosts: str = Field(
        "",
        description="Names by which this server is called, separated by commas, beside `BANDSTAND_HOST`, `localhost`"
        " and plain addresses; `*` for any",
    )
    proxies: str = Field(
        "127.0.0.1",
        description="Addresses of proxies, separated by commas, that are believed for whom they ask"
        " (`X-Forwarded-For`); `*` for any",
    )
    admin_key: str | None = Field(
        None, repr=False, description="A key that opens everything, beside those of `bandstand keys`"
    )
    user_token_secret: str | None = Field(
        None,
        repr=False,
        description="Secret of at least 32 characters with which your backend signs user tokens; without one nobody"
        " is known by name where there are keys",
    )
    insecure: bool = Field(
        False, description="Whether a server without any key trusts everybody also where other machines reach it"
    )
    max_body_mb: float = Field(
        10.0, gt=0, description="Largest request body in megabytes (of bulk: line); more is answered 413"
    )
    max_connections: int | None = Field(
        None,
        ge=1,
        description="Connections that one process holds, more are answered 503; by default 4096, or what descriptors"
        " (`ulimit -n`) leave beside 256 of its own",
    )
    max_connections_per_address: int = Field(
        128,
        ge=1,
        description="Of these from one address, more are answered 429; this machine and `BANDSTAND_PROXIES` are exempt",
    )
    header_seconds: float = Field(
        10.0, gt=0, description="Seconds within which the header of a request must come, or its connection is closed"
    )
    body_seconds: float = Field(
        10.0,
        gt=0,
        description="Seconds that a body may be waited for, which every 500 bytes of it lengthen by one (of bulk: that"
        " nothing comes), before it is answered 408",
    )
    subsonic: str | None = Field(
        None,
        description="URL of a Subsonic server, `http://192.168.1.20:4533`: `serve` stands before it, answers its"
        " searches and passes everything else on",
    )
    subsonic_password: str | None = Field(
        None, repr=False, description="Password of the account with which `ingest subsonic://` reads a server"
    )
    subsonic_api_key: str | None = Field(
        None, repr=False, description="OpenSubsonic API key in its place, where the server has such keys"
    )

    encoder: str = Field(
        "int8",
        description="Query and entity encoder: `int8` and `fp32` are MiniLM quantised and in full, `hashing` is hashed"
        " n-grams (no model needed); else the folder of a sentence-transformers model, or its name on the Hugging Face"
        " hub; `int8:` before either quantises it",
    )
    query_encoder: Literal["static", "encoder"] = Field(
        "static",
        description="What reads queries: `static` adds up token vectors distilled from the encoder, which reads only"
        " queries with words that are new to them; `encoder` is the encoder itself. A cluster has the encoder",
    )
    exact_up_to: int = Field(
        200_000, ge=0, description="Entities up to which dense search is exact; above, approximate"
    )
    deadline_ms: float = Field(250.0, gt=0, description="Milliseconds after which a retriever is dropped from a search")
    search_threads: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Searches that run side by side in one process; by default 2, on a cluster 16, for which they"
        " mostly wait",
    )
    search_queue: int = Field(64, ge=1, description="Searches that may wait for a thread; more are answered 503")
    default_policy: Literal["bandit", "all", "lexical", "dense", "memory", "hybrid", "random", "selective"] = Field(
        "bandit", description="Policy of a search that names none"
    )
    mix_kinds: bool = Field(True, description="Whether a page mixes kinds (tracks, artists, ...) by likelihood")
    synonyms: Path | None = Field(
        None,
        description="Table of synonyms that replaces `synonyms.txt` of the home; on several machines one that all see",
    )
    deny_list: Path | None = Field(
        None, description="File of words and phrases, one a line, that are never suggested; read again when it changes"
    )
    refresh_ms: float = Field(200.0, gt=0, description="How often new entities, memories and models are looked for")

    agree_users: int = Field(
        2, ge=1, description="Users who must agree before a (query, entity) pair becomes shared memory"
    )
    title_users: int = Field(
        50, ge=0, description="Users who must choose something else before an exact title loses its first place to it"
    )
    half_life_days: float = Field(30.0, gt=0, description="Days after which a remembered click or play counts half")
    max_queries: int = Field(200_000, ge=1, description="Queries that the memory holds; the least valuable go first")

    cost_weight: float = Field(0.01, ge=0, description="Reward that one millisecond of retrieval costs (lambda)")
    epsilon: float = Field(0.02, gt=0, le=1, description="Share of each decision spread evenly over all depths")
    ablation_share: float = Field(
        0.02, ge=0, le=1, description="Share of searches whose page is also made with and without each expensive arm"
    )
    selective_thresholds: str | None = Field(
        None,
        description="P(helps) from which an expensive arm plays, `dense=0.2,trigram=0.1`; others by their price",
    )
    speculate: bool = Field(
        False, description="Begin slow arms that will probably be chosen before the decision is taken"
    )
    join_minutes: float = Field(30.0, gt=0, description="Minutes after a search within which its clicks count for it")
    finalize_seconds: float = Field(
        60.0, ge=0, description="Seconds after a click at which the bandit learns from the search"
    )
    publish_every: int = Field(200, ge=1, description="Settled searches after which the learner publishes the bandit")
    learn_within_seconds: float = Field(
        300.0,
        ge=0,
        description="Seconds that a log entry may wait to be learned before `readyz` and `doctor` fail; 0: for ever",
    )
    bulk_within_seconds: float = Field(
        60.0,
        ge=0,
        description="Seconds that a log entry may wait to be learned before more than 10 events at a time are answered"
        " 429; 0: for ever",
    )
    keep_log_days: float | None = Field(
        None,
        ge=1,
        description="Days after which what was logged is deleted, once it was learned from; by default never",
    )
    keep_log_gb: float | None = Field(
        None,
        gt=0,
        description="Gigabytes above which the oldest of the log is deleted, once learned from; not on a cluster",
    )
    train_searches: int = Field(100_000, ge=1_000, description="Newest searches of the log that models are trained on")
    retrain_minutes: float = Field(
        60.0, ge=0, description="Minutes between trainings of the ranker while serving; 0 is never"
    )
    retrain_clicks: int = Field(
        200, ge=1, description="New clicked searches without which the ranker is not trained again"
    )
    estimate_minutes: float = Field(
        60.0, ge=0, description="Minutes between off-policy estimates of every policy while serving; 0 is never"
    )
    keep_models: int = Field(10, ge=2, description="Versions of each model that are kept")
    reward_model: Literal["learned", "constants", "clicks"] = Field(
        "learned",
        description="What judges actions: a model learned from sessions, once it can be; constants; or clicks alone",
    )
    relabel: bool = Field(True, description="Whether a success also answers the failed searches before it")
    generator: bool = Field(
        True, description="Whether queries are also predicted and posed as people were seen to ask, once enough were"
    )
    selfplay_queries: int = Field(
        1_500,
        ge=0,
        description="Predicted queries that teach gate and bandit before any click, and the ranker beside clicks",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Less than this is not written to the log of the process"
    )
    access_log: bool = Field(False, description="Whether a line is logged for each request: method, route, status, ms")
    slow_search_ms: float = Field(
        1_000.0, ge=0, description="A search that takes longer is logged with its decision and stages; 0: none"
    )
    import_map: dict[str, str] = Field(
        {},
        description="Columns of other systems' logs by field, as `bandstand import --map` has it; in the file a table",
    )
    seed: int = Field(1, ge=0, description="Seed of everything random")

    @field_validator("admin_key")
    @classmethod
    def _admin_key(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("an empty key is no key: give it a value, or unset it")
        return value

    @field_validator("user_token_secret")
    @classmethod
    def _user_token_secret(cls, value: str | None) -> str | None:
        if value is not None and len(value) < LEAST_SECRET:
            raise ValueError(f"a secret has at least {LEAST_SECRET} characters: openssl rand -hex 32")
        return value

    @field_validator("encoder")
    @classmethod
    def _encoder(cls, value: str) -> str:
        from bandstand.retrievers.encoder_registry import encoder_recipe

        try:
            encoder_recipe(value)
        except BadInput as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("subsonic")
    @classmethod
    def _subsonic(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query):
            raise ValueError(
                "it must be a URL such as http://192.168.1.20:4533, without a user: players log in themselves"
            )
        return value or None

    @property
    def local(self) -> bool:
        """Whether only this machine reaches the server, as far as its own address says."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def known_hosts(self) -> frozenset[str]:
        """The names that requests may call the server by."""
        return frozenset(filter(None, (name.strip().lower() for name in (self.host, *self.hosts.split(",")))))

    @property
    def threads(self) -> int:
        """How many searches run side by side.

        While a cluster is slow each waits out its deadline: with two threads a worker answered no more than 8 a second.
        """
        return self.search_threads or _THREADS[self.backend]


def load_settings(**given: object) -> Settings:
    """Settings with the arguments ``given`` on top (None means "not given").

    Raises:
        BadInput: naming what is wrong, where it was said, and what it must be; the first of `problems`.
    """
    for problem in problems(**given):
        raise problem
    return Settings(**_arguments(given))  # type: ignore[arg-type]


def problems(**given: object) -> list[BadInput]:
    """Everything that is wrong with the settings as they would be loaded: the file, its keys, and all values."""
    arguments = _arguments(given)
    file = _home(arguments) / FILE
    try:
        content = _parsed(file)
    except BadInput as error:
        return [error]
    if unknown := _unknown_keys(file, content):
        return unknown
    try:
        Settings(**arguments)  # type: ignore[arg-type]
    except ValidationError as cause:
        return [_bad_value(str(each["loc"][0]), each["msg"], each["input"], arguments) for each in cause.errors()]
    return []


@dataclass(frozen=True, slots=True)
class Told:
    """One setting: its value, and where that came from: "argument", a variable's name, `FILE`, or "default".

    A ``secret`` one is not to be shown.
    """

    name: str
    value: object
    origin: str
    secret: bool


def told(**given: object) -> list[Told]:
    """Every setting as `load_settings` gives it.

    Raises:
        BadInput: see `load_settings`.
    """
    values, arguments = load_settings(**given), _arguments(given)
    return [
        Told(name, getattr(values, name), _origin(name, arguments), not field.repr)
        for name, field in Settings.model_fields.items()
    ]


def unknown_variables() -> list[str]:
    """What is wrong with variables that look like settings and are none, or will be none in the next version."""
    known = [variable for name in Settings.model_fields for variable in _variables(name)]
    found = sorted(name for name in os.environ if name.startswith("BANDSTAND_") and name not in {*known, *NO_SETTINGS})
    return [
        f"{name} is called BANDSTAND_{RENAMED[name].upper()} now: rename it"
        if name in RENAMED
        else f"no such setting: {name}{_nearest(name, known)}"
        for name in found
    ]


def read_file(home: Path) -> dict[str, object]:
    """What the file of a home sets, by name; nothing where there is none.

    Raises:
        BadInput: it cannot be read, or a key is no setting.
    """
    content = _parsed(home / FILE)
    for problem in _unknown_keys(home / FILE, content):
        raise problem
    return {name: value for name, value in content.items() if name not in _TABLES}


def read_table(home: Path, name: str) -> dict[str, Any]:
    """A table of a home's file, such as `INGEST`; empty where there is none.

    Raises:
        BadInput: the file cannot be read.
    """
    found = _parsed(home / FILE).get(name, {})
    if not isinstance(found, dict):
        raise BadInput(f"{home / FILE}: {name} must be a table: [{name}]", field=name)
    return found


def _parsed(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as cause:  # of which those of TOML and of UTF-8 are
        raise BadInput(f"{file} cannot be read: {cause}. Correct it, or move it away.", field=FILE) from cause


def _unknown_keys(file: Path, content: Mapping[str, object]) -> list[BadInput]:
    """One for each key that is no setting, or that cannot be set there."""
    found = [
        BadInput(f"{file}: no such setting: {key}{_nearest(key, Settings.model_fields)}", field=key)
        for key in content
        if key not in Settings.model_fields and key not in _TABLES
    ]
    for table, known in _TABLES.items():
        rows = content.get(table)
        unknown = sorted({*rows} - known) if isinstance(rows, dict) else []
        found += [BadInput(f"{file}: [{table}] has no {key}{_nearest(key, known)}", field=key) for key in unknown]
    if "home" in content:
        found.append(BadInput(f"{file}: home: the file lies in it; set BANDSTAND_HOME, or use --home", field="home"))
    return found


def _bad_value(name: str, message: str, value: object, arguments: Mapping[str, object]) -> BadInput:
    name = next((field for field in Settings.model_fields if name in {field, *_variables(field)}), name)
    origin = _origin(name, arguments)
    where = {FILE: f"{_home(arguments) / FILE}: {name}", "argument": f"BANDSTAND_{name.upper()}"}.get(origin, origin)
    shown = "" if not Settings.model_fields[name].repr else f" (got {value!r})"
    return BadInput(f"{where}: {message.removeprefix('Value error, ')}{shown}", field=where)


def _arguments(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def _home(given: Mapping[str, object]) -> Path:
    return Path(str(given.get("home") or _environment().get("BANDSTAND_HOME") or Settings.model_fields["home"].default))


def _variables(name: str) -> tuple[str, ...]:
    """The environment variables that set a setting, first things first."""
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (f"BANDSTAND_{name.upper()}",)


def _origin(name: str, arguments: Mapping[str, object]) -> str:
    old = (variable for variable, field in RENAMED.items() if field == name)
    set_by = next((variable for variable in (*_variables(name), *old) if variable in _environment()), None)
    if name in arguments:
        return "argument"
    if set_by is not None:
        return set_by
    return FILE if name in _parsed(_home(arguments) / FILE) else "default"


def _environment() -> dict[str, str]:
    """The environment by names in capitals: settings are found there however they are written."""
    return {name.upper(): value for name, value in os.environ.items()}


def _renamed() -> dict[str, object]:
    """Settings under the names that their variables had in version 0.1."""
    found: dict[str, object] = {}
    for old, name in RENAMED.items():
        if (value := _environment().get(old)) is not None:
            _warn_renamed(old, f"BANDSTAND_{name.upper()}")
            found[name] = value
    return found


@cache
def _warn_renamed(old: str, new: str) -> None:
    """Once in a process."""
    structlog.get_logger("settings").warning("variable_renamed", old=old, new=new, until="the next version")


def _nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, as a remedy."""
    return nearest(name, known) or "; remove it, or see `bandstand config show` for all there are"
