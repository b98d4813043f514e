"""Keys in the cluster: one document that all machines share, and a copy on each for when the cluster is away."""

from __future__ import annotations

from collections.abc import Callable

from bandstand.access.key_file import KeyFile
from bandstand.access.keys import Keys, as_stored, from_stored
from bandstand.errors import Unavailable
from bandstand.opensearch.connection import Cluster
from bandstand.opensearch.indices import STATE, ensure

_ID = "keys"


class ClusterKeys:
    """See `bandstand.access.keys.KeyStore`: changed in the cluster only, read from the copy while that is away.

    A cluster that lost its keys, or was set back to before them, has no key rather than no lock.
    """

    def __init__(self, cluster: Cluster, copy: KeyFile) -> None:
        self._cluster, self._copy = cluster, copy
        self._index = ""

    def read(self) -> Keys | None:
        """See `KeyStore`."""
        copied = self._copy.read()
        try:
            document = self._cluster.get(self._ensured(), _ID)
        except Unavailable:
            if copied is None:
                raise
            return copied
        if document is None:
            return None if copied is None else ()
        keys = from_stored(document.source, self._cluster.where)
        if keys != copied:
            self._copy.replace(keys)
        return keys

    def recall(self) -> Keys | None:
        """See `KeyStore`."""
        copied = self._copy.read()
        if copied is None:
            raise Unavailable(f"the keys that {self._cluster.where} holds were not read yet", retry_after=2)
        return copied

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        """See `KeyStore`."""
        where = self._cluster.where
        self._cluster.change(
            self._ensured(), _ID, lambda stored: as_stored(edit(from_stored(stored, where) if stored else ()))
        )

    def _ensured(self) -> str:
        self._index = self._index or ensure(self._cluster, STATE)
        return self._index
