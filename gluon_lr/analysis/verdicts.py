"""A source's claims, and verdicts on them from the runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import List, Mapping, Sequence

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
        chosen_of: of how many sets of differences these are the least favourable: see :func:`against_every`.
    """

    text: str
    measure: str
    differences: Sequence[float]
    denies: bool = False
    margin: float = 0.005
    chosen_of: int = 1


def against_every(text: str, measure: str, rivals: Mapping[str, Sequence[float]]) -> Claim:
    """A claim to be the best of all: it holds only where each rival is beaten.

    The rival with the least favourable test decides: the greatest of the p-values is the claim's (an intersection–union
    test, which needs no correction). Where that rival is better, it was chosen as the worst of k, and its p-value is
    multiplied by k.

    Args:
        text, measure: as of a :class:`Claim`.
        rivals: name → differences over common seeds, positive where the claim holds.

    Source: Berger (1982), Multiparameter hypothesis testing and acceptance sampling.

    Example:
        >>> claim = against_every("A is best", "accuracy", {"B": [3.0, 3.1, 2.9], "C": [0.1, -0.1, 0.2]})
        >>> claim.measure
        'accuracy; its hardest rival is C'
        >>> judge([claim])[0].verdict
        'not resolved at 3 seeds'
    """

    def favour(name: str) -> float:
        test = compare_differences(name, rivals[name])
        return -math.inf if test.difference.n < 2 else math.copysign(1 - test.p, test.difference.mean)

    if not rivals:
        return Claim(text, measure, [])
    hardest = min(rivals, key=favour)
    return Claim(text, f"{measure}; its hardest rival is {hardest}", rivals[hardest], chosen_of=len(rivals))


@dataclass(frozen=True)
class Verdict:
    """A claim with what the runs say of it: *supported*, *not supported* or *not resolved at n seeds*."""

    claim: Claim
    test: PairedTest
    verdict: str


def judge(claims: Sequence[Claim]) -> List[Verdict]:
    """A verdict for each claim, at 5 % after Holm's correction over all of them."""
    tests = holm([_test(claim) for claim in claims])
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


def _test(claim: Claim) -> PairedTest:
    test = compare_differences(claim.text, claim.differences)
    return replace(test, p=min(1.0, claim.chosen_of * test.p)) if test.difference.mean < 0 else test
