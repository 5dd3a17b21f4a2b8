"""What the talk finds, as claims on our runs. It shows plots, no table of figures.

Its setting: CIFAR-10, a ViT of about 12.5 million parameters, AdamW with weight decay 1e-4, 100 epochs, batch 512, the
best model by validation accuracy, one run each; it names these limits itself, and that nothing was tested.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Dict, List, Sequence

import numpy as np

from ...analysis.measures import best_share, mean_drop, score
from ...analysis.selection import at_best_rate, cells
from ...analysis.verdicts import Claim, against_every
from ...experiments.record import Record
from .experiment import GRID

HIGH = 1e-2  # the talk's greatest rate
# The least difference that would matter (δ), and why; fixed when there were three seeds, before others.
ACCURACY = (0.01, "a point: the error of an accuracy near 0.5 on 5,000 images is two thirds of one")
SHARE = (0.1, "about an epoch of twelve, and a best epoch is a whole one")
FALL = (0.0025, "a third of the error of an accuracy near 0.5 on 5,000 images")


def claims(records: Sequence[Record]) -> List[Claim]:
    """The talk's findings, each as a difference over common seeds that is positive if it holds."""
    found, best = cells(records), at_best_rate(records)

    def paired(a: Dict[int, float], b: Dict[int, float]) -> List[float]:
        return [a[seed] - b[seed] for seed in sorted(set(a) & set(b))]

    def over_rates(name: str, measure: Callable[[List[Record]], float], least: float) -> Dict[int, float]:
        """Seed → a measure of a schedule's trainings at all the talk's rates from ``least`` on; seeds that have all."""
        rates = [found.get(name, {}).get(rate, {}) for rate in GRID[name] if rate >= least]
        common = set.intersection(*map(set, rates)) if rates else set()
        return {seed: measure([cell[seed] for cell in rates]) for seed in common}

    def mean_of(measure: Callable[[Record], float]) -> Callable[[List[Record]], float]:
        return lambda group: float(np.mean([measure(r) for r in group]))

    mean_score, drops, shares = mean_of(score), mean_of(mean_drop), mean_of(best_share)
    others = [name for name in GRID if name != "one-cycle"]  # a rival without trainings leaves a claim unjudged
    at_best = "test accuracy after the best epoch, each at its best rate"
    at_high = "the same at a rate of 0.01"
    one_cycle = over_rates("one-cycle", mean_score, HIGH)
    at_high_rates = {name: over_rates(name, mean_score, HIGH) for name in others if max(GRID[name]) >= HIGH}
    leader = max(best, key=lambda name: float(np.mean(list(best[name].values()))), default="")
    listed = [
        against_every(
            "One-cycle is the best of all", at_best,
            {name: paired(best.get("one-cycle", {}), best.get(name, {})) for name in others}, *ACCURACY,
        ),
        replace(
            against_every(
                "No schedule is best of all", f"{at_best}; the one with the best mean less another",
                {name: paired(best.get(leader, {}), best.get(name, {})) for name in GRID if name != leader}, *ACCURACY,
            ),
            denies=True,
        ),
        against_every(
            "One-cycle bears high rates best of all", at_high,
            {name: paired(one_cycle, theirs) for name, theirs in at_high_rates.items()}, *ACCURACY,
        ),
    ]  # fmt: skip
    for name in ("constant", "step", "cosine"):
        gain = paired(over_rates("one-cycle", shares, HIGH), over_rates(name, shares, HIGH))
        text = f"{name.capitalize()} is at its best earlier than one-cycle at a high rate"
        listed.append(Claim(text, "best epoch as a share of all, at a rate of 0.01", gain, *SHARE))
    for name in ("constant", "cosine"):
        gain = paired(over_rates(f"{name}-warmup", mean_score, 1e-5), over_rates(name, mean_score, 1e-5))
        text = f"Warmup makes {name} slightly better"
        listed.append(Claim(text, "mean over the rates from 1e-5 on", gain, *ACCURACY))
        gain = paired(over_rates(name, drops, 1e-5), over_rates(f"{name}-warmup", drops, 1e-5))
        listed.append(Claim(f"Warmup makes {name} steadier", "mean fall of test accuracy between epochs", gain, *FALL))
    return listed
