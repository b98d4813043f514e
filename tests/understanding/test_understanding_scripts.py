"""Languages and scripts: what people type finds what they mean, first, in every way of retrieving names."""

from __future__ import annotations

import pytest

from tests.support.script_cases import SCRIPT_CASES, SCRIPT_ENTITIES
from tests.support.small_catalog import open_small


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    with open_small(tmp_path_factory.mktemp("scripts"), SCRIPT_ENTITIES) as opened:
        yield opened


def test_the_table_is_large():
    assert len(set(SCRIPT_CASES)) >= 100
    assert {id_ for _, id_ in SCRIPT_CASES} == {entity.id for entity in SCRIPT_ENTITIES}


@pytest.mark.parametrize(("typed", "meant"), SCRIPT_CASES)
def test_the_structured_retriever_puts_it_first(scripts, typed, meant):
    assert scripts.found(scripts.structured, typed)[:1] == [meant]


@pytest.mark.parametrize(("typed", "meant"), SCRIPT_CASES)
def test_words_or_trigrams_put_it_first(scripts, typed, meant):
    found = scripts.found(scripts.lexical, typed)[:1], scripts.found(scripts.trigram, typed)[:1]
    assert [meant] in found
