"""An empty page is an answer only where every retriever had its say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bandstand.api.search_routes import check_answered
from bandstand.errors import Unavailable
from bandstand.types import RetrieverOutcome


def result(found, **statuses):
    outcomes = tuple(RetrieverOutcome(retriever=arm, status=status) for arm, status in statuses.items())
    return SimpleNamespace(impression=SimpleNamespace(ordinals=np.arange(found), outcomes=outcomes))


def test_an_empty_page_is_refused_when_a_retriever_failed():
    with pytest.raises(Unavailable, match="lexical, dense could not answer") as caught:
        check_answered(result(0, memory="ok", lexical="failed", dense="late"))
    assert caught.value.retry_after == 2


def test_what_is_found_or_is_truly_nothing_passes():
    check_answered(result(3, memory="ok", lexical="failed"))
    check_answered(result(0, memory="ok", lexical="ok", dense="skipped"))
