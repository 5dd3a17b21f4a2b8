"""What the exercises ask, and what the runs answer. The book publishes no answers to compare with."""

from __future__ import annotations

from typing import Dict, List, Sequence

import numpy as np

from ...analysis.comparisons import ranking_words
from ...analysis.selection import cells, scores
from ...experiments.record import Record

QUESTIONS = {
    "fixed-rate": "1. Which fixed rate is best?",
    "exponents": "2. What do other exponents of polynomial decay do?",
    "larger": "3. Does cosine help on a larger vision problem?",
    "warmup": "4. How long should warmup last?",
}


def of_exercise(records: Sequence[Record], exercise: str) -> List[Record]:
    """The complete runs of an exercise, in the order of its grid."""
    from .experiment import GRIDS

    names = list(GRIDS[exercise][0])
    chosen = [r for r in records if r.spec["settings"]["exercise"] == exercise and r.complete]
    return sorted(
        chosen, key=lambda r: (names.index(r.spec["settings"]["schedule"]), r.spec["settings"]["rate"], r.spec["seed"])
    )


def answers(records: Sequence[Record]) -> Dict[str, str]:
    """Exercise → its answer in words, of those that have runs."""
    found = {}
    for exercise in QUESTIONS:
        chosen = of_exercise(records, exercise)
        if not chosen:
            continue
        if exercise == "fixed-rate":
            found[exercise] = _best_fixed_rate(chosen)
            continue
        found[exercise] = ranking_words(chosen)
        if exercise == "warmup":
            uncollapsed = [
                n for n, rates in cells(chosen).items() if all(r.status == "finished" for r in rates[0.5].values())
            ]
            survived = f"no seed collapsed with {', '.join(uncollapsed)}" if uncollapsed else "each lost a seed"
            found[exercise] += f"; {survived}"
    return found


def _best_fixed_rate(records: Sequence[Record]) -> str:
    by_rate = cells(records)["constant"]
    counts = {rate: sum(r.status == "collapsed" for r in cell.values()) for rate, cell in by_rate.items()}
    means = {rate: float(np.mean(list(scores(cell).values()))) for rate, cell in by_rate.items() if not counts[rate]}
    collapsed = ", ".join(f"{count} of {len(by_rate[rate])} at {rate:g}" for rate, count in counts.items() if count)
    if not means:
        return f"none: at every rate a seed collapsed ({collapsed})"
    best = max(means, key=lambda rate: means[rate])
    return f"{best:g} has the best mean of those at which no seed collapsed (collapsed: {collapsed or 'none'})"
