"""A tiny world: two hundred tracks, ten playlists, the hashing encoder."""

from __future__ import annotations

from bandstand.replay.simulate.experiments import DEFAULT_SHARES, Experiment, SimulateSettings

PLATFORM = (("encoder", "hashing"), ("selfplay_queries", 40))
UNTAUGHT = (("encoder", "hashing"), ("selfplay_queries", 0))
"""For what does not rest on what the platform teaches itself before the first search."""

TINY = Experiment(
    name="tiny", searches=200, shares=DEFAULT_SHARES, titles=60, playlists=10, nicknames=12, new_titles=120
)


def tiny_settings(**changes):
    values = {"policies": ("bandit",), "retrain_every": 100, "window": 100, "audit_every": 10, "platform": PLATFORM}
    return SimulateSettings(**{**values, **changes})
