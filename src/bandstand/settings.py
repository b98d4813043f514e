"""Every setting of the platform, read once from the environment (``BANDSTAND_*``) at the edge."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bandstand.errors import BadInput

_THREADS = {"embedded": 2, "opensearch": 16}


class Settings(BaseSettings):
    """Frozen values; each field is the environment variable ``BANDSTAND_`` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="BANDSTAND_", frozen=True, extra="ignore", populate_by_name=True)

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
    admin_key: str | None = Field(
        None, repr=False, description="When set, changing entities, users and models needs it in `X-Bandstand-Key`"
    )
    max_body_mb: float = Field(10.0, gt=0, description="Largest request body in megabytes; more is answered 413")

    encoder: Literal["int8", "fp32", "hashing"] = Field(
        "int8",
        description="Query and entity encoder: MiniLM quantised, MiniLM in full, or hashed n-grams (no model needed)",
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
        1_500, ge=0, description="Predicted queries on which ranker and bandit are trained before any click"
    )
    seed: int = Field(1, ge=0, description="Seed of everything random")

    @property
    def threads(self) -> int:
        """How many searches run side by side.

        While a cluster is slow each waits out its deadline: with two threads a worker answered no more than 8 a second.
        """
        return self.search_threads or _THREADS[self.backend]


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with ``overrides`` (None means "not given") on top.

    Raises:
        BadInput: naming the variable and what it must be.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as cause:
        first = cause.errors()[0]
        name = "BANDSTAND_" + str(first["loc"][0]).upper()
        raise BadInput(f"{name}: {first['msg']} (got {first['input']!r})", field=name) from cause
