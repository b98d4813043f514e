"""Pages with and without each expensive retriever, in a replay: of the same share of searches as in service."""

from __future__ import annotations

from bandstand.engine.ablation import ablate
from bandstand.engine.sampling import sampled
from bandstand.engine.search import Answer
from bandstand.feedback.ablation import ablation_event
from bandstand.replay.contestants import Contestant
from bandstand.replay.stage import Stage
from bandstand.types import Event


def compared(stage: Stage, contestant: Contestant, answer: Answer) -> tuple[Event, ...]:
    """The record of a search, as of its own time; none where it is not sampled, or where no policy learns from it."""
    platform, home, query = stage.settings, stage.home, answer.query
    if contestant.arms is not None or not sampled(query.id, share=platform.ablation_share, seed=platform.seed):
        return ()
    record = ablate(home.engine, query, home.catalog.columns, home.brains().scorer, shown=answer.impression)
    return (ablation_event(record, query, now=query.time),)
