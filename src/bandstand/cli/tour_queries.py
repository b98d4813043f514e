"""What the tour's listeners type and what they mean: names, slips, nicknames, and words from the song itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What is typed, and the entity that is meant."""

    query: str
    entity_id: str


_WANTS = (
    ("bohemian rapsody", "track:queen-bohemian-rhapsody-a-night-at-the-opera"),
    ("is this the real life", "track:queen-bohemian-rhapsody-a-night-at-the-opera"),
    ("smells like teen spirt", "track:nirvana-smells-like-teen-spirit-nevermind"),
    ("beethovn moonlight piano", "track:ludwig-van-beethoven-moonlight-sonata"),
    ("that saxophone tune in five", "track:the-dave-brubeck-quartet-take-five-time-out"),
    ("sukiyaki", "track:kyu-sakamoto-ue-o-muite-aruko"),
    ("gruppa krovi", "track:kino-gruppa-krovi-gruppa-krovi"),
    ("young and sweet only seventeen", "track:abba-dancing-queen-arrival"),
    ("dancing qeen", "track:abba-dancing-queen-arrival"),
    ("wonderwall", "track:oasis-wonderwall-whats-the-story-morning-glory"),
    ("such a lovely place", "track:eagles-hotel-california-hotel-california"),
    ("mom's spaghetti", "track:eminem-lose-yourself"),
    ("the guy in the corner song", "track:rem-losing-my-religion-out-of-time"),
    ("radiohead creep", "track:radiohead-creep-pablo-honey"),
    ("jealousy turning saints into the sea", "track:the-killers-mr-brightside-hot-fuss"),
    ("na na na nananana", "track:the-beatles-hey-jude"),
    ("aha take on me", "track:a-ha-take-on-me-hunting-high-and-low"),
    ("birds flying high", "track:nina-simone-feeling-good-i-put-a-spell-on-you"),
    ("stranger things song", "track:kate-bush-running-up-that-hill-a-deal-with-god-hounds-of-love"),
    ("bowie just for one day", "track:david-bowie-heroes-heroes"),
    ("the cold never bothered me", "track:idina-menzel-let-it-go-frozen"),
    ("trees of green red roses", "track:louis-armstrong-what-a-wonderful-world"),
    ("world cup africa song", "track:shakira-waka-waka-this-time-for-africa-sale-el-sol"),
    ("moon represents my heart", "track:teresa-teng-yue-liang-dai-biao-wo-de-xin"),
    ("podcast where musicians take songs apart", "podcast:song-exploder"),
)

WANTS: tuple[Want, ...] = tuple(Want(query=query, entity_id=entity_id) for query, entity_id in _WANTS)
