"""Routes of online experiments: traffic between two policies, with a test that may be watched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from bandstand.api.event_routes import EditedAnswer, give_command
from bandstand.api.routing import JsonAnswer, ServiceOf, answered, problems
from bandstand.bandit.experiment import Split, Tally
from bandstand.errors import NotFound
from bandstand.learner.experiment import (
    START_EXPERIMENT,
    STOP_EXPERIMENT,
    Experiment,
    past_experiments,
    running_experiment,
)
from bandstand.types import timed_id
from bandstand.types.answers import Answer
from bandstand.types.times import HOUR_S

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"], responses=problems(422, 503))


class ExperimentBody(BaseModel):
    """`POST /v1/dashboard/experiments`."""

    model_config = ConfigDict(extra="forbid")

    a: Annotated[str, Field(max_length=64)] = Field(description="A policy: what most visitors get, as a rule")
    b: Annotated[str, Field(max_length=64)] = Field(description="Another policy, to be compared with it")
    share: Annotated[float, Field(ge=0.01, le=0.99)] = Field(0.5, description="Probability of B for a visitor")
    alpha: Annotated[float, Field(ge=1e-6, le=0.5)] = Field(0.05, description="Probability of ever being wrong")
    ripens_seconds: Annotated[float, Field(ge=0, le=2_592_000)] = Field(
        HOUR_S, description="For how long after a visitor's first search in it what this visitor does counts"
    )


class ExperimentArmAnswer(Answer):
    """One policy of an experiment: visitors whose time is over with their mean reward, and all its searches."""

    policy: str
    visitors: int
    mean_reward: float | None
    searches: int
    reward_per_search: float | None
    clicked_share: float | None
    cost_ms: float | None

    @classmethod
    def of(cls, policy: str, visitors: Tally, experiment: Experiment) -> ExperimentArmAnswer:
        """Of one of the two policies."""
        searches, reward, clicked, cost = experiment.by_arm.get(policy, (0.0, 0.0, 0.0, 0.0))
        return cls(
            policy=policy,
            visitors=visitors.n,
            mean_reward=visitors.mean,
            searches=int(searches),
            reward_per_search=reward / searches if searches else None,
            clicked_share=clicked / searches if searches else None,
            cost_ms=cost / searches if searches else None,
        )


class ExperimentAnswer(Answer):
    """An experiment: `low` and `high` bound the difference of mean rewards, B less A, at all times together.

    `better` names a policy once that interval has left zero; `decided` is when. Times are in seconds since 1970.
    """

    id: str
    a: ExperimentArmAnswer
    b: ExperimentArmAnswer
    share: float
    alpha: float
    ripens_seconds: float
    started: float
    stopped: float | None
    low: float
    high: float
    better: str | None
    decided: float | None

    @classmethod
    def of(cls, experiment: Experiment) -> ExperimentAnswer:
        """Of an experiment as it stands."""
        split, test = experiment.split, experiment.test
        low, high = test.interval
        return cls(
            id=split.id,
            a=ExperimentArmAnswer.of(split.a, test.a, experiment),
            b=ExperimentArmAnswer.of(split.b, test.b, experiment),
            share=split.share,
            alpha=split.alpha,
            ripens_seconds=split.window_s,
            started=split.started,
            stopped=experiment.stopped,
            low=low,
            high=high,
            better={"a": split.a, "b": split.b, None: None}[test.better],
            decided=experiment.decided,
        )


class ExperimentsAnswer(Answer):
    """The experiment that runs, null where none does, and those that ended, newest first."""

    running: ExperimentAnswer | None
    past: list[ExperimentAnswer]


@router.get("/experiments", summary="The online experiments", responses=answered(ExperimentsAnswer))
def list_experiments(service: ServiceOf) -> JsonAnswer:
    """The running one and those that ended, with intervals that hold at every moment together."""
    memory = service.home.memory
    running = running_experiment(memory.state)
    past = [ExperimentAnswer.of(one) for one in past_experiments(memory.scan)]
    return JsonAnswer(ExperimentsAnswer(running=None if running is None else ExperimentAnswer.of(running), past=past))


@router.post(
    "/experiments", summary="Split the traffic", status_code=201, responses=answered(EditedAnswer, 400, 413, status=201)
)
def start_experiment(body: ExperimentBody, service: ServiceOf) -> JsonAnswer:
    """From now on visitors get A or B, each always the same, where a search names no policy. Ends the one before."""
    home = service.home
    for name in (body.a, body.b):
        home.engine.policy(name)
    asked = body.model_dump(exclude={"ripens_seconds"})
    payload = {"id": timed_id(home.clock()), "window_s": body.ripens_seconds, **asked}
    Split(**payload)  # refused here rather than by who carries it out
    return JsonAnswer(give_command(service, START_EXPERIMENT, payload), status_code=201)


@router.post("/experiments/{experiment_id}/stop", summary="End an experiment", responses=answered(EditedAnswer, 404))
def stop_experiment(experiment_id: str, service: ServiceOf) -> JsonAnswer:
    """All visitors get the policy that the server is set to again; the result stays on record."""
    running = running_experiment(service.home.memory.state)
    if running is None or running.split.id != experiment_id:
        raise NotFound(f"no experiment {experiment_id!r} is running")
    return JsonAnswer(give_command(service, STOP_EXPERIMENT, {"id": experiment_id}))
