"""How often 95 % intervals hold the truth, on simulated logs of this platform's kind of decision.

`python -m bench.coverage --repeats 500 --worlds 10` plays that many logs, an equal share in each world. In every world
three retrievers decide one after another, each seeing what the earlier ones found, and the value of a policy is known
exactly, as a sum over a handful of states.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bandstand.replay.ope import joint_decisions
from bandstand.replay.ope.diagnostics import effective_sample_size
from bandstand.replay.ope.estimate import Estimate
from bandstand.replay.ope.feedback import Feedback
from bandstand.replay.ope.intervals import bootstrap, confidence_sequence, empirical_bernstein
from bandstand.replay.ope.value_model import fit_values
from bench.decision_worlds import ARMS, DEPTHS, World, random_policy
from bench.figures import Figure

FLOOR = 0.5
_LOGS = 100_000
"""Seeds of logs by world: no two logs are the same."""
LARGEST_WEIGHT = (DEPTHS / FLOOR) ** ARMS
METHODS = ("joint_ips", "snips", "control_variate_ips", "sequential_dr", "empirical_bernstein", "confidence_sequence")


class Covered(NamedTuple):
    """Of one world: the share of its logs whose interval holds the truth, and the mean half-width, by method."""

    seed: int
    effective: float
    share: dict[str, float]
    half_width: dict[str, float]


def coverage(seed: int, *, repeats: int, rounds: int) -> Covered:
    """``repeats`` logs of ``rounds`` rounds in the world of that seed."""
    world, logging, target = World.of(seed), random_policy(seed + 10, FLOOR), random_policy(seed + 20, 0.1)
    truth = world.value(target)
    effective = []
    held: dict[str, list[bool]] = {name: [] for name in METHODS}
    half: dict[str, list[float]] = {name: [] for name in METHODS}
    for repeat in range(repeats):
        log = world.log(rounds, logging, target, seed=_LOGS * seed + repeat)
        effective.append(effective_sample_size(log.weights))
        for name, (low, high) in _intervals(log, repeat):
            held[name].append(low <= truth <= high)
            half[name].append((high - low) / 2)
    return Covered(
        seed,
        float(np.mean(effective)),
        {name: float(np.mean(each)) for name, each in held.items()},
        {name: float(np.mean(each)) for name, each in half.items()},
    )


def coverage_figures(*, worlds: int, repeats: int, rounds: int) -> list[Figure]:
    """The coverage over all worlds by method, aimed at 93 % or more, and its range between worlds."""
    found = [coverage(seed, repeats=repeats // worlds, rounds=rounds) for seed in range(6, 6 + worlds)]
    return [
        Figure(
            name=f"coverage of 95 % intervals: {name}",
            value=100 * float(np.mean([each.share[name] for each in found])),
            unit="%",
            note=f"worlds {100 * min(each.share[name] for each in found):.0f} to "
            f"{100 * max(each.share[name] for each in found):.0f} %, half-width "
            f"{np.mean([each.half_width[name] for each in found]):.3f}",
        )
        for name in METHODS
    ]


def main() -> None:
    """Print one row for each world and one for all."""
    parser = argparse.ArgumentParser(prog="bench.coverage", description=__doc__)
    parser.add_argument("--repeats", type=int, default=500, help="logs in all")
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1000, help="rounds of a log")
    given = parser.parse_args()
    share = given.repeats // given.worlds
    print(f"| world | effective rounds | {' | '.join(METHODS)} |\n| --- |{' ---: |' * (len(METHODS) + 1)}")
    found = []
    for seed in range(6, 6 + given.worlds):
        found.append(coverage(seed, repeats=share, rounds=given.rounds))
        cells = [f"{100 * found[-1].share[name]:.1f} %" for name in METHODS]
        print(f"| {seed} | {found[-1].effective:.0f} | {' | '.join(cells)} |", flush=True)
    for title, form, scale, part in (("all", "{:.1f} %", 100, "share"), ("half-width", "{:.3f}", 1, "half_width")):
        cells = [form.format(scale * np.mean([getattr(each, part)[name] for each in found])) for name in METHODS]
        print(f"| {title} | {np.mean([each.effective for each in found]):.0f} | {' | '.join(cells)} |")


def _intervals(log: Feedback, seed: int) -> Iterator[tuple[str, tuple[float, float]]]:
    """As `bandstand ope` makes them: the reward model is fitted on this log alone."""
    plain = (log.reward, log.target, log.logged)
    modelled = fit_values(log, seed=seed)
    values = (np.asarray(modelled.predicted), np.asarray(modelled.direct))
    estimates: dict[str, Estimate] = {
        "joint_ips": joint_decisions.joint_ips(*plain),
        "snips": joint_decisions.joint_ips(*plain, self_normalised=True),
        "control_variate_ips": joint_decisions.control_variate_ips(*plain),
        "sequential_dr": joint_decisions.sequential_dr(*plain, *values),
    }
    intervals = bootstrap(estimates, resamples=1000, seed=seed, expanded=True)
    terms = log.weights * log.reward
    intervals["empirical_bernstein"] = empirical_bernstein(terms, low=0.0, high=LARGEST_WEIGHT)
    intervals["confidence_sequence"] = confidence_sequence(log.reward, log.weights).last
    for name, each in intervals.items():
        if (bounds := each.bounds) is not None:
            yield name, bounds


if __name__ == "__main__":
    main()
