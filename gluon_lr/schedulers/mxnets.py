"""MXNet's own schedulers with all their attributes, but callable in any order without changing.

MXNet's factor schedulers replay each drop up to t and log it; its polynomial and cosine give their base rate if
they are first called beyond their end. Ours give at every t the rate that MXNet's give when called in order.
"""

from __future__ import annotations

import functools
import logging
from bisect import bisect_left
from itertools import accumulate, repeat
from math import cos, pi
from typing import Any, Dict, List, Optional, Tuple

from mxnet import lr_scheduler

from ..errors import UsageError

# Up to so many drops we multiply one after another, as MXNet does, for the same bits; beyond that we take a power.
_MULTIPLIED = 1024


class Memory:
    """Products computed earlier, and how many drops were logged: they keep a scheduler quick and quiet, no more."""

    def __init__(self) -> None:
        self.rates: List[float] = []
        self.logged = 0


class InAnyOrder:
    """The base of all four: their attributes are MXNet's, and their memory is neither pickled nor copied."""

    origin: type  # MXNet's class, or the user's subclass of it
    unchanging = True  # False where a user's subclass has a call of its own

    def state(self) -> Dict[str, Any]:
        """The attributes of MXNet's object."""
        return {key: value for key, value in vars(self).items() if key != "memory"}

    def __reduce_ex__(self, protocol: Any) -> Tuple[Any, ...]:
        return revived, (self.origin, self.state())


class _InSteps(InAnyOrder):
    """A rate that drops: ``_drops(t)`` counts the drops up to t, ``_rate(drops)`` is the rate after them."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        drops = self._drops(num_update)
        if drops <= 0:
            return self.base_lr
        rate = self._rate(drops)
        # Log each drop when it is first asked for, to MXNet's logger and in its words.
        if drops > self.memory.logged:
            self.memory.logged = drops
            logging.getLogger().info("Update[%d]: Change learning rate to %0.5e", num_update, rate)
        return rate


class _Factor(_InSteps, lr_scheduler.FactorScheduler):
    """MXNet's ``FactorScheduler``: a call costs the same at every t."""

    def _drops(self, t: float) -> int:
        # The number of whole k ≥ 1 with t > count + k·step.
        return int(-((self.count - t) // self.step)) - 1

    def _rate(self, drops: int) -> float:
        rates = self.memory.rates
        if not rates:
            least, factor = self.stop_factor_lr, self.factor
            rates += accumulate(repeat(self.base_lr, _MULTIPLIED + 1), lambda rate, _: max(rate * factor, least))
        if drops <= _MULTIPLIED:
            return rates[drops]
        return max(rates[-1] * self.factor ** (drops - _MULTIPLIED), self.stop_factor_lr)


class _MultiFactor(_InSteps, lr_scheduler.MultiFactorScheduler):
    """MXNet's ``MultiFactorScheduler``."""

    def _drops(self, t: float) -> int:
        return bisect_left(self.step, t) - self.cur_step_ind

    def _rate(self, drops: int) -> float:
        rates = self.memory.rates
        if not rates:
            rates += accumulate(repeat(self.base_lr, len(self.step) + 1), lambda rate, _: rate * self.factor)
        return rates[drops]


class _Poly(InAnyOrder, lr_scheduler.PolyScheduler):
    """MXNet's ``PolyScheduler``."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        u = float(min(num_update, self.max_update) - self.warmup_steps) / float(self.max_steps)
        return self.final_lr + (self.base_lr_orig - self.final_lr) * pow(1 - u, self.power)


class _Cosine(InAnyOrder, lr_scheduler.CosineScheduler):
    """MXNet's ``CosineScheduler``."""

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        t = min(num_update, self.max_update) - self.warmup_steps
        return self.final_lr + (self.base_lr_orig - self.final_lr) * (1 + cos(pi * t / self.max_steps)) / 2


@functools.lru_cache(maxsize=1000)
def _kind(theirs: type) -> Optional[type]:
    """Our class for MXNet's class ``theirs`` or a subclass of it; None for any other class."""
    for ours in (_Factor, _MultiFactor, _Poly, _Cosine):
        mxnets = ours.__bases__[-1]
        if issubclass(theirs, mxnets):
            # Behind a subclass and before MXNet's, so that the subclass's super() finds ours.
            bases = (ours,) if theirs is mxnets else (theirs, ours)
            own = {"__module__": theirs.__module__, "origin": theirs, "unchanging": theirs.__call__ is mxnets.__call__}
            return type(theirs.__name__, bases, own)
    return None


def revived(theirs: type, state: Dict[str, Any]) -> Any:
    """Our object in place of one of class ``theirs`` with these attributes."""
    scheduler = object.__new__(_kind(theirs))  # type: ignore[type-var]
    scheduler.__dict__.update(state, memory=Memory())
    return scheduler


def in_any_order(theirs: Any) -> Optional[Any]:
    """Our object in place of MXNet's scheduler ``theirs``, still without its attributes; None for other objects.

    Raises:
        UsageError: it ends before its warmup does.
    """
    if isinstance(theirs, InAnyOrder) or _kind(type(theirs)) is None:
        return None
    if (
        isinstance(theirs, lr_scheduler.FactorScheduler)
        and min(theirs.factor, theirs.base_lr, theirs.stop_factor_lr) < 0
    ):
        return None  # leave a rate that changes its sign to MXNet
    if getattr(theirs, "max_steps", 1) <= 0:
        raise UsageError(
            f"{type(theirs).__name__}: max_update is {theirs.max_update}: expected more than its warmup_steps, "
            f"{theirs.warmup_steps}, which MXNet counts in"
        )
    return revived(type(theirs), {})
