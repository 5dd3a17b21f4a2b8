"""A source's claims, and verdicts on them from the runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import List, Mapping, Optional, Sequence

from .power import seeds_for_difference, seeds_for_equivalence, seeds_for_no_gain
from .statistics import (
    LEVEL,
    PairedTest,
    compare_differences,
    correct_p_values,
    count_seeds,
    holm,
    p_at_most,
    p_equivalent,
)


@dataclass(frozen=True)
class Claim:
    """A source's claim, put as differences that are positive on average if it is true.

    Args:
        text: the claim in our words.
        measure: how the differences were taken.
        differences: one a seed.
        delta: δ, the difference that would matter; None where none was fixed.
        why: the reason for δ.
        denies: the claim is that there is *no* gain: it holds where the gain is shown to be less than δ.
        chosen_of: of how many sets of differences these are the least favourable: see :func:`all_of`.
        rival: the one that is hardest to beat, of several: see :func:`against_every`.
        trained: seeds that were trained, where collapsed trainings left some out; None where all gave a difference.
    """

    text: str
    measure: str
    differences: Sequence[float]
    delta: Optional[float] = None
    why: str = ""
    denies: bool = False
    chosen_of: int = 1
    rival: str = ""
    trained: Optional[int] = None


def all_of(
    text: str, measure: str, parts: Mapping[str, Sequence[float]], delta: Optional[float] = None, why: str = ""
) -> Claim:
    """A claim that holds only where each of its parts does.

    The part with the least favourable test decides: the greatest of the p-values is the claim's (an intersection–union
    test, which needs no correction). Where that part speaks against the claim, it was chosen as the worst of k, and its
    p-value is multiplied by k; so is that of the test for a difference below δ, which the choice favours.

    Args:
        text, measure, delta, why: as of a :class:`Claim`.
        parts: name → differences over seeds, positive where the part holds.

    Source: Berger (1982), Multiparameter hypothesis testing and acceptance sampling.

    Example:
        >>> parts = {"the rise": [3.0, 3.1, 2.9], "0.5 less what follows": [0.3, 0.0, 0.5]}
        >>> all_of("it rises, then stays", "gain", parts).measure
        'gain; what decides is 0.5 less what follows'
    """

    if not parts:
        return Claim(text, measure, [], delta, why)
    hardest = _hardest(parts)
    return Claim(text, f"{measure}; what decides is {hardest}", parts[hardest], delta, why, chosen_of=len(parts))


def against_every(
    text: str, measure: str, rivals: Mapping[str, Sequence[float]], delta: Optional[float] = None, why: str = ""
) -> Claim:
    """A claim to be the best of all: it holds only where each rival is beaten, as :func:`all_of`.

    Args:
        text, measure, delta, why: as of a :class:`Claim`.
        rivals: name → differences over common seeds, positive where the claim holds.

    Example:
        >>> claim = against_every("A is best", "accuracy", {"B": [3.0, 3.1, 2.9], "C": [0.1, -0.1, 0.2]})
        >>> claim.measure
        'accuracy; its hardest rival is C'
        >>> judge([claim])[0].verdict
        'not resolved at 3 seeds; about 44 would resolve it'
    """
    claim = all_of(text, measure, rivals, delta, why)
    if not rivals:
        return claim
    rival = _hardest(rivals)
    return replace(claim, measure=f"{measure}; its hardest rival is {rival}", rival=rival)


def _hardest(parts: Mapping[str, Sequence[float]]) -> str:
    """The name of the part whose test is the least favourable to it."""

    def favour(name: str) -> float:
        test = compare_differences(name, parts[name])
        known = test.difference.n > 1 and math.isfinite(test.difference.mean)
        return -math.inf if not known else math.copysign(1 - test.p, test.difference.mean)

    return min(parts, key=favour)


@dataclass(frozen=True)
class Verdict:
    """A claim with what the runs say of it.

    Attributes:
        claim: the claim.
        test: of its differences against 0; p after Holm's correction over the claims that were judged together.
        p_equivalent: of the test that the difference is smaller than δ, corrected likewise; NaN where there is no δ.
        verdict: *supported*, *refuted*, *no difference larger than δ*, or *not resolved at n seeds*, with about how
            many would resolve it, if as many of them collapse.
    """

    claim: Claim
    test: PairedTest
    p_equivalent: float
    verdict: str

    def __str__(self) -> str:
        return f"{self.claim.text}: {self.verdict} ({self.claim.measure}: {self.test.difference.mean:+.3g})"

    @property
    def kind(self) -> str:
        """The verdict without its numbers: ``supported``, ``refuted``, ``no difference`` or ``not resolved``."""
        return next(kind for kind in KINDS if self.verdict.startswith(kind))


KINDS = ("supported", "refuted", "no difference", "not resolved")


def judge(claims: Sequence[Claim]) -> List[Verdict]:
    """A verdict for each claim, at 5 %.

    A claim is supported or refuted where its differences are not 0 on average, by Student's test. Else, where δ was
    fixed, two one-sided tests ask whether they are smaller than δ on average. At most one of the two can be wrong about
    a claim: the first only if the true mean is 0, the second only if it is δ or more. So each family is corrected by
    itself, by Holm's method; where some true means are 0 and others δ, one or the other is wrong in up to 8 %.
    """
    tests = holm([_test(claim) for claim in claims])
    small = [_p_small(claim) for claim in claims]
    corrected = iter(correct_p_values([p for p in small if not math.isnan(p)]))
    return [
        _verdict(claim, test, p if math.isnan(p) else next(corrected), len(claims))
        for claim, test, p in zip(claims, tests, small)
    ]


def _verdict(claim: Claim, test: PairedTest, p_small: float, family: int) -> Verdict:
    gain = test.difference
    significant, shown_small = test.p_corrected < 1 - LEVEL, p_small < 1 - LEVEL
    if significant:
        text = "supported" if (gain.mean > 0) != claim.denies else "refuted"
    elif shown_small:
        beside = f" from {claim.rival}" if claim.rival else ""
        text = "supported" if claim.denies else f"no difference larger than {claim.delta:g}{beside}"
    else:
        text = _unresolved(claim, gain.n, family)
    return Verdict(claim, test, p_small, text)


def _unresolved(claim: Claim, n: int, family: int) -> str:
    """That the seeds do not resolve a claim, and about how many would, those included whose trainings collapse."""
    some_collapsed = claim.trained is not None and claim.trained > n > 0
    text = f"not resolved at {n} of {claim.trained} seeds" if some_collapsed else f"not resolved at {count_seeds(n)}"
    needed = _seeds_needed(claim, family)
    if not needed or needed <= n:
        return text
    return f"{text}; about {math.ceil(needed * claim.trained / n) if some_collapsed else needed} would resolve it"


def _test(claim: Claim) -> PairedTest:
    test = compare_differences(claim.text, claim.differences)
    return replace(test, p=min(1.0, _times_chosen(claim, test.difference.mean) * test.p))


def _times_chosen(claim: Claim, mean: float) -> int:
    """What the p-value of a difference is multiplied by: the least favourable sign is the one that was looked for."""
    return claim.chosen_of if (mean < 0) != claim.denies else 1


def _p_small(claim: Claim) -> float:
    """That the difference is below δ; with several parts, of the one that was chosen for looking small."""
    if claim.delta is None:
        return math.nan
    p = (p_at_most if claim.denies else p_equivalent)(claim.differences, claim.delta)
    return min(1.0, claim.chosen_of * p)


def _seeds_needed(claim: Claim, family: int) -> Optional[int]:
    """About how many seeds would resolve a claim, if its differences stay as they are; None where they cannot say."""
    level, numbers = (1 - LEVEL) / family, claim.differences
    mean = sum(numbers) / max(1, len(numbers))
    found = [seeds_for_difference(numbers, level / _times_chosen(claim, mean))]
    if claim.delta is not None:
        small = seeds_for_no_gain if claim.denies else seeds_for_equivalence
        found.append(small(numbers, claim.delta, level / claim.chosen_of))
    return min((n for n in found if n is not None), default=None)
