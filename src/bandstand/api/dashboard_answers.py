"""The shapes of the dashboard's answers as OpenAPI describes them."""

from __future__ import annotations

from bandstand.api.answers import Answer, Nothing
from bandstand.dashboard.charts import Kind
from bandstand.memory_index.curation import EditAction

Line = list[float | None]


class AccessAnswer(Answer):
    """Whether the dashboard's routes would answer."""

    granted: bool


class ExplainedAnswer(Answer):
    """A chart's name, title and unit, and how its numbers are computed."""

    name: str
    title: str
    unit: str
    how: str
    kind: Kind


class ExplanationsAnswer(Answer):
    """Every chart there is."""

    charts: list[ExplainedAnswer]


class ChartAnswer(ExplainedAnswer):
    """A chart with its numbers: one for each place, by line; null where there is nothing to show.

    Places are seconds since 1970, or words. `low` and `high` bound lines; `grey` says of which places too little is
    known, and why. `svg` is the picture, where one was asked for.
    """

    places: list[float] | list[str]
    lines: dict[str, Line]
    low: dict[str, Line]
    high: dict[str, Line]
    grey: dict[str, str]
    svg: str | Nothing = None


class ChartsAnswer(Answer):
    """The charts of one section over a span, the last step of which holds the present."""

    section: str
    span: str
    step_seconds: int
    charts: list[ChartAnswer]


class DayAnswer(Answer):
    """One day (UTC) of a query."""

    day: str
    searches: int
    clicked: int
    satisfied: int


class BeliefAnswer(Answer):
    """What the memory holds of an entity under a query; counts are decayed to now.

    `score` is the posterior mean; `predicted` the score before any click, null where none was predicted; `shared` says
    whether enough users agreed.
    """

    entity_id: str
    title: str
    score: float
    impressions: float
    clicks: float
    plays: float
    predicted: float | None
    shared: bool


class QueryStatsAnswer(Answer):
    """A query that several users asked: how often, how it went, when last (seconds since 1970), best answers."""

    text: str
    searches: int
    clicked: int
    satisfied: int
    last: float
    top: list[BeliefAnswer]


class QueryTableAnswer(Answer):
    """A page of the queries, and how many there are."""

    total: int
    queries: list[QueryStatsAnswer]


class EditAnswer(Answer):
    """One change of the memory by an operator; `undone` is when it was undone, null while it holds."""

    id: str
    time: float
    action: EditAction
    query: str
    entity_id: str
    score: float | None
    by: str
    note: str
    undone: float | None


class EditsAnswer(Answer):
    """Every change, newest first, undone ones too."""

    edits: list[EditAnswer]


class EditedAnswer(Answer):
    """What an order has made: a change, or one undone; `carried_out` false where the learner has not come to it yet."""

    id: str
    carried_out: bool


class QueryPageAnswer(Answer):
    """One query: counts (zeros and no days where fewer users asked than must agree), beliefs, changes, last days."""

    text: str
    searches: int
    clicked: int
    satisfied: int
    days: list[DayAnswer]
    beliefs: list[BeliefAnswer]
    edits: list[EditAnswer]


class ExperimentArmAnswer(Answer):
    """One policy of an experiment: visitors whose time is over with their mean reward, and all its searches."""

    policy: str
    visitors: int
    mean_reward: float | None
    searches: int
    reward_per_search: float | None
    clicked_share: float | None
    cost_ms: float | None


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


class ExperimentsAnswer(Answer):
    """The experiment that runs, null where none does, and those that ended, newest first."""

    running: ExperimentAnswer | None
    past: list[ExperimentAnswer]


class ServedAnswer(Answer):
    """What one version did in the time asked about: searches that finalized, and means over them."""

    version: str
    searches: int
    clicked_share: float
    satisfied_share: float
    reward: float
    mrr: float
    cost_ms: float


class ModelsServedAnswer(Answer):
    """By model, every version that served in the last `hours`."""

    hours: int
    ranker: list[ServedAnswer]
    bandit: list[ServedAnswer]


class ShadowAnswer(Answer):
    """Another ranker on logged searches with a choice: mean reciprocal ranks, and their difference with 95 % bounds.

    `moved` is the share of searches whose first hit would be another one; all are null without searches.
    """

    version: str
    searches: int
    serving: float | None
    other: float | None
    difference: float | None
    low: float | None
    high: float | None
    moved: float | None
