"""Every retriever of ours keeps the contract that ships with the product."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bandstand.retrievers.base import Retriever
from bandstand.testing.retrievers import RetrieverContract
from tests.support.retriever_factories import RETRIEVER_FACTORIES, Case, ClusterWorld


@pytest.fixture(scope="module", params=RETRIEVER_FACTORIES.values(), ids=RETRIEVER_FACTORIES.keys())
def retriever_case(request: pytest.FixtureRequest) -> Case:
    if request.param.clustered:
        request.getfixturevalue("opensearch_url")
    case: Case = request.param
    return case


@pytest.fixture(scope="module")
def contract_retriever(retriever_case: Case, shared_world: ClusterWorld) -> Iterator[Retriever]:
    with retriever_case.build(shared_world) as built:
        yield built


class TestEveryRetriever(RetrieverContract):
    """The built-in retrievers, and those of the cluster."""
