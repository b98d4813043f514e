"""A server with a small library, begun once for all tests of this folder in a process."""

from __future__ import annotations

import pytest

from tests.support.audio import song
from tests.support.processes import started
from tests.support.supysonic_server import PASSWORD, USER

ALBUMS = {
    ("Miles Davis", "Kind of Blue", "Jazz", "1959"): ("So What", "Blue in Green", "Flamenco Sketches"),
    ("Beyoncé", "I Am... Sasha Fierce", "Pop", "2008"): ("Halo", "If I Were a Boy"),
    ("Sigur Rós", "Takk...", "Post-Rock", "2005"): ("Hoppípolla", "Glósóli"),
    ("Johnny Cash", "The Man Comes Around", "Country", "2002"): ("Hurt", "Personal Jesus"),
}


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    """A folder for each album below one for its artist, as libraries are laid out."""
    folder = tmp_path_factory.mktemp("subsonic") / "music"
    for (artist, album, genre, date), titles in ALBUMS.items():
        for number, title in enumerate(titles, start=1):
            song(
                folder / artist / album.rstrip(".") / f"{number} {title}.flac",
                title=title, artist=artist, albumartist=artist, album=album, genre=genre, date=date,
                tracknumber=str(number),
            )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def upstream(music, tmp_path_factory):
    """The port of the server."""
    with started("-m", "tests.support.supysonic_server", music, tmp_path_factory.mktemp("state")) as server:
        yield int(server.stdout.readline())


@pytest.fixture
def address(upstream):
    return f"subsonic://{USER}@127.0.0.1:{upstream}"


@pytest.fixture
def password():
    return PASSWORD
