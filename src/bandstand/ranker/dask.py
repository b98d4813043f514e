"""Growing the ranker's trees on the workers of a Dask cluster, each over its partition of the queries."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from bandstand.boosting import lightgbm
from bandstand.dask_workers import DaskWorkers
from bandstand.errors import BadInput
from bandstand.ranker.train import MIN_HELD_OUT, TrainedRanker, TrainSettings, augmented, boost, drawn, trained
from bandstand.ranker.training_set import TrainingSet, concatenate

Read = Callable[[], TrainingSet]
"""Gives the queries of one partition; called on the worker that trains on them, so it must be picklable."""

Network = Mapping[str, object]
"""LightGBM's parameters by which one worker finds the others; empty where it is alone."""

_MINUTES = 2
"""How long LightGBM waits for the other workers before it gives up."""


class Part(NamedTuple):
    """A partition as a worker holds it, and which of its queries are to be held out; bool (q,)."""

    data: TrainingSet
    chosen: NDArray[np.bool_]


class Plan(NamedTuple):
    """What all workers are told alike: the held-out queries of all of them (may be none), and how to train."""

    held_out: TrainingSet
    retrievers: tuple[str, ...]
    settings: TrainSettings
    seed: int


def train_on_dask(
    dask: DaskWorkers, reads: Sequence[Read], *, retrievers: tuple[str, ...] = (), settings: TrainSettings, seed: int
) -> TrainedRanker:
    """`train_lambdamart` over the partitions that the workers read, one for each of the first ``len(reads)`` of them.

    Of the data only the held-out queries pass through the client: all workers stop by the same ones, those of one
    process. The model equals that of one process up to the borders of histogram bins, which every worker draws from
    its own rows, and up to position biases, which every worker estimates from its own clicks.

    Raises:
        BadInput: no query of any partition has candidates of different grades.
        ModelError: a worker failed.
    """
    placed = list(zip(dask.workers, reads, strict=False))
    parts = {worker: dask.submit(worker, read_part, read, settings, seed) for worker, read in placed}
    seen: list[tuple[TrainingSet, int]] = dask.gather(
        [dask.submit(worker, held_out_part, part) for worker, part in parts.items()]
    )
    if not sum(decisive for _, decisive in seen):
        raise BadInput("there is nothing to learn from: no query has candidates of different grades")
    held_out = reduce(concatenate, [part for part, _ in seen])
    if np.count_nonzero(held_out.decisive()) < MIN_HELD_OUT:
        held_out = held_out.queries(np.zeros(len(held_out), np.bool_))
    if settings.start_alone(held_out):
        return trained(None, held_out, settings.start)
    plan, network = dask.share(Plan(held_out, retrievers, settings, seed)), networks(dask, list(parts))
    models: list[str] = dask.gather(
        [dask.submit(worker, train_part, part, plan, network[worker]) for worker, part in parts.items()]
    )
    return trained(lightgbm().Booster(model_str=models[0]), held_out, settings.start)


def read_part(read: Read, settings: TrainSettings, seed: int) -> Part:
    """Read a partition and choose what to hold out of it; runs on a worker."""
    data = read()
    return Part(data, drawn(data, settings.held_out, seed))


def held_out_part(part: Part) -> tuple[TrainingSet, int]:
    """The held-out queries of a partition, and how many of all say something about order; runs on a worker."""
    return part.data.queries(part.chosen), int(np.count_nonzero(part.data.decisive()))


def train_part(part: Part, plan: Plan, network: Network) -> str:
    """Train on one partition together with the other workers; the model, which all of them have. Runs on a worker."""
    held_out, retrievers, settings, seed = plan
    data = part.data.queries(~part.chosen) if len(held_out) else part.data
    rows = augmented(data, retrievers, settings, np.random.default_rng(seed))
    booster = boost(rows, held_out, settings, seed, network=network)
    best = booster.best_iteration if booster.best_iteration > 0 else None
    model: str = booster.model_to_string(num_iteration=best)
    booster.free_network()
    return model


def networks(dask: DaskWorkers, workers: Sequence[str]) -> dict[str, Network]:
    """For each of the workers how it finds the others; those of one machine get different ports."""
    if len(workers) == 1:
        return {workers[0]: {}}
    while True:
        ports = dask.run(free_port, workers)
        places = {worker: (str(urlsplit(worker).hostname), ports[worker]) for worker in workers}
        if len(set(places.values())) == len(workers):
            return {worker: _network(places, worker) for worker in workers}


def free_port() -> int:
    """A port that was free a moment ago on this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _network(places: Mapping[str, tuple[str, int]], worker: str) -> Network:
    return {
        "tree_learner": "data",
        "pre_partition": True,
        "num_machines": len(places),
        "machines": ",".join(f"{host}:{port}" for host, port in places.values()),
        "local_listen_port": places[worker][1],
        "time_out": _MINUTES,
    }
