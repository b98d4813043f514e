"""The bundled catalogue: what it promises to hold, and what its loader refuses."""

import unicodedata
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from bandstand.catalog import bundled
from bandstand.catalog.bundled import ATTRIBUTES, load_bundled, load_folder, slugify
from bandstand.errors import BadInput
from bandstand.types import Entity
from tests.support.effort import effort

MOODS = {
    *("happy", "sad", "calm", "energetic", "romantic", "angry", "melancholic", "dreamy", "party", "focus", "nostalgic"),
    *("uplifting", "dark", "playful", "epic", "sensual", "rebellious", "confident", "hopeful"),
}
OCCASIONS = {
    *("christmas", "wedding", "workout", "road trip", "halloween", "summer", "study", "sleep", "birthday", "dinner"),
    *("breakup", "karaoke", "new year"),
}
VERSIONS = {"live", "acoustic", "remix", "remastered", "radio edit"}
SCRIPTS = {
    *("LATIN", "HIRAGANA", "KATAKANA", "HANGUL", "CJK", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI"),
    *("TAMIL", "TELUGU", "GURMUKHI", "ETHIOPIC"),
}


@pytest.fixture(scope="module")
def entities() -> dict[str, Entity]:
    loaded = list(load_bundled())
    assert len({entity.id for entity in loaded}) == len(loaded)
    return {entity.id: entity for entity in loaded}


def of_kind(entities: dict[str, Entity], kind: str) -> list[Entity]:
    return [entity for entity in entities.values() if entity.kind == kind]


def values(entity: Entity, name: str) -> set[str]:
    return {attribute.value for attribute in entity.attributes if attribute.name == name}


def test_module_wins_over_data_folder_of_same_name() -> None:
    assert isinstance(bundled, ModuleType)
    assert bundled.__file__ is not None
    assert (Path(bundled.__file__).parent / "bundled").is_dir()


@pytest.mark.slow
def test_loads_the_same_twice_and_quickly() -> None:
    bundled._attribute.cache_clear()
    runs: list[list[Entity]] = []
    assert effort(lambda: runs.append(list(load_bundled()))) < 20  # 100 ms on an idle core; the rest is room
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize(
    ("kind", "least"),
    [("track", 550), ("artist", 170), ("album", 150), ("playlist", 45), ("station", 12), ("podcast", 12)],
)
def test_enough_of_each_kind(entities: dict[str, Entity], kind: str, least: int) -> None:
    assert len(of_kind(entities, kind)) >= least


def test_breadth(entities: dict[str, Entity]) -> None:
    tracks = of_kind(entities, "track")
    counts = {
        name: Counter(v for track in tracks for v in values(track, name)) for name in ("genre", "language", "era")
    }
    assert len([genre for genre, n in counts["genre"].items() if n >= 3]) > 25
    assert len([language for language, n in counts["language"].items() if n >= 3]) >= 12
    assert set(counts["era"]) == {"30s", "40s", "50s", "60s", "70s", "80s", "90s", "2000s", "2010s", "2020s"}
    assert len({track.artists[0] for track in tracks}) >= 170


def test_scripts(entities: dict[str, Entity]) -> None:
    letters = {letter for entity in entities.values() for letter in entity.title if letter.isalpha()}
    assert {unicodedata.name(letter, "").split(" ")[0].split("-")[0] for letter in letters} >= SCRIPTS


def test_names_in_other_scripts_can_be_typed(entities: dict[str, Entity]) -> None:
    for entity in entities.values():
        if entity.kind != "track" and not slugify(entity.title):
            assert any(slugify(alias) for alias in entity.aliases), entity


def test_no_dangling_members_and_credits(entities: dict[str, Entity]) -> None:
    artists = {entity.title for entity in of_kind(entities, "artist")}
    for entity in entities.values():
        assert all(entities[member].kind == "track" for member in entity.members)
        assert len(set(entity.members)) == len(entity.members), entity.id
        if entity.kind in ("track", "album"):
            assert entity.artists
            assert set(entity.artists) <= artists, entity
    for album in of_kind(entities, "album"):
        assert album.members
        assert {entities[member].album for member in album.members} == {album.title}
    assert all(len(playlist.members) >= 5 for playlist in of_kind(entities, "playlist"))


def test_values_in_range(entities: dict[str, Entity]) -> None:
    for entity in entities.values():
        assert 0 <= entity.popularity <= 1
        assert all(0 < attribute.confidence <= 1 for attribute in entity.attributes), entity
        assert all(attribute.value == attribute.value.strip().casefold() for attribute in entity.attributes), entity
        held = [(attribute.name, attribute.value) for attribute in entity.attributes]
        assert len(set(held)) == len(held), entity
        assert {name for name, _ in held} <= set(ATTRIBUTES)
        assert values(entity, "mood") <= MOODS
        assert values(entity, "occasion") <= OCCASIONS
        assert values(entity, "version") <= VERSIONS
        if entity.kind in ("track", "album") and entity.year is not None:
            assert 1930 <= entity.year <= 2026


def test_every_track_is_described(entities: dict[str, Entity]) -> None:
    for track in of_kind(entities, "track"):
        assert 1 <= len(values(track, "genre")) <= 3, track
        assert 1 <= len(values(track, "mood")) <= 3, track


@pytest.mark.parametrize(
    ("ident", "title"),
    [
        ("artist:beyonce", "Beyoncé"),
        ("artist:sigur-ros", "Sigur Rós"),
        ("artist:bjork", "Björk"),
        ("artist:motorhead", "Motörhead"),
        ("artist:royksopp", "Röyksopp"),
        ("artist:motley-crue", "Mötley Crüe"),
        ("artist:acdc", "AC/DC"),
        ("artist:pink", "P!nk"),
        ("artist:kesha", "Ke$ha"),
        ("artist:chk-chk-chk", "!!!"),
        ("artist:the-the", "The The"),
        ("artist:the-who", "The Who"),
        ("artist:the-guess-who", "The Guess Who"),
        ("artist:u2", "U2"),
        ("artist:a-ha", "a-ha"),
        ("artist:will-i-am", "will.i.am"),
        ("artist:utada-hikaru", "宇多田ヒカル"),
        ("artist:yoasobi", "YOASOBI"),
        ("artist:kyu-sakamoto", "坂本九"),
        ("artist:kino", "Кино"),
        ("artist:zemfira", "Земфира"),
        ("artist:fairuz", "فيروز"),
        ("artist:umm-kulthum", "أم كلثوم"),
        ("artist:khalil-fong", "方大同"),
        ("artist:jay-chou", "周杰伦"),
        ("artist:teresa-teng", "邓丽君"),
        ("artist:blackpink", "BLACKPINK"),
        ("artist:ofra-haza", "עפרה חזה"),
        ("artist:grossstadtgefluster", "Großstadtgeflüster"),
        ("artist:nana-mouskouri", "Νανά Μούσχουρη"),
        ("artist:baris-manco", "Barış Manço"),
        ("track:kino-gruppa-krovi-gruppa-krovi", "Группа крови"),
        ("track:kyu-sakamoto-ue-o-muite-aruko", "上を向いて歩こう"),
        ("track:teresa-teng-yue-liang-dai-biao-wo-de-xin", "月亮代表我的心"),
        ("track:tarkan-simarik-olurum-sana", "Şımarık"),
        ("track:nena-nur-getraumt", "Nur geträumt"),
        ("track:czeslaw-niemen-dziwny-jest-ten-swiat-dziwny-jest-ten-swiat", "Dziwny jest ten świat"),
        ("track:lata-mangeshkar-lag-ja-gale-woh-kaun-thi", "लग जा गले"),
        ("track:jeff-buckley-hallelujah-grace", "Hallelujah"),
    ],
)
def test_hard_names(entities: dict[str, Entity], ident: str, title: str) -> None:
    assert entities[ident].title == title


@pytest.mark.parametrize(
    ("ident", "alias"),
    [
        ("artist:pink", "Pink"),
        ("artist:prince", "The Artist"),
        ("artist:chk-chk-chk", "Chk Chk Chk"),
        ("artist:utada-hikaru", "Utada Hikaru"),
        ("artist:bts", "방탄소년단"),
        ("artist:iu", "아이유"),
        ("artist:jay-chou", "周杰倫"),
        ("track:kyu-sakamoto-ue-o-muite-aruko", "Sukiyaki"),
        ("track:ludwig-van-beethoven-moonlight-sonata", "Moonlight Sonata"),
        ("track:utada-hikaru-first-love-first-love", "Utada Hikaru First Love"),
        ("track:pink-so-what-funhouse", "Pink So What"),
        ("track:umm-kulthum-enta-omri", "Umm Kulthum Enta Omri"),
        ("album:ed-sheeran-divide", "Divide"),
    ],
)
def test_aliases(entities: dict[str, Entity], ident: str, alias: str) -> None:
    assert alias in entities[ident].aliases


@pytest.mark.parametrize(
    ("title", "artists"),
    [
        ("Hallelujah", {"Leonard Cohen", "Jeff Buckley", "Rufus Wainwright", "John Cale", "k.d. lang"}),
        ("Hurt", {"Nine Inch Nails", "Johnny Cash", "Christina Aguilera"}),
        ("One", {"U2", "Metallica", "Harry Nilsson", "Three Dog Night", "Johnny Cash", "Aimee Mann"}),
        ("Halo", {"Beyoncé", "Depeche Mode", "Texas"}),
        ("Angel", {"Massive Attack", "Aerosmith", "Shaggy", "Sarah McLachlan"}),
        ("Crazy", {"Gnarls Barkley", "Patsy Cline", "Seal", "Aerosmith"}),
        ("Creep", {"Radiohead", "TLC", "Stone Temple Pilots"}),
        ("Jolene", {"Dolly Parton", "Pentatonix"}),
        ("Respect", {"Aretha Franklin", "Otis Redding"}),
        ("Valerie", {"The Zutons", "Mark Ronson"}),
        ("Changes", {"David Bowie", "Black Sabbath", "2Pac", "Charles Bradley"}),
        ("Heroes", {"Peter Gabriel", "The Wallflowers"}),
    ],
)
def test_same_title_by_several_artists(entities: dict[str, Entity], title: str, artists: set[str]) -> None:
    assert artists <= {track.artists[0] for track in of_kind(entities, "track") if track.title == title}


@pytest.mark.parametrize(
    "title",
    [
        *(
            "1999",
            "22",
            "7 rings",
            "99 Luftballons",
            "505",
            "1979",
            "X",
            "4",
            "24K Magic",
            "88",
            "i",
            "2002",
            "212",
            "O",
        ),
        *("Ain't No Mountain High Enough", "Don't Stop Me Now", "Sweet Child O' Mine", "D (half moon)"),
        *("Thunderstruck - Live", "Bohemian Rhapsody - Remastered 2011", "Wake Me Up - Radio Edit"),
        *("Old Town Road - Remix", "Everlong - Acoustic Version", "Levitating (feat. DaBaby)"),
    ],
)
def test_hard_titles(entities: dict[str, Entity], title: str) -> None:
    assert any(track.title == title for track in of_kind(entities, "track"))


def test_same_song_on_several_albums(entities: dict[str, Entity]) -> None:
    albums = {t.album for t in of_kind(entities, "track") if t.artists == ("Queen",) and t.title == "Bohemian Rhapsody"}
    assert albums == {"A Night at the Opera", "Greatest Hits"}
    on_hits = entities["track:queen-bohemian-rhapsody-greatest-hits"]
    assert on_hits.released == "1981"
    assert values(on_hits, "era") == {"70s"}, "an era that is stated wins over the year of the album"


def test_christmas_buble_needs_words_of_two_fields(entities: dict[str, Entity]) -> None:
    track = entities["track:michael-buble-holly-jolly-christmas-christmas"]
    assert track.artists == ("Michael Bublé",)
    assert values(track, "occasion") == {"christmas"}


def test_guests_are_separate_artists(entities: dict[str, Entity]) -> None:
    assert entities["track:queen-under-pressure-hot-space"].artists == ("Queen", "David Bowie")


ARTIST = "@ Nina | 0.5 | usa | english | jazz:0.9, soul\n"


def load_text(folder: Path, **texts: str) -> list[Entity]:
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return list(load_folder(folder))


def test_inheritance_and_order(tmp_path: Path) -> None:
    playlists = "* Both | 0.3\n+ nina/one nina/two/blue\n"
    music = ARTIST + "= Blue | 1965 | genre=pop\n- One | 1 | sad:0.5\n- Two | 0.2 | - | language=- | genre=rock:0.1\n"
    artist, album, one, two, playlist = load_text(tmp_path, playlists=playlists, music=music)
    assert [(a.value, a.confidence) for a in artist.attributes] == [
        ("jazz", 0.9),
        ("soul", 1.0),
        ("english", 1.0),
        ("usa", 1.0),
    ]
    assert (album.members, album.popularity, album.released) == ((one.id, two.id), 0.9, "1965")
    assert [a.value for a in one.attributes] == ["pop", "sad", "english", "60s"]
    assert [(a.value, a.confidence) for a in two.attributes] == [("rock", 0.1), ("60s", 1.0)]
    assert playlist.members == ("track:nina-one-blue", "track:nina-two-blue")


def test_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert load_text(tmp_path) == []
    assert load_text(tmp_path, music="# nothing yet\n\n", playlists="") == []


@pytest.mark.parametrize(
    ("music", "problem"),
    [
        ("? what\n", "line 1: want one of"),
        ("@ Nina | 0.5\n", "line 1: want one of"),
        ("@ Nina | 1.5 | usa | english | jazz\n", "line 1: popularity '1.5'"),
        ("@ Nina | nan | usa | english | jazz\n", "line 1: popularity 'nan'"),
        ("@ Nina | 0.5 | usa | english | jazz:0\n", "line 1: genre=jazz:0"),
        ("@ Nina | 0.5 | usa | english | jazz:1.2\n", "line 1: genre=jazz:1.2"),
        ("@ Nina | 0.5 | usa | english | jazz:\n", "line 1: genre=jazz:"),
        ("@ Nina | 0.5 | usa | english | :0.5\n", "line 1: genre=:0.5"),
        ("@ Nina | 0.5 | usa | english | jazz | age=3\n", "line 1: 'age=3'"),
        ("@ Nina | 0.5 | usa | english | jazz | also=a | also=b\n", "line 1: 'also=b'"),
        ("@ Нина | 0.5 | usa | russian | jazz\n", "line 1: 'Нина' gives no id"),
        (ARTIST + ARTIST, "line 2: artist:nina is there already"),
        (ARTIST + "= Blue | 65\n- One | 1 | sad\n", "line 2: '65' is no year"),
        (ARTIST + "= Blue | 1965\n", "line 2: no tracks follow"),
        (ARTIST + "- One | 1 | sad\n", "line 2: - does not belong here"),
        (ARTIST + "~ 1965\n- One | 1 | sad\n- One | 1 | sad\n", "line 4: track:nina-one is there already"),
        (ARTIST + "~ 1965\n- One | 1 | sad | with=nobody\n", "line 3: unknown artist 'nobody'"),
        ("> nobody\n", "line 1: unknown artist 'nobody'"),
        ("= Blue | 1965\n- One | 1 | sad\n", "line 1: = does not belong here"),
    ],
)
def test_music_errors_name_file_and_line(tmp_path: Path, music: str, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_text(tmp_path, music=music)
    assert f"music.txt, {problem}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("playlists", "* Mix | 0.5\n+ nina/one nina/two\n", "line 2: unknown track 'nina/two'"),
        ("playlists", "+ nina/one\n", "line 1: + does not belong in a file of playlists"),
        ("stations", "* Radio | 0.5\n+ nina/one\n", "line 2: + does not belong in a file of stations"),
        ("podcasts", "* Talk | 0.5\n* Talk | 0.5\n", "line 2: podcast:talk is there already"),
    ],
)
def test_collection_errors_name_file_and_line(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_text(tmp_path, music=ARTIST + "~ 1965\n- One | 1 | sad\n", **{name: text})
    assert f"{name}.txt, {problem}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Ain't No Mountain High Enough", "aint-no-mountain-high-enough"),
        ("Großstadtgeflüster", "grossstadtgefluster"),
        ("Şımarık", "simarik"),
        ("Dýrð í dauðaþögn", "dyrd-i-daudathogn"),
        ("Earth, Wind & Fire", "earth-wind-and-fire"),
        ("Miłość", "milosc"),
        ("Кино", ""),
        ("!!!", ""),
        ("", ""),
    ],
)
def test_slugify(text: str, slug: str) -> None:
    assert slugify(text) == slug
