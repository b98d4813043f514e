"""A tiny world: two hundred tracks, ten playlists, the hashing encoder."""

from __future__ import annotations

from bandstand.replay.simulate.experiments import DEFAULT_SHARES, Experiment, SimulateSettings

PLATFORM = (("encoder", "hashing"), ("selfplay_queries", 40))
TINY = Experiment(
    name="tiny", searches=300, shares=DEFAULT_SHARES, titles=60, playlists=10, nicknames=12, new_titles=120
)


def tiny_settings(**changes):
    values = {"policies": ("bandit",), "retrain_every": 150, "window": 100, "audit_every": 10, "platform": PLATFORM}
    return SimulateSettings(**{**values, **changes})
