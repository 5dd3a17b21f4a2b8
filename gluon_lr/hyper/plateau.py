"""A rate that falls where the training stalls."""

from __future__ import annotations

import math
from typing import Any

from mxnet.lr_scheduler import LRScheduler

from ..errors import UsageError
from ..schedulers import pure


class ReduceOnPlateau(LRScheduler):
    """Any schedule times a multiplier that shrinks when a watched value stops improving: η(t) = schedule(t)·multiplier.

    Unlike the pure schedules it has a state, which :func:`observe` alone changes; snapshots keep it.

    Args:
        schedule: any scheduler or number.
        factor: what the multiplier shrinks by; default 0.1.
        patience: observations without improvement that are let pass; default 10.
        threshold: an improvement is at least this share of the best value; default 1e-4.
        cooldown: observations after a reduction that are not counted; default 0.
        least: the multiplier never falls below this; default 0.
        larger_is_better: True for an accuracy; default False, for a loss.

    Raises:
        UsageError: ``factor`` is not between 0 and 1, or ``patience`` is negative.

    Example:
        >>> rate = ReduceOnPlateau(1.0, factor=0.5, patience=1)
        >>> [rate.observe(loss) for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
        [1.0, 1.0, 1.0, 0.5, 0.5]
        >>> rate(7)
        0.5
    """

    def __init__(
        self,
        schedule: Any,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        least: float = 0.0,
        larger_is_better: bool = False,
    ) -> None:
        if not 0 < factor < 1:
            raise UsageError(f"factor is {factor}: expected between 0 and 1")
        if patience < 0:
            raise UsageError(f"patience is {patience}: expected at least 0")
        self.schedule = pure(schedule)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.least, self.larger_is_better = cooldown, least, larger_is_better
        self.multiplier, self.best, self.stalled, self.resting = 1.0, math.inf, 0, 0

    def __call__(self, num_update: float) -> float:
        return self.schedule(num_update) * self.multiplier

    @property
    def base_lr(self) -> float:
        """The schedule's."""
        return self.schedule.base_lr

    @base_lr.setter
    def base_lr(self, value: float) -> None:
        self.schedule.base_lr = value  # which logs that it is without effect

    def observe(self, value: float) -> float:
        """Note the watched value, as a rule once an epoch; the multiplier from here on. NaN is no improvement."""
        badness = -value if self.larger_is_better else value
        if badness < self.best - self.threshold * abs(self.best) or (math.isinf(self.best) and badness < self.best):
            self.best, self.stalled = badness, 0
        elif self.resting > 0:
            self.resting -= 1
        else:
            self.stalled += 1
        if self.stalled > self.patience:
            self.multiplier = max(self.least, self.multiplier * self.factor)
            self.stalled, self.resting = 0, self.cooldown
        return self.multiplier
