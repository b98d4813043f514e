"""A closed loop in one call: played, measured like every replay, and with the figures that only it can have."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bandstand.replay.run import PlayedRun
from bandstand.replay.settings import HIDDEN, ReplaySettings
from bandstand.replay.simulate.curves import exploration, nicknames, recovery, satisfaction, series
from bandstand.replay.simulate.dataset import Music, spotify_songs
from bandstand.replay.simulate.experiments import Experiment
from bandstand.replay.simulate.run import Simulated, simulate
from bandstand.replay.simulate.scene import Told
from bandstand.replay.simulate.settings import SimulateSettings
from bandstand.replay.stream import Dataset
from bandstand.replay.summary import summarize

Json = dict[str, Any]


def simulated(
    data: Path,
    experiment: Experiment,
    settings: SimulateSettings,
    *,
    folder: Path | None = None,
    jobs: int = 1,
    told: Told = lambda *_: None,
) -> Json:
    """Play an experiment in the music of ``data`` and return the summary; ``folder`` keeps homes and figures.

    ``jobs`` policies are played at a time, see `simulate`.

    Raises:
        BadInput: the data or the settings cannot be used.
        Conflict: ``folder`` holds another experiment.
        MissingDependency: bandstand[replay] is not installed.
    """
    music = spotify_songs(data)
    if folder is not None:
        return summary(music, simulate(music, experiment, settings, folder, jobs=jobs, told=told))
    with tempfile.TemporaryDirectory(prefix="bandstand-simulate-") as scratch:
        return summary(music, simulate(music, experiment, settings, Path(scratch), jobs=jobs, told=told))


def summary(music: Music, played: Simulated) -> Json:
    """The summary of a replay (`bandstand.replay.summary.summarize`), and for each policy what it learned and when.

    ``series`` beside the policies is that of the first one. MRR@10 is over all searches, whatever was shown or clicked.
    ``encode_ms`` is what encoding a query takes here; the real milliseconds beside it were taken with vectors at hand.
    """
    experiment, settings = played.experiment, played.settings
    dataset = Dataset(
        name=music.name,
        protocol=f"closed loop: {experiment.name}",
        sha256=music.sha256,
        catalog=lambda: music.tracks,
        stream=lambda: iter(()),
    )
    like = ReplaySettings(policies=settings.policies, baselines=(), seed=settings.seed, bootstrap=settings.bootstrap)
    result = summarize(dataset, like, _as_run(played))
    platform = played.platform.model_dump(mode="json", exclude=set(HIDDEN))
    result["settings"] = {"simulation": asdict(settings), "experiment": asdict(experiment), "platform": platform}
    for name, tally in played.tallies.items():
        figures = {"series": series(tally, settings.window), "nicknames": nicknames(tally), **exploration(tally)}
        figures["retried"] = float(tally.retried.mean())
        figures |= satisfaction(tally, settings.window)
        if experiment.changes_at is not None and experiment.changes_at < len(tally):
            figures["recovery"] = recovery(tally, experiment.changes_at, settings.window)
        result["policies"][name] |= figures
    result["encode_ms"] = played.encode_ms
    first = settings.policies[0]
    result["series"] = [{"policy": first, **point} for point in result["policies"][first]["series"]]
    return result


def _as_run(played: Simulated) -> PlayedRun:
    return PlayedRun(
        folder=played.folder,
        policies=played.settings.policies,
        baselines=(),
        statics=(),
        rejected=0,
        reasons=(),
        seconds=played.seconds,
        platform={},
    )
