"""A tiny data set whose answers a memory can learn, and how to play it on hashing vectors."""

from __future__ import annotations

from collections.abc import Iterator

from bandstand.replay.settings import ReplaySettings
from bandstand.replay.stream import Answer, Ask, Dataset, Moment
from bandstand.types import Attribute, Entity

DAY = 86_400.0
START = 1_577_836_800.0  # 2020-01-01

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "juniper")


def entities(count: int = 40) -> list[Entity]:
    return [
        Entity(
            id=f"t{number}",
            kind="track",
            title=f"{WORDS[number % 10]} {WORDS[number // 10 % 10]}",
            artists=(f"band {number % 7}",),
            popularity=(number % 11) / 10,
            attributes=(Attribute("genre", ("rock", "jazz", "folk")[number % 3], 0.9),),
        )
        for number in range(count)
    ]


def asks(count: int, *, seed: int = 0, step: float = 3 * 3600.0) -> Iterator[Moment]:
    """Titles, and the nickname "night drive" for t3; a different seed asks and answers otherwise."""
    for number in range(count):
        time, target = START + step * number, (7 * number + seed) % 40
        nickname = number % 3 == 0
        text = "night drive" if nickname else f"{WORDS[target % 10]} {WORDS[target // 10 % 10]}"
        wanted = f"t{(3 + seed) % 40}" if nickname else f"t{target}"
        yield Ask(
            id=f"q{seed}-{number}",
            time=time,
            text=text,
            user=f"u{number % 5}",
            answers=(Answer(wanted, 2, time + 30),),
            labels=(("class", "nickname" if nickname else "title"),),
        )


def dataset(moments: list[Moment], **changes: object) -> Dataset:
    fields = {
        "name": "tiny",
        "protocol": "made for tests",
        "sha256": "0" * 64,
        "catalog": entities,
        "stream": lambda: iter(moments),
        "settings": {"encoder": "hashing", "selfplay_queries": 0, "agree_users": 1},
    }
    return Dataset(**{**fields, **changes})


def quick(**changes: object) -> ReplaySettings:
    fields = {"policies": ("all",), "baselines": (), "bootstrap": 500, "learn_every": 10}
    return ReplaySettings(**{**fields, **changes})
