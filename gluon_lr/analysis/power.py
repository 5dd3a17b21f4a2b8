"""How many seeds a test needs, and what a number of seeds can show."""

from __future__ import annotations

import functools
import math
from typing import Callable, Optional, Sequence

import numpy as np

POWER = 0.8  # the usual choice: four out of five such studies would find it
_MOST = 10_000


def seeds_for_difference(differences: Sequence[float], level: float = 0.05) -> Optional[int]:
    """Seeds at which Student's paired test would see a mean like that of these differences, four times out of five.

    Args:
        differences: those at hand; their mean and deviation are taken for the true ones.
        level: of the test, two-sided; default 0.05.

    Returns:
        The number; None with fewer than two differences, or above 10,000.

    Example:
        >>> seeds_for_difference([0.0, 1.0, 2.0])
        10
    """
    return _fewest(differences, lambda mean, deviation, n: power_of_difference(mean, deviation, n, level))


def seeds_for_equivalence(differences: Sequence[float], delta: float, level: float = 0.05) -> Optional[int]:
    """Seeds at which two one-sided tests would show, four times out of five, that the mean is within ±``delta``.

    None where the mean at hand is not, and otherwise as :func:`seeds_for_difference`.
    """
    return _fewest(differences, lambda mean, deviation, n: power_of_equivalence(mean, deviation, n, delta, level))


def seeds_for_no_gain(differences: Sequence[float], delta: float, level: float = 0.05) -> Optional[int]:
    """Seeds at which a one-sided test would show, four times out of five, that the mean is below ``delta``.

    None where the mean at hand is not, and otherwise as :func:`seeds_for_difference`.
    """
    return _fewest(differences, lambda mean, deviation, n: power_of_no_gain(mean, deviation, n, delta, level))


def power_of_difference(mean: float, deviation: float, n: int, level: float = 0.05) -> float:
    """The chance that Student's two-sided test of n differences says that their mean is not 0."""
    from scipy import stats

    shift, bound = abs(mean) / deviation * math.sqrt(n), float(stats.t.ppf(1 - level / 2, n - 1))
    return _above(bound, n - 1, shift) + _above(bound, n - 1, -shift)


def power_of_equivalence(mean: float, deviation: float, n: int, delta: float, level: float = 0.05) -> float:
    """The chance that two one-sided tests of n differences say that their mean lies within ±``delta``; a little low,
    since it adds the chances that either test fails."""
    misses = [1 - power_of_no_gain(side * mean, deviation, n, delta, level) for side in (1, -1)]
    return max(0.0, 1 - sum(misses))


def power_of_no_gain(mean: float, deviation: float, n: int, delta: float, level: float = 0.05) -> float:
    """The chance that a one-sided test of n differences says that their mean is below ``delta``."""
    from scipy import stats

    return _above(float(stats.t.ppf(1 - level, n - 1)), n - 1, (delta - mean) / deviation * math.sqrt(n))


def _above(bound: float, freedom: int, shift: float) -> float:
    """The chance of a value above ``bound`` from Student's distribution with this noncentrality.

    The mean of the normal chance over the deviation's quantiles: SciPy's own function fails for some arguments.
    """
    from scipy import stats

    if freedom > 300:  # the deviation is known to a twenty-fifth: a normal distribution to two digits
        return float(stats.norm.sf(bound - shift))
    return float(stats.norm.sf(bound * _deviations(freedom) - shift).mean())


@functools.lru_cache(maxsize=512)
def _deviations(freedom: int) -> np.ndarray:
    """Quantiles of an estimated deviation over the true one."""
    from scipy import stats

    return np.sqrt(stats.chi2.ppf((np.arange(500) + 0.5) / 500, freedom) / freedom)


def smallest_shown(deviation: float, n: int, level: float = 0.05) -> float:
    """The least mean difference that n seeds would show, four times out of five.

    Example:
        >>> round(smallest_shown(1.0, 20), 2)
        0.66
    """
    from scipy.optimize import brentq

    def lacking(mean: float) -> float:
        return power_of_difference(mean, deviation, n, level) - POWER

    high = deviation
    while lacking(high) < 0:
        high *= 2
    return float(brentq(lacking, 0.0, high))


def _fewest(differences: Sequence[float], power: Callable[[float, float, int], float]) -> Optional[int]:
    """The least n of that power, found by halving: it grows with n."""
    numbers = np.asarray(list(differences), float)
    if len(numbers) < 2 or not np.isfinite(numbers).all() or np.ptp(numbers) == 0:
        return None
    mean, deviation = float(numbers.mean()), float(numbers.std(ddof=1))
    if power(mean, deviation, _MOST) < POWER:
        return None
    low, high = 1, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(mean, deviation, middle) >= POWER else (middle, high)
    return high
