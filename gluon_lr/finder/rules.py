"""From a curve of losses over rates to one rate: the rules in use elsewhere, and ours.

All work on the smoothed loss over ln(lr); which of them is the default is decided by measured regret, see
``benchmarks/``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, Optional, Sequence

import numpy as np

_FEWEST = 10


class NoSuggestion(Exception):
    """A curve that a rule can say nothing about; the text is the reason."""


@dataclass(frozen=True)
class Suggestion:
    """What a rule makes of a curve.

    Attributes:
        rule: its name.
        lr: the rate; None where there is no suggestion.
        reason: why there is none.
    """

    rule: str
    lr: Optional[float]
    reason: Optional[str] = None

    def __bool__(self) -> bool:
        return self.lr is not None


def smooth(losses: Sequence[float], width: float = 3.0) -> np.ndarray:
    """Losses averaged with their neighbours on both sides, Gaussian of ``width`` rungs: no lag, unlike a running mean.

    Non-finite losses, which can only be the last, are left out.

    Example:
        >>> smooth([1.0, 1.0, 1.0]).tolist()
        [1.0, 1.0, 1.0]
    """
    from scipy.ndimage import gaussian_filter1d

    finite = np.array([loss for loss in losses if math.isfinite(loss)], float)
    return gaussian_filter1d(finite, width, mode="nearest") if len(finite) else finite


def _fallen(losses: np.ndarray) -> int:
    """The index of the least loss, where the curve falls at all."""
    if len(losses) < _FEWEST:
        raise NoSuggestion(f"{len(losses)} points are too few, expected at least {_FEWEST}: search over more rates")
    least = int(np.argmin(losses))
    if least == 0 or losses[0] - losses[least] <= 1e-3 * max(abs(losses[0]), 1e-12):
        raise NoSuggestion("the loss never falls: begin at a lower rate, or look at the net and the data")
    return least


def steep(lrs: np.ndarray, losses: np.ndarray) -> float:
    """Where the loss falls fastest per ln(lr)."""
    least = _fallen(losses)
    slope = np.gradient(losses, np.log(lrs))
    return float(lrs[int(np.argmin(slope[: least + 1]))])


def minimum(lrs: np.ndarray, losses: np.ndarray) -> float:
    """A tenth of the rate at the least loss."""
    return float(lrs[_fallen(losses)] / 10)


def valley(lrs: np.ndarray, losses: np.ndarray) -> float:
    """In the longest falling subsequence b … e: index b + ⌊(e−b)/3⌋ + ⌊⌊(e−b)/3⌋/2⌋."""
    _fallen(losses)
    length, start = [1] * len(losses), list(range(len(losses)))
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and length[j] + 1 > length[i]:
                length[i], start[i] = length[j] + 1, start[j]
    e = int(np.argmax(length))
    b = start[e]
    third = (e - b) // 3
    return float(lrs[b + third + third // 2])


def slide(lrs: np.ndarray, losses: np.ndarray) -> float:
    """Slide an interval of 15 rungs back from the end while the gradients at its ends differ by more than 0.005; its
    left end."""
    _fallen(losses)
    if len(losses) <= 15:
        raise NoSuggestion(f"{len(losses)} points are too few for an interval of 15: search over more rates")
    slope = np.gradient(losses)
    right = len(losses) - 1
    left = right - 15
    while left > 0 and abs(slope[right] - slope[left]) > 0.005:
        left, right = left - 1, right - 1
    return float(lrs[left])


def edge(lrs: np.ndarray, losses: np.ndarray) -> float:
    """Half of the rate at the least loss, which lies just before the curve turns up."""
    return float(lrs[_fallen(losses)] / 2)


RULES: Dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "edge": edge,
    "valley": valley,
    "steep": steep,
    "minimum": minimum,
    "slide": slide,
}
DEFAULT_RULE = "edge"


def suggest(rule: str, lrs: Sequence[float], losses: Sequence[float]) -> Suggestion:
    """What ``rule`` makes of a curve of raw losses; never raises for a curve, whatever its shape."""
    smoothed = smooth(losses)
    try:
        return Suggestion(rule, RULES[rule](np.asarray(lrs[: len(smoothed)], float), smoothed))
    except NoSuggestion as error:
        return Suggestion(rule, None, str(error))
