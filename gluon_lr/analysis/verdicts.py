"""A source's claims, and verdicts on them from the runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence

from .statistics import LEVEL, PairedTest, compare_differences, count_seeds, holm


@dataclass(frozen=True)
class Claim:
    """A source's claim, put as differences that are positive on average if it is true.

    Args:
        text: the claim in our words.
        measure: how the differences were taken.
        differences: one a seed.
        denies: the claim is that there is *no* gain: it holds where the gain is not significantly positive and its
            interval stays below ``margin``.
        margin: see ``denies``.
    """

    text: str
    measure: str
    differences: Sequence[float]
    denies: bool = False
    margin: float = 0.005


@dataclass(frozen=True)
class Verdict:
    """A claim with what the runs say of it: *supported*, *not supported* or *not resolved at n seeds*."""

    claim: Claim
    test: PairedTest
    verdict: str


def judge(claims: Sequence[Claim]) -> List[Verdict]:
    """A verdict for each claim, at 5 % after Holm's correction over all of them."""
    tests = holm([compare_differences(claim.text, claim.differences) for claim in claims])
    verdicts = []
    for claim, test in zip(claims, tests):
        gain = test.difference
        significant = test.p_corrected < 1 - LEVEL
        if claim.denies:
            refuted = significant and gain.mean > 0
            supported = gain.high < claim.margin and not refuted
        else:
            supported = significant and gain.mean > 0
            refuted = significant and gain.mean < 0
        if supported:
            text = "supported"
        elif refuted:
            text = "not supported"
        else:
            text = f"not resolved at {count_seeds(gain.n)}"
        verdicts.append(Verdict(claim, test, text))
    return verdicts
