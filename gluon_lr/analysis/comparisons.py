"""Paired tests between runs of one study: which are compared, and over which seeds."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..experiments.record import Record
from .measures import ACCURACY, Score
from .selection import at_best_rate, by_run, last_by_seed
from .statistics import PairedTest, compare_counts, compare_paired, correct_p_values, holm


def compare_runs(records: Sequence[Record], pairs: Sequence[Tuple[str, str]], quantity: str) -> List[PairedTest]:
    """Each pair's difference of the last ``quantity``, first less second, with Holm's correction over all pairs."""
    return holm(
        [
            compare_paired(
                f"{first} − {second}", last_by_seed(records, first, quantity), last_by_seed(records, second, quantity)
            )
            for first, second in pairs
        ]
    )


def compare_schedules(records: Sequence[Record], by: Score = ACCURACY) -> List[PairedTest]:
    """Every two schedules at their best rates, the better first, with Holm's correction over all pairs.

    Trainings whose number is not finite are left out.
    """
    arms = {name: finite(values) for name, values in at_best_rate(records, by).items()}
    means = {name: by.sign * _mean(values) for name, values in arms.items() if values}
    names = sorted(arms, key=lambda name: -means.get(name, -np.inf))
    return holm([compare_paired(f"{a} − {b}", arms[a], arms[b]) for i, a in enumerate(names) for b in names[i + 1 :]])


def ranking_words(records: Sequence[Record], by: Score = ACCURACY) -> str:
    """The schedules by the mean of their best rates, the best first, and which of them can be told apart.

    Schedules with the same mean have "=" between them.
    """
    arms = {name: finite(values) for name, values in at_best_rate(records, by).items()}
    alike: Dict[float, List[str]] = {}
    for name, values in arms.items():
        if values:
            alike.setdefault(by.sign * _mean(values), []).append(name)
    ranked = ", ".join(" = ".join(alike[mean]) for mean in sorted(alike, reverse=True))
    tests = compare_schedules(records, by)
    if not tests:
        return f"means, the best first: {ranked}"
    told_apart = [_beats(test, by) for test in tests if test.p_corrected < 0.05]
    pairs = "1 pair is" if len(tests) == 1 else f"{len(tests)} pairs is"
    resolved = "; ".join(told_apart) or f"none of {pairs} resolved"
    return f"means, the best first: {ranked}; {resolved}"


def _beats(test: PairedTest, by: Score) -> str:
    """Which of two schedules is better over their common seeds; the order of means is over all that each has."""
    first, second = test.name.split(" − ")
    better = by.sign * test.difference.mean > 0
    return f"{first} beats {second}" if better else f"{second} beats {first}"


def _mean(values: Dict[int, float]) -> float:
    return float(np.mean(list(values.values())))


def finite(values: Dict[int, float]) -> Dict[int, float]:
    """Seed → number, of those that are finite."""
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def compare_collapses(records: Sequence[Record], beside: str) -> List[Tuple[str, int, int, Optional[float]]]:
    """For each run: its name, how many trainings collapsed, how many are complete, and the p-value of Fisher's exact
    test beside another run, with Holm's correction over all of them; None for that run itself."""
    groups = {name: [r for r in group if r.complete] for name, group in by_run(records).items()}
    counts = {name: sum(r.status == "collapsed" for r in group) for name, group in groups.items()}
    others = [name for name in groups if name != beside and beside in groups]
    values = [compare_counts(counts[name], len(groups[name]), counts[beside], len(groups[beside])) for name in others]
    corrected = dict(zip(others, correct_p_values(values)))
    return [(name, counts[name], len(groups[name]), corrected.get(name)) for name in groups]
