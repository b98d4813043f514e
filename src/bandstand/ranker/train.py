"""Training of the ranker: LambdaMART over logged impressions, debiased by position, cut short by held-out queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bandstand.boosting import lightgbm
from bandstand.errors import BadInput, ModelError
from bandstand.models.registry import ModelCard
from bandstand.ranker.features import feature_hash
from bandstand.ranker.metrics import mean, mrr_at, ndcg_at
from bandstand.ranker.scorers import MODEL_FILE, START_FILE
from bandstand.ranker.start import Start
from bandstand.ranker.training_set import TrainingSet, concatenate, mask_retrievers
from bandstand.types import FeatureLayout
from bandstand.types.hashing import uniform

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

RoundsProgress = Callable[[int, int], None]
"""Called after every tree with trees done and trees at most; may raise to stop the training."""

MIN_HELD_OUT = 50
"""Below so many held-out queries that say something their verdict is noise, and where to cut the trees with it: then
all are trained on and no metrics are given. Every tree is kept, or none where there is a start to fall back on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train. ``trees`` times ``leaves`` bounds the time of scoring (120 × 16: about 1 ms for 300 rows).

    ``l2`` pulls the values of leaves towards 0. ``label_gain[grade]`` is what a grade is worth in nDCG.
    ``position_bias_regularization`` pulls the learned position biases towards none. ``held_out`` is the share of
    queries by which the trees are cut where they were best, and for metrics: where no number of them is better than
    the ``start`` that they improve on, none is kept. ``masked`` is the share of training queries that are also shown
    with each retriever left out with probability ``mask_chance``.
    """

    trees: int = 120
    leaves: int = 16
    learning_rate: float = 0.1
    min_rows_a_leaf: int = 20
    l2: float = 0.0
    truncation: int = 30
    label_gain: tuple[float, ...] = (0, 1, 3, 7, 15)
    position_bias_regularization: float = 0.1
    held_out: float = 0.2
    start: Start = field(default_factory=Start)
    masked: float = 0.5
    mask_chance: float = 0.3
    threads: int = 1

    def start_alone(self, held_out: TrainingSet) -> bool:
        """Whether no tree is to be grown: nothing was held out to tell whether it is better than the start."""
        return bool(self.start.weights) and not len(held_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRanker:
    """A model ready to be published.

    ``metrics`` are means over held-out queries with a relevant candidate (``ndcg@10``, ``mrr@10``), their number
    (``held_out_queries``) and ``trees``; the first two are left out where nothing could be held out.
    ``importances`` is each feature's share of the gain, summing to 1 unless there is no split at all.
    """

    model: bytes
    start: Start
    layout: FeatureLayout
    metrics: dict[str, float]
    importances: dict[str, float]

    def files(self) -> dict[str, bytes]:
        """What to publish."""
        return {MODEL_FILE: self.model, START_FILE: self.start.to_json()}

    def card(self, *, data_range: tuple[float, float] | None = None, parent: str | None = None) -> ModelCard:
        """The manifest's part that the training knows, with what the caller knows about the data."""
        return ModelCard(
            data_range=data_range,
            feature_names=self.layout.names,
            feature_versions=dict(self.layout.versions),
            feature_hash=feature_hash(self.layout),
            metrics=self.metrics,
            parent=parent,
        )


def train_lambdamart(
    data: TrainingSet,
    *,
    retrievers: tuple[str, ...] = (),
    held_out: TrainingSet | None = None,
    settings: TrainSettings = TrainSettings(),
    seed: int = 0,
    progress: RoundsProgress | None = None,
) -> TrainedRanker:
    """Train a ranker; the same data, settings and seed give the same model.

    LambdaMART (Burges 2010) as LightGBM implements it. Where ``data`` has positions, click propensities by position
    are learned along with the trees, and clicks weighed by them (after Unbiased LambdaMART, Hu et al. 2019).

    Args:
        data: judged queries.
        retrievers: the retrievers that the augmentation may leave out; none by default.
        held_out: queries to cut the trees by, and for metrics; drawn from ``data`` when not given.
        settings: see `TrainSettings`.
        seed: of the draws and of LightGBM.
        progress: see `RoundsProgress`.

    Raises:
        BadInput: no query has candidates of different grades, or a grade has no gain.
        ModelError: LightGBM failed.
    """
    rng = np.random.default_rng(seed)
    if held_out is None:
        data, held_out = _split(data, settings, seed)
    check(data, settings)
    if settings.start_alone(held_out):
        return trained(None, held_out, settings.start)
    booster = boost(augmented(data, retrievers, settings, rng), held_out, settings, seed, progress=progress)
    return trained(booster, held_out, settings.start)


def drawn(data: TrainingSet, share: float, seed: int) -> NDArray[np.bool_]:
    """Which queries are held out, bool (q,), of those that people saw: trees that fit posed ones made real ones worse.

    They are drawn by their own features, so whatever others stand beside them.
    """
    ends = np.cumsum(data.groups)
    draws = np.empty(len(data))
    for query, (start, end) in enumerate(zip(ends - data.groups, ends, strict=True)):
        draws[query] = uniform(seed, data.features[start:end].tobytes())
    chosen: NDArray[np.bool_] = (draws < share) & data.seen()
    return chosen


def _split(data: TrainingSet, settings: TrainSettings, seed: int) -> tuple[TrainingSet, TrainingSet]:
    """Training and held-out queries; none are held out where they would be too few to judge by."""
    held_out = drawn(data, settings.held_out, seed)
    if np.count_nonzero(held_out & data.decisive()) < MIN_HELD_OUT:
        held_out[:] = False
    return data.queries(~held_out), data.queries(held_out)


def augmented(
    data: TrainingSet, retrievers: tuple[str, ...], settings: TrainSettings, rng: np.random.Generator
) -> TrainingSet:
    """The data with copies of some of its queries in which some of ``retrievers`` are left out."""
    if not retrievers or not settings.masked:
        return data
    chosen = data.queries(rng.random(len(data)) < settings.masked)
    return concatenate(data, mask_retrievers(chosen, retrievers, rng, chance=settings.mask_chance))


def check(data: TrainingSet, settings: TrainSettings) -> None:
    """Raise `BadInput` where there is nothing to learn from, or a grade has no gain."""
    if not data.decisive().any():
        raise BadInput("there is nothing to learn from: no query has candidates of different grades")
    if (highest := int(data.grades.max())) >= (known := len(settings.label_gain)):
        raise BadInput(f"grade {highest} has no gain: label_gain goes to {known - 1}", field="grades")


def boost(
    data: TrainingSet,
    held_out: TrainingSet,
    settings: TrainSettings,
    seed: int,
    *,
    progress: RoundsProgress | None = None,
    network: Mapping[str, object] | None = None,
) -> Booster:
    """Grow trees in this process; with the parameters of a ``network`` as one of several that grow the same ones.

    ``best_iteration`` of the booster is how many to keep, 0 where nothing was held out to tell.

    Raises:
        ModelError: LightGBM failed.
    """
    callbacks: list[Any] = []
    judged: dict[str, dict[str, list[float]]] = {}
    if progress is not None:
        callbacks.append(lambda state: progress(state.iteration + 1, state.end_iteration))
    train = _dataset(data, settings.start)
    valid = [_dataset(held_out, settings.start, reference=train)] if len(held_out) else []
    if valid:
        callbacks.append(lightgbm().record_evaluation(judged))
    parameters = {**_parameters(settings, seed), **(network or {})}
    try:
        booster = lightgbm().train(parameters, train, settings.trees, valid_sets=valid, callbacks=callbacks)
    except lightgbm().basic.LightGBMError as cause:
        raise ModelError(f"LightGBM could not train the ranker: {cause}") from cause
    booster.best_iteration = int(np.argmax(next(iter(judged["valid_0"].values())))) + 1 if valid else 0
    return booster


def _dataset(data: TrainingSet, start: Start, reference: Dataset | None = None) -> Dataset:
    return lightgbm().Dataset(
        data.features,
        label=data.grades,
        group=data.groups,
        weight=data.weights,
        init_score=start.scores(data.features, data.layout) if start.weights else None,
        position=None if reference else data.positions,  # held-out clicks are compared as they are
        reference=reference,
        feature_name=list(data.layout.names),
        categorical_feature=list(data.layout.categorical),
        params={"verbose": -1},
    )


def _parameters(settings: TrainSettings, seed: int) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "label_gain": list(settings.label_gain),
        "lambdarank_truncation_level": settings.truncation,
        "lambdarank_position_bias_regularization": settings.position_bias_regularization,
        "num_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_rows_a_leaf,
        "lambda_l2": settings.l2,
        "num_threads": settings.threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }


def trained(booster: Booster | None, held_out: TrainingSet, start: Start) -> TrainedRanker:
    """The model of a booster with what is to be said of it; ``held_out`` may be empty.

    Without trees, the start alone, where that ranks the held-out queries as well.
    """
    layout, begun = held_out.layout, start.scores(held_out.features, held_out.layout)
    trees, scores = 0, begun
    if booster is not None:
        trees = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        if len(held_out):
            scores = begun + booster.predict(held_out.features, num_iteration=trees, raw_score=True, num_threads=1)
            if start.weights and _ndcg(scores, held_out) <= _ndcg(begun, held_out):
                booster, trees, scores = None, 0, begun
    metrics = {"trees": float(trees)}
    if len(held_out):
        ndcg = ndcg_at(10, scores, held_out.grades, held_out.groups)
        mrr = mrr_at(10, scores, held_out.grades, held_out.groups)
        metrics |= {"ndcg@10": mean(ndcg), "mrr@10": mean(mrr), "held_out_queries": float((~np.isnan(ndcg)).sum())}
    gains = np.zeros(len(layout.names)) if booster is None else booster.feature_importance("gain", iteration=trees)
    shares = gains / (gains.sum() or 1.0)
    return TrainedRanker(
        model=b"" if booster is None else booster.model_to_string(num_iteration=trees).encode(),
        start=start,
        layout=layout,
        metrics={name: value for name, value in metrics.items() if not np.isnan(value)},
        importances=dict(zip(layout.names, shares.tolist(), strict=True)),
    )


def _ndcg(scores: NDArray[np.floating], data: TrainingSet) -> float:
    return mean(ndcg_at(10, scores, data.grades, data.groups))
