"""The curves that policies are built of: each goes from ``a`` at u = 0 to ``b`` at u = 1."""

from __future__ import annotations

import math
import sys
from typing import Callable, Dict


def progress(t: float, length: float) -> float:
    """u = t / length, held at 0 before the start and at 1 from the end on; a phase of no length is always over.

    Example:
        >>> [progress(t, 4) for t in (-1, 1, 4, 9)], progress(-1, 0)
        ([0.0, 0.25, 1.0, 1.0], 1.0)
    """
    if t >= length or length <= 0:
        return 1.0
    return t / length if t > 0 else 0.0


def whole(t: float, length: float) -> int:
    """How many whole lengths lie in t ≥ 0, a fraction that may lie below a boundary by what rounding takes off.

    Example:
        >>> 0.3 // 0.1, whole(0.3, 0.1), whole(0.29, 0.1)
        (2.0, 3, 2)
    """
    return int(past_rounding(t) / length)


def past_rounding(t: float) -> float:
    """t and a little more: what computing a boundary from fractions may have taken off."""
    return t * (1 + 4 * sys.float_info.epsilon)


def power(factor: float, exponent: float) -> float:
    """factor^exponent, infinite beyond all numbers: a rate that grows so far may be held by a ClipScheduler.

    Example:
        >>> power(2, 10), power(2, 10_000)
        (1024.0, inf)
    """
    try:
        return float(factor) ** exponent
    except OverflowError:
        return math.inf


def linear(a: float, b: float, u: float) -> float:
    """a + (b − a)·u."""
    return a + (b - a) * u


def cosine(a: float, b: float, u: float) -> float:
    """b + (a − b)·(1 + cos πu)/2."""
    return b + (a - b) * (1 + math.cos(math.pi * u)) / 2


def one_minus_sqrt(a: float, b: float, u: float) -> float:
    """b + (a − b)·(1 − √u)."""
    return b + (a - b) * (1 - math.sqrt(u))


def exponential(a: float, b: float, u: float) -> float:
    """a·(b/a)^u: a straight line on a logarithmic axis."""
    return a * (b / a) ** u


def constant(a: float, b: float, u: float) -> float:
    """a until the end, where it jumps to b."""
    return a if u < 1 else b


CURVES: Dict[str, Callable[[float, float, float], float]] = {
    "linear": linear,
    "cosine": cosine,
    "1-sqrt": one_minus_sqrt,
    "exponential": exponential,
    "constant": constant,
}
