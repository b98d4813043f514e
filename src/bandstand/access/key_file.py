"""Keys in a file of the home folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from bandstand.access.keys import Keys, as_stored, from_stored
from bandstand.errors import StorageError
from bandstand.files import locked, write_file


class KeyFile:
    """See `bandstand.access.keys.KeyStore`; the file need not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Keys | None:
        """See `KeyStore`."""
        try:
            stored = orjson.loads(self._path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise StorageError(
                f"the keys in {self._path} cannot be read: {error}. Restore the file from a backup, or remove it and"
                " create new keys"
            ) from error
        return from_stored(stored if isinstance(stored, dict) else {}, self._path)

    def recall(self) -> Keys | None:
        """See `KeyStore`."""
        return self.read()

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        """See `KeyStore`."""
        try:
            with locked(self._path.parent):
                self._write(edit(self.read() or ()))
        except OSError as error:
            raise StorageError(f"the keys in {self._path} cannot be written: {error}") from error

    def replace(self, keys: Keys) -> None:
        """Hold these keys from now on.

        Raises:
            StorageError: the file cannot be written.
        """
        self.change(lambda _: keys)

    def _write(self, keys: Keys) -> None:
        write_file(self._path, orjson.dumps(as_stored(keys), option=orjson.OPT_INDENT_2))
