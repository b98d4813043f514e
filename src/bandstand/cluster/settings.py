"""Where the cluster is and how to talk to it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Frozen values of one connection.

    ``urls`` are http or https addresses of nodes; a node that fails is left alone for some seconds. ``aws_region``
    turns on request signing for ``aws_service`` ("es" or "aoss") with the credentials that boto3 finds. ``prefix``
    begins the name of every index. ``timeout_s`` is for requests that name no deadline of their own.
    """

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    aws_region: str | None = None
    aws_service: str = "es"
    prefix: str = "bandstand"
    shards: int = 1
    timeout_s: float = 30.0
    connections: int = 32
