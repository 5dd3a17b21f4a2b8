"""MXNet's own schedulers with every attribute that they have, but asked in any order without changing.

MXNet's factor schedulers replay each drop up to t and log it; its polynomial and cosine give their base rate when they
are asked first beyond their end. These give at every t the rate that MXNet's give when they are asked in order.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from itertools import accumulate, repeat
from math import cos, pi
from typing import Any, Dict, List, Optional

from mxnet import lr_scheduler

from ..errors import UsageError

# So many drops are multiplied one after another, as MXNet does it, for the same bits; beyond them a power is taken.
_MULTIPLIED = 1024


class _InAnyOrder:
    """What the four have in common: their state is MXNet's, and nothing of ours is kept in a pickle or a copy."""

    def __init__(self, theirs: Any) -> None:
        self.__dict__.update(
            {key: list(value) if type(value) is list else value for key, value in vars(theirs).items()}
        )

    def __getstate__(self) -> Dict[str, Any]:
        return {key: value for key, value in vars(self).items() if not key.startswith("_seen")}


class _InSteps(_InAnyOrder):
    """A rate that drops: ``_drops(t)`` counts the drops up to t, ``_rate(drops)`` is the rate after them."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        drops = self._drops(num_update)
        if drops <= 0:
            return self.base_lr
        rate = self._rate(drops)
        # Each drop is logged where it is first asked for, in MXNet's place and words.
        if drops > self.__dict__.get("_seen_drops", 0):
            self._seen_drops = drops
            logging.getLogger().info("Update[%d]: Change learning rate to %0.5e", num_update, rate)
        return rate


class FactorScheduler(_InSteps, lr_scheduler.FactorScheduler):
    """MXNet's ``FactorScheduler``: a call costs the same at every t."""

    def _drops(self, t: float) -> int:
        # The number of whole k ≥ 1 with t > count + k·step.
        return int(-((self.count - t) // self.step)) - 1

    def _rate(self, drops: int) -> float:
        rates: Optional[List[float]] = self.__dict__.get("_seen_rates")
        if rates is None:
            least, factor = self.stop_factor_lr, self.factor
            steps = accumulate(repeat(self.base_lr, _MULTIPLIED + 1), lambda rate, _: max(rate * factor, least))
            rates = self._seen_rates = list(steps)
        if drops <= _MULTIPLIED:
            return rates[drops]
        return max(rates[-1] * self.factor ** (drops - _MULTIPLIED), self.stop_factor_lr)


class MultiFactorScheduler(_InSteps, lr_scheduler.MultiFactorScheduler):
    """MXNet's ``MultiFactorScheduler``."""

    def _drops(self, t: float) -> int:
        return bisect_left(self.step, t) - self.cur_step_ind

    def _rate(self, drops: int) -> float:
        rate = self.base_lr
        for _ in range(drops):
            rate *= self.factor
        return rate


class PolyScheduler(_InAnyOrder, lr_scheduler.PolyScheduler):
    """MXNet's ``PolyScheduler``."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        u = float(min(num_update, self.max_update) - self.warmup_steps) / float(self.max_steps)
        return self.final_lr + (self.base_lr_orig - self.final_lr) * pow(1 - u, self.power)


class CosineScheduler(_InAnyOrder, lr_scheduler.CosineScheduler):
    """MXNet's ``CosineScheduler``."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        t = min(num_update, self.max_update) - self.warmup_steps
        return self.final_lr + (self.base_lr_orig - self.final_lr) * (1 + cos(pi * t / self.max_steps)) / 2


_TWINS = {
    getattr(lr_scheduler, kind.__name__).__call__: kind
    for kind in (FactorScheduler, MultiFactorScheduler, PolyScheduler, CosineScheduler)
}


def in_any_order(theirs: Any) -> Optional[Any]:
    """MXNet's own scheduler ``theirs``, as it is now, to be asked in any order; None where it is no such scheduler.

    A subclass counts where it overrides neither the call nor the warmup.

    Raises:
        UsageError: it ends before its warmup does.
    """
    if not isinstance(theirs, lr_scheduler.LRScheduler) or isinstance(theirs, _InAnyOrder):
        return theirs if isinstance(theirs, _InAnyOrder) else None
    twin = _TWINS.get(type(theirs).__call__)
    if twin is None or type(theirs).get_warmup_lr is not lr_scheduler.LRScheduler.get_warmup_lr:
        return None
    if issubclass(twin, lr_scheduler.FactorScheduler) and (
        min(theirs.factor, theirs.base_lr, theirs.stop_factor_lr) < 0
    ):
        return None  # a rate that changes its sign is left to MXNet
    steps = getattr(theirs, "max_steps", 1)
    if steps <= 0:
        raise UsageError(
            f"{type(theirs).__name__}: max_update is {theirs.max_update}: expected more than its warmup_steps, "
            f"{theirs.warmup_steps}, which MXNet counts in"
        )
    return twin(theirs)
