"""Where one number lies among others, and how likely it is as one more of them."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def place(value: float, others: Sequence[float]) -> str:
    """Where a value lies among others, in words.

    Example:
        >>> place(0.3, [0.1, 0.2, 0.4]), place(0.5, [0.1, 0.2]), place(0.0, [0.1]), place(0.1, [0.1, 0.2])
        ('above 2 of 3', 'above all 2', 'below all 1', 'level with the least of 2')
    """
    if not others:
        return "–"
    n, below, above = len(others), sum(other < value for other in others), sum(other > value for other in others)
    if below == n:
        return f"above all {n}"
    if above == n:
        return f"below all {n}"
    if below == above == 0:
        return f"level with all {n}"
    if below == 0:
        return f"level with the least of {n}"
    return f"above {below} of {n}" if above else f"level with the greatest of {n}"


def p_of_place(value: float, others: Sequence[float]) -> float:
    """How often one more training would lie as far out among n others: 2·(1 + k)/(n + 1), at most 1, where k is the
    smaller of the counts at or above and at or below.

    Example:
        >>> p_of_place(9.0, [1.0, 2.0, 3.0]), p_of_place(2.5, [1.0, 2.0, 3.0])
        (0.5, 1.0)
    """
    below, above = sum(other <= value for other in others), sum(other >= value for other in others)
    return min(1.0, 2 * (1 + min(below, above)) / (len(others) + 1))


def log_density(values: np.ndarray, more: np.ndarray) -> float:
    """The log density of one more observation after n normal ones: Student's, of one dimension or several.

    Args:
        values: ``(n, dimensions)``; n has to be greater than dimensions.
        more: ``(dimensions,)``.

    Source: Gelman and others, Bayesian Data Analysis: the predictive distribution under Jeffreys' prior.

    Example:
        >>> from scipy import stats
        >>> values = np.array([[1.0], [2.0], [4.0]])
        >>> s = values.std(ddof=1) * (1 + 1 / 3) ** 0.5
        >>> bool(np.isclose(log_density(values, np.array([3.0])), stats.t.logpdf((3 - 7 / 3) / s, 2) - np.log(s)))
        True
    """
    from scipy import stats

    n, dimensions = values.shape
    centred = values - values.mean(axis=0)
    freedom = n - dimensions
    shape = centred.T @ centred * (n + 1) / (n * freedom)
    return float(stats.multivariate_t(values.mean(axis=0), shape, df=freedom).logpdf(more))
