"""Growing the ranker's trees on the workers of a Dask cluster, each over its own partition of the queries.

The algorithm is LightGBM's data-parallel tree learner, the one under `lightgbm.dask`: workers exchange histograms and
grow the same trees (Meng et al., NeurIPS 2016). `lightgbm.dask.DaskLGBMRanker` itself knows neither positions, hence no
debiasing of clicks, nor early stopping; so the same steps are taken here with `lightgbm.train`, which does.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from bandstand.errors import BadInput, BandstandError, MissingDependency, ModelError, Unavailable
from bandstand.ranker.train import Progress, TrainSettings, boost_here
from bandstand.ranker.training_set import TrainingSet

if TYPE_CHECKING:
    from distributed import Client
    from lightgbm import Booster

_CONNECT_S = 5
_MINUTES = 2
"""How long LightGBM waits for the other workers before it gives up."""


class DaskBoost:
    """A `Boost` over the workers that the scheduler at ``address`` has when training begins, one partition each.

    The model equals that of one process up to the borders of histogram bins, which every worker draws from its own
    rows, and up to position biases, which every worker estimates from its own clicks.

    Raises:
        MissingDependency: dask.distributed is not installed.
        Unavailable: the scheduler cannot be reached, or has no workers.
        BadInput: there are fewer queries than workers.
        ModelError: a worker failed.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(
        self,
        data: TrainingSet,
        held_out: TrainingSet,
        settings: TrainSettings,
        seed: int,
        progress: Progress | None,  # noqa: ARG002 - the workers tell nobody
    ) -> Booster:
        """See `Boost`."""
        import lightgbm

        with _connected(self._address) as client:
            workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
            if not workers:
                raise Unavailable(f"the Dask scheduler at {self._address} has no workers; start `dask worker` there")
            models = _trained(client, workers, partitions(data, len(workers)), (held_out, settings, seed))
        return lightgbm.Booster(model_str=models[0])


def partitions(data: TrainingSet, count: int) -> list[TrainingSet]:
    """The queries dealt out in turns, so that every partition holds some of each kind.

    Raises:
        BadInput: there are fewer queries than partitions.
    """
    if len(data) < count:
        raise BadInput(f"{len(data)} queries cannot be spread over {count} workers; train without --dask")
    number = np.arange(len(data)) % count
    return [data.queries(number == part) for part in range(count)]


def _trained(
    client: Client, workers: Sequence[str], parts: Sequence[TrainingSet], rest: tuple[TrainingSet, TrainSettings, int]
) -> list[str]:
    """The model of each worker, all the same."""
    places = _places(client, workers)
    shared = client.scatter(rest, broadcast=True, hash=False)
    futures = [
        client.submit(
            train_part,
            client.scatter(part, workers=[worker], hash=False),
            shared,
            _network(places, worker),
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        for worker, part in zip(workers, parts, strict=True)
    ]
    try:
        return list(client.gather(futures))
    except BandstandError:
        raise
    except Exception as cause:  # whatever the worker's machine did to it
        raise ModelError(
            f"a Dask worker could not train the ranker ({cause}); see its log, or leave --dask out"
        ) from cause


def train_part(part: TrainingSet, rest: Sequence[Any], network: Mapping[str, object]) -> str:
    """Train on one partition together with the other workers; runs on a worker."""
    held_out, settings, seed = rest
    booster = boost_here(part, held_out, settings, seed, None, network=network)
    best = booster.best_iteration if booster.best_iteration > 0 else None
    model: str = booster.model_to_string(num_iteration=best)
    booster.free_network()
    return model


def free_port() -> int:
    """A port that was free a moment ago on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _places(client: Client, workers: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Host and free port of each worker; workers of one machine get different ones."""
    while True:
        ports = client.run(free_port, workers=list(workers))
        places = {worker: (str(urlsplit(worker).hostname), ports[worker]) for worker in workers}
        if len(set(places.values())) == len(workers):
            return places


def _network(places: Mapping[str, tuple[str, int]], worker: str) -> dict[str, object]:
    """LightGBM's parameters for one worker."""
    if len(places) == 1:
        return {}
    return {
        "tree_learner": "data",
        "pre_partition": True,
        "num_machines": len(places),
        "machines": ",".join(f"{host}:{port}" for host, port in places.values()),
        "local_listen_port": places[worker][1],
        "time_out": _MINUTES,
    }


def _connected(address: str) -> AbstractContextManager[Client]:
    try:
        from distributed import Client
    except ImportError as cause:
        raise MissingDependency("training on Dask needs dask.distributed: pip install 'bandstand[dask]'") from cause
    try:
        client: AbstractContextManager[Client] = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as cause:
        raise Unavailable(f"there is no Dask scheduler at {address} ({cause}); start `dask scheduler` there") from cause
    return client
