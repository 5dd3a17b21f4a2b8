"""Decide when a search has seen enough."""

from __future__ import annotations

import math
import statistics
from typing import List, Optional, Sequence

from ..arguments import real_number, whole_number
from ..errors import UsageError


def divergence(early: Sequence[float]) -> float:
    """The loss above which a search has diverged: first + max(|first|, 5·d), d the median distance of the early losses
    from their median: 3.4 standard deviations of normal noise, and not moved by some that are already on their way up.

    Example:
        >>> divergence([2.0, 2.1, 1.9, 2.0])
        4.0
    """
    middle = statistics.median(early)
    return early[0] + max(abs(early[0]), 5 * statistics.median(abs(loss - middle) for loss in early))


class LRFinderStoppingCriteria:
    """Stop when the running mean of the losses has clearly left where it began, or at once when one is not finite.

    The running mean r ← (1 − smoothing)·loss + smoothing·r has diverged when it is above :func:`divergence` of the
    first ``min_iter`` losses. Where losses differ little for their size this is the tutorial's "twice the first loss";
    unlike that, it serves losses that start near zero or are negative.

    Args:
        smoothing: weight of the past; default 0.3.
        min_iter: before this many updates, only a non-finite loss stops; default 20.

    Attributes:
        reason: why it stopped, or None.

    Raises:
        UsageError: ``smoothing`` is not from 0 to below 1, or ``min_iter`` no whole number.

    Source: MXNet's *Learning Rate Finder* tutorial.

    Example:
        >>> stop = LRFinderStoppingCriteria(min_iter=2)
        >>> [stop(loss) for loss in (1.0, 1.0, 1.5, 9.0)], stop.reason
        ([False, False, False, True], 'diverged')
    """

    def __init__(self, smoothing: float = 0.3, min_iter: int = 20) -> None:
        self.smoothing = real_number("smoothing", smoothing)
        if not 0 <= self.smoothing < 1:
            raise UsageError(f"smoothing is {self.smoothing}: expected from 0 to below 1")
        self.min_iter = whole_number("min_iter", min_iter, least=0)
        self.running_mean: Optional[float] = None
        self.reason: Optional[str] = None
        self._early: List[float] = []
        self._seen = 0

    def __call__(self, loss: float) -> bool:
        """Record a loss and say whether to stop."""
        if not math.isfinite(loss):
            self.reason = "loss not finite"
            return True
        self._seen += 1
        if self.running_mean is None:
            self.running_mean = loss
        else:
            self.running_mean = (1 - self.smoothing) * loss + self.smoothing * self.running_mean
        if self._seen <= max(1, self.min_iter):
            self._early.append(loss)
        if self._seen >= self.min_iter and self.running_mean > divergence(self._early):
            self.reason = "diverged"
            return True
        return False
