"""The whole loop as one story, on a third of the bundled catalogue: index, search, click, find it, train, restart.

It is told twice: of a home folder, and of a cluster. Until a ranker is trained the plain scorer serves, which ranks the
same way every time; afterwards what is certain is what the memory holds, and that pages show it and say why.
"""

from __future__ import annotations

import pytest

from bandstand.catalog.bundled import load_bundled
from bandstand.learner.apply import FORGET_USER
from bandstand.retrievers.registry import BUILT_IN
from tests.support.api_world import eventually
from tests.support.small_home import MINUTE, SmallHome, ids

pytestmark = pytest.mark.slow

NICKNAMES = {
    "grandmothers kitchen song": ("Buena Vista Social Club", "Chan Chan"),
    "what the dentist plays": ("Erik Satie", "Gymnopédie"),
    "gym warm up": ("Daft Punk", "Harder"),
}
ASKED = {
    *(artist for artist, _ in NICKNAMES.values()),
    *("Leonard Cohen", "Beyoncé", "宇多田ヒカル", "AC/DC", "Hallelujah", "Halo", "Hurt"),
}
"""Artists and titles of whom all stay in it."""


@pytest.fixture(scope="module", params=["embedded", "opensearch"])
def backend(request):
    """Settings of the backend."""
    if request.param == "embedded":
        return {"backend": "embedded"}
    cluster = request.getfixturevalue("new_cluster")()
    return {
        "backend": "opensearch",
        "opensearch_url": ",".join(cluster.settings.urls),
        "opensearch_prefix": cluster.settings.prefix,
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory, backend):
    opened = SmallHome(
        tmp_path_factory.mktemp("story") / "home",
        entities=[
            entity for at, entity in enumerate(load_bundled()) if at % 3 == 0 or ASKED & {entity.title, *entity.artists}
        ],
        selfplay_queries=60,
        publish_every=20,
        **backend,
    )
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def wanted(home):
    """What each nickname means: one track of the catalogue, by its id."""
    found = {}
    for nickname, (artist, title) in NICKNAMES.items():
        page = home.search(f"{artist} {title}", kinds=("track",), policy="all")
        found[nickname] = ids(page)[0]
    return found


def rank(home, text, entity):
    """The place at which a newcomer finds the entity; 101 where she does not."""
    found = list(home.search(text, k=50, user="newcomer").impression.entity_ids)
    return found.index(entity) + 1 if entity in found else 101


def is_remembered(home, text, entity):
    """Whether the memory puts the entity first, and a newcomer's page shows it and names the memory as a source."""
    alone = home.search(text, user="newcomer", policy="memory").hits
    hits = home.search(text, k=50, user="newcomer", policy="all").hits
    sources = {hit.entity.id: {source.retriever for source in hit.sources} for hit in hits}
    return alone[0].entity.id == entity and "memory" in sources.get(entity, ())


def test_the_first_search_is_good_before_anybody_clicked(home):
    for text in ("hallelujah leonard cohen", "beyonce halo", "utada hikaru first love", "acdc thunderstruck"):
        top = home.search(text).hits[0].entity
        words = set(text.split())
        assert words & set(f"{top.title} {' '.join(top.artists)} {' '.join(top.aliases)}".lower().split()), text


def test_nobody_knows_the_nicknames_until_two_listeners_used_them(home, wanted):
    assert min(rank(home, text, entity) for text, entity in wanted.items()) > 3
    for listener in ("ann", "bob"):
        for text, entity in wanted.items():
            home.clock.pass_(30)
            home.play(entity, on=home.search(text, user=listener, session=f"of-{listener}"))
    home.learn()
    assert max(rank(home, text, entity) for text, entity in wanted.items()) <= 3
    assert all(is_remembered(home, text, entity) for text, entity in wanted.items())


def test_a_misspelt_nickname_reaches_its_memory_and_says_so(home, wanted):
    result = home.search("grandmothers kitchn song", user="newcomer")
    assert wanted["grandmothers kitchen song"] in ids(result)[:3]
    assert result.impression.corrected == "grandmothers kitchen song"


def test_a_listeners_own_past_comes_back_to_her_alone(home, wanted):
    def personal(user):
        hits = home.search("daft punk", k=50, user=user, policy="all").hits
        return {hit.entity.id for hit in hits if "personal" in {source.retriever for source in hit.sources}}

    assert wanted["gym warm up"] in personal("ann")
    assert personal("zoe") == set()


def test_the_bandit_learns_once_searches_settle(home):
    before = home.storage.models.list("bandit")
    for number in range(25):
        home.search("hallelujah", user=f"u{number}")
    home.clock.pass_(31 * MINUTE)
    home.learn()
    versions = home.storage.models.list("bandit")
    assert len(versions) > len(before)
    decision = home.search("hallelujah").impression.decision
    assert decision.version == versions[-1].version
    assert {arm.arm for arm in decision.arms} == set(BUILT_IN.names)


def test_training_on_what_was_clicked_counts_it(home):
    pages = [home.search(text, user="ann") for text in ("hallelujah", "halo", "hurt")]
    for on in pages:
        home.act(ids(on)[1], on=on)
    home.learn()
    log, searches = home.storage.log, [on.impression.query.id for on in pages]
    eventually(lambda: all(log.events_of_each(searches, limit=1)))  # a cluster finds what is a second old
    report = home.learning_side.train(home.home)
    assert report.promoted
    assert report.clicked_searches >= 3
    home.home.refresh()
    assert home.search("hallelujah").impression.models["ranker"] == report.version


def test_a_restart_keeps_everything(home, wanted):
    first = home.search("hallelujah", k=3, user="ann")
    learned, models = home.storage.memory.version(), home.search("hallelujah").impression.models
    home.restart()
    assert home.storage.memory.version() == learned
    assert home.search("hallelujah").impression.models == models
    assert all(is_remembered(home, text, entity) for text, entity in wanted.items())
    second = home.search("hallelujah", k=3, offset=3, query_id=first.impression.query.id)
    assert ids(first) + ids(second) == list(first.impression.entity_ids[:6])
    home.learn()
    assert home.storage.memory.position() == home.storage.log.head()


def test_who_is_forgotten_leaves_what_others_agreed_on(home, wanted):
    for text, entity in wanted.items():
        home.play(entity, on=home.search(text, user="carl"))
    home.storage.log.append_control(FORGET_USER, {"user_id": "ann"})
    home.learn()
    assert not home.storage.memory.knows("ann")
    assert all(is_remembered(home, text, entity) for text, entity in wanted.items())
    home.storage.log.append_control(FORGET_USER, {"user_id": "bob"})
    home.learn()
    assert not any(home.storage.memory.has_learned(text, "newcomer") for text in wanted)  # carl alone is not enough
