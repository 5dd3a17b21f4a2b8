"""Intervals over seeds, and paired tests over common seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Dict, List, Sequence

import numpy as np

LEVEL = 0.95

_ROUNDING = 1e-13  # of a difference of numbers of up to 100 or so, such as accuracies and losses


@dataclass(frozen=True)
class Interval:
    """A mean with its interval: ``low`` … ``high`` at 95 %; infinite where fewer than two values are known."""

    mean: float
    low: float
    high: float
    n: int

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def half_width(self) -> float:
        """Half of what lies between ``low`` and ``high``."""
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float]) -> Interval:
    """Student's 95 % interval of the mean: x̄ ± t·s/√n.

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> round(interval.low, 3), round(interval.high, 3)
        (-0.484, 4.484)
    """
    from scipy import stats

    numbers = np.asarray(list(values), float)
    n = len(numbers)
    if n == 0:
        return Interval(math.nan, -math.inf, math.inf, 0)
    mean = float(numbers.mean())
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True)
class PairedTest:
    """A paired comparison over common seeds.

    Attributes:
        name: what is compared.
        difference: first less second, its mean and interval.
        p: two-sided, of Student's paired test; 1 where fewer than two pairs are known.
        p_corrected: after Holm's correction over the family that was tested together.
        differences: what was tested.
    """

    name: str
    difference: Interval
    p: float
    p_corrected: float = math.nan
    differences: Sequence[float] = ()


def compare_paired(name: str, first: Dict[int, float], second: Dict[int, float]) -> PairedTest:
    """Compare two arms seed by seed; seeds that only one of them has are left out."""
    common = sorted(set(first) & set(second))
    return compare_differences(name, [first[seed] - second[seed] for seed in common])


def compare_differences(name: str, differences: Sequence[float]) -> PairedTest:
    """Test whether paired differences are zero on average, by Student's test.

    Where all are equal, as accuracies on few images may be, they have no spread to test by: then the sign test answers,
    and the interval is unknown. Where one is not finite, p is 1.
    """
    from scipy import stats

    numbers = np.asarray(list(differences), float)
    if not np.isfinite(numbers).all():
        unknown = Interval(math.nan, -math.inf, math.inf, len(numbers))
        return PairedTest(name, unknown, 1.0, differences=tuple(numbers.tolist()))
    interval = mean_interval(numbers)
    if len(numbers) < 2:
        p = 1.0
    elif _equal(numbers):
        p = 1.0 if are_zero(numbers) else min(1.0, 2 * 0.5 ** len(numbers))
        interval = replace(interval, low=-math.inf, high=math.inf)
    else:
        p = float(stats.ttest_1samp(numbers, 0.0).pvalue)
    return PairedTest(name, interval, p, differences=tuple(numbers.tolist()))


def _equal(numbers: np.ndarray) -> bool:
    """Whether differences vary by no more than rounding: their own, or that of the numbers of up to 100 or so, such as
    accuracies and losses, that were subtracted."""
    return bool(np.ptp(numbers) <= max(1e-12 * np.abs(numbers).max(), _ROUNDING))


def are_zero(differences: Sequence[float]) -> bool:
    """Whether differences are all nothing but rounding, that of numbers of up to 100 or so which were subtracted.

    Example:
        >>> are_zero([0.0, 1e-17, -2e-17]), are_zero([0.0, 1e-9])
        (True, False)
    """
    return bool(np.abs(np.asarray(differences, float)).max(initial=0.0) <= _ROUNDING)


def p_at_most(differences: Sequence[float], delta: float) -> float:
    """One-sided p-value that speaks for a mean below ``delta``, by Student's test, or where all are equal by the sign
    test; 1 for fewer than two, or where one is not finite.

    Example:
        >>> p_at_most([0.0, 0.1, -0.1], 1.0) < 0.01
        True
    """
    from scipy import stats

    numbers = np.asarray(list(differences), float)
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return 1.0
    if _equal(numbers):
        return 0.5 ** len(numbers) if numbers[0] < delta else 1.0
    return float(stats.ttest_1samp(numbers, delta, alternative="less").pvalue)


def p_equivalent(differences: Sequence[float], delta: float) -> float:
    """The p-value that speaks for a mean within ±``delta``: the greater of two one-sided ones.

    Source: Schuirmann (1987), A comparison of the two one-sided tests procedure.
    """
    return max(p_at_most(differences, delta), p_at_most([-value for value in differences], delta))


def correct_p_values(values: Sequence[float]) -> List[float]:
    """Holm's correction of p-values for tests that are made together.

    Example:
        >>> correct_p_values([0.01, 0.04, 0.5])
        [0.03, 0.08, 0.5]
    """
    from statsmodels.stats.multitest import multipletests

    return multipletests(list(values), method="holm")[1].tolist() if len(values) else []


def holm(tests: Sequence[PairedTest]) -> List[PairedTest]:
    """The tests with their p-values corrected for having been made together."""
    corrected = correct_p_values([test.p for test in tests])
    return [replace(test, p_corrected=p) for test, p in zip(tests, corrected)]


def count_seeds(n: int) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{n} seed" if n == 1 else f"{n} seeds"


def compare_counts(first: int, first_of: int, second: int, second_of: int) -> float:
    """Fisher's exact test, two-sided: the p-value of ``first`` of ``first_of`` beside ``second`` of ``second_of``.

    Example:
        >>> compare_counts(0, 20, 0, 20), round(compare_counts(5, 20, 0, 20), 3)
        (1.0, 0.047)
    """
    from scipy import stats

    table = [[first, first_of - first], [second, second_of - second]]
    return float(stats.fisher_exact(table)[1])
