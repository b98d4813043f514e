"""What users of other systems complain of, languages and scripts, and hostile input, over the whole platform.

Told twice: of a home folder, and of a cluster.
"""

from __future__ import annotations

import pytest

from tests.support.effort import effort
from tests.support.hostile_queries import BOUND, HOSTILE, SYNTAX
from tests.support.script_cases import SCRIPT_CASES, SCRIPT_ENTITIES
from tests.support.small_catalog import ENTITIES, track
from tests.support.small_home import SmallHome, ids

OVERLAPPING = "love love me love love me me love love me love love me me love me love"


@pytest.fixture(scope="module", params=["embedded", "opensearch"])
def opened(request, tmp_path_factory):
    """Opens homes with given entities in the backend."""
    homes: list[SmallHome] = []

    def open_home(entities) -> SmallHome:
        settings = {"backend": request.param}
        if request.param == "opensearch":
            cluster = request.getfixturevalue("new_cluster")()
            settings |= {
                "opensearch_url": ",".join(cluster.settings.urls),
                "opensearch_prefix": cluster.settings.prefix,
            }
        homes.append(SmallHome(tmp_path_factory.mktemp("home") / "home", entities=entities, **settings))
        return homes[-1]

    yield open_home
    for home in homes:
        home.close()


@pytest.fixture(scope="module")
def home(opened):
    return opened(ENTITIES)


@pytest.fixture(scope="module")
def scripts(opened):
    return opened(SCRIPT_ENTITIES)


@pytest.fixture(scope="module")
def crowded(opened):
    """Thousands of names that overlap in every word."""
    titles = (" ".join(["love"] * n + ["me"] * m) for n in range(1, 9) for m in range(5))
    return opened(
        [track(f"t{i}-{j}", title, f"Love {j}", popularity=0.5) for i, title in enumerate(titles) for j in range(80)]
    )


def found(home, text):
    """A page by relevance alone."""
    return ids(home.search(text, policy="all", mix=False))


def corrected(home, text):
    correction = home.search(text, policy="all").impression.query.correction
    return correction.text if correction is not None and correction.mode == "showing" else None


class TestLiteralSearch:
    """Complaints about music search that takes every letter for what it is."""

    def test_did_you_mean_navidrome_255(self, home):
        assert corrected(home, "tayler swift") == "taylor swift"
        assert set(found(home, "tayler swift")[:3]) == {"taylor", "love-story", "shake"}

    @pytest.mark.parametrize("typed", ["Royksopp", "Röyksopp", "ROYKSOPP"])
    def test_accents_do_not_matter_lms_579(self, home, typed):
        assert found(home, typed)[0] == "royksopp"
        assert corrected(home, typed) is None

    @pytest.mark.parametrize(
        "typed", ["aint no mountain", "ain't no mountain", "ain’t no mountain", "AIN`T NO MOUNTAIN"]
    )
    def test_apostrophes_do_not_matter_pixelplayer_2179(self, home, typed):
        assert found(home, typed)[0] == "mountain"

    def test_words_may_be_spread_over_fields(self, home):
        assert found(home, "want christmas bublé")[0] == "bublé"

    def test_an_artists_name_finds_the_songs_ampache_4515(self, home):
        assert set(found(home, "ed sheeran")[:3]) == {"sheeran", "shape", "perfect"}

    @pytest.mark.parametrize("typed", ["utada hikaru", "utada", "宇多田ヒカル", "宇多田"])
    def test_romanised_names_navidrome_121(self, home, typed):
        assert set(found(home, typed)[:2]) == {"utada", "first-love"}

    def test_misspelt_artists_spotify_268(self, home):
        assert corrected(home, "Ed Sheerun") == "ed sheeran"
        assert set(found(home, "Ed Sheerun")[:3]) == {"sheeran", "shape", "perfect"}


class TestOverreachingTolerance:
    """Complaints about typo tolerance that knows better."""

    def test_greece_is_not_greener_meilisearch_1358(self, home):
        assert corrected(home, "greece") is None

    @pytest.mark.parametrize("year", ["2024", "2025"])
    def test_2024_is_not_2025(self, home, year):
        assert corrected(home, f"summer hits {year}") is None
        assert found(home, f"summer hits {year}")[0] == f"hits-{year}"

    @pytest.mark.parametrize("typed", ["2026", "1998", "summer hits 2023", "90s", "ge", "gie", "hel", "blk"])
    def test_numbers_and_very_short_words_are_never_corrected(self, home, typed):
        assert home.search(typed).impression.query.correction is None

    def test_exact_comes_before_typo_typesense_1364(self, home):
        for entity in ENTITIES:
            title = entity.title
            if [other.title for other in ENTITIES].count(title) == 1:
                assert corrected(home, title) is None
                assert found(home, title)[0] == entity.id, title


@pytest.mark.parametrize(("typed", "meant"), SCRIPT_CASES)
def test_languages_and_scripts(scripts, typed, meant):
    assert found(scripts, typed)[:1] == [meant]


class TestHostileInput:
    """Answered literally, and in bounded time: of this process, for a cluster's own time is its own."""

    @pytest.mark.parametrize("text", [*HOSTILE.values(), OVERLAPPING], ids=[*HOSTILE.keys(), "overlapping matches"])
    def test_it_is_answered_in_bounded_time(self, crowded, text):
        text = text[:10_000]

        def answer():
            crowded.home.understood.understanding.use(crowded.home.understood.understanding.synonyms)  # forget it
            result = crowded.search(text, policy="all")
            assert not {outcome.status for outcome in result.impression.outcomes} & {"failed", "late"}

        assert effort(answer) < BOUND

    @pytest.mark.parametrize("sign", SYNTAX.split())
    def test_syntax_is_no_syntax(self, home, sign):
        plain = found(home, "hello adele")
        leading = [] if sign == "-" else [f"{sign}hello adele"]  # which leaves a word out
        for typed in (*leading, f"hello {sign} adele", f"hello adele{sign}", f"hello{sign}{sign} adele"):
            assert found(home, typed)[0] == plain[0], typed

    @pytest.mark.parametrize("typed", ["title:hello", "hello AND NOT adele", "he*", "hello^9", "[a TO b]", "/h.*/"])
    def test_operators_are_words(self, home, typed):
        result = home.search(typed, policy="all")
        assert not {outcome.status for outcome in result.impression.outcomes} & {"failed", "late"}

    @pytest.mark.parametrize("typed", ["\u202ehello\u202c adele", "he\u200dllo adele", "\x00hello\x1b adele\x7f"])
    def test_what_cannot_be_seen_does_not_count(self, home, typed):
        assert found(home, typed)[0] == "hello"
