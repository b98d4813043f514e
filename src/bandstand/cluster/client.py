"""opensearch-py's client as we use it: several nodes, TLS, a user or signed requests, and fast JSON."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import SerializationError
from opensearchpy.serializer import JSONSerializer

from bandstand.cluster.settings import ClusterSettings
from bandstand.errors import MissingDependency

_LEFT_ALONE_S = 3
"""How long a node that failed is not asked, the first time; longer each further time."""


class _FastSerializer(JSONSerializer):  # type: ignore[misc]  # opensearch-py is untyped here
    """JSON by orjson; bytes go out as they are."""

    def loads(self, s: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise SerializationError(s, error) from error

    def dumps(self, data: object) -> bytes:
        return data if isinstance(data, bytes) else orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def new_client(settings: ClusterSettings) -> OpenSearch:
    """A client over the nodes of ``settings``; nothing is sent yet.

    Raises:
        MissingDependency: requests are to be signed, and boto3 is not installed.
    """
    # It logs every failure as a warning; ours carry the same, and whoever meets them says so once.
    logging.getLogger("opensearch").setLevel(logging.ERROR)
    return OpenSearch(
        list(settings.urls),
        http_auth=_auth(settings),
        ca_certs=settings.ca_file,
        connection_class=Urllib3HttpConnection,
        pool_maxsize=settings.connections,
        timeout=settings.timeout_s,
        max_retries=2,
        retry_on_timeout=False,
        dead_timeout=_LEFT_ALONE_S,
        serializer=_FastSerializer(),
    )


def _auth(settings: ClusterSettings) -> object:
    if settings.aws_region is None:
        return (settings.user, settings.password or "") if settings.user else None
    try:
        import boto3
    except ImportError as error:
        raise MissingDependency("signing requests to OpenSearch needs boto3: pip install boto3") from error
    credentials = boto3.Session().get_credentials()
    if credentials is None:
        raise MissingDependency("no AWS credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret")
    return Urllib3AWSV4SignerAuth(credentials, settings.aws_region, settings.aws_service)
