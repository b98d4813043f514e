"""The workers of a Dask cluster: work is sent to one of them by name, and failures come back in our own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bandstand.errors import BandstandError, MissingDependency, ModelError, Unavailable

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 5


class DaskWorkers:
    """The workers that the scheduler at ``address`` has at this moment; while the ``with`` block runs.

    Raises:
        MissingDependency: dask.distributed is not installed.
        Unavailable: the scheduler cannot be reached, or has no workers.
    """

    def __init__(self, address: str) -> None:
        self._client = _connected(address)
        self.workers = tuple(sorted(self._client.scheduler_info(n_workers=-1)["workers"]))
        if not self.workers:
            self._client.close()
            raise Unavailable(f"the Dask scheduler at {address} has no workers; start `dask worker` there")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def submit(self, worker: str, work: Callable[..., object], *arguments: object) -> Future:
        """Let one worker do something, once; futures among the arguments are handed over where they lie."""
        return self._client.submit(work, *arguments, workers=[worker], allow_other_workers=False, pure=False, retries=0)

    def each(self, work: Callable[..., Any], items: Sequence[object]) -> Iterator[Any]:
        """Do the work on each item wherever a worker is free; the results in the order of the items.

        A worker that is lost is replaced by another, which begins that item's work again.

        Raises:
            BandstandError: as a worker raised it; what has not begun is not begun any more.
            ModelError: a worker failed otherwise.
        """
        futures = self._client.map(work, items, pure=False, retries=0)
        for future in futures:
            yield self.gather([future])[0]

    def share(self, value: object) -> Future:
        """Give every worker a copy of a value."""
        return self._client.scatter(value, broadcast=True, hash=False)

    def gather(self, futures: Sequence[Future]) -> list[Any]:
        """What was asked for.

        Raises:
            BandstandError: as the worker raised it.
            ModelError: the worker failed otherwise.
        """
        try:
            return list(self._client.gather(list(futures)))
        except BandstandError:
            raise
        except Exception as cause:  # whatever the worker's machine did to it
            raise ModelError(f"a Dask worker failed ({cause}); see its log, or leave --dask out") from cause

    def run(self, work: Callable[[], Any], workers: Sequence[str]) -> dict[str, Any]:
        """Do something at once on each of the workers, beside what they are doing; the results by worker."""
        found: dict[str, Any] = self._client.run(work, workers=list(workers))
        return found


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as cause:
        raise MissingDependency("Dask needs dask.distributed: pip install distributed") from cause
    try:
        return Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as cause:
        raise Unavailable(f"there is no Dask scheduler at {address} ({cause}); start `dask scheduler` there") from cause
