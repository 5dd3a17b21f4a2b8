"""Schedules made of schedules: each holds its children and never changes them; MXNet's and GluonCV's are made pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Optional, Sequence

from .arguments import require
from .base import Scheduler
from .curves import CURVES, progress
from .foreign import pure


@dataclass(unsafe_hash=True)
class WarmupScheduler(Scheduler):
    """A warmup before a schedule: from begin_lr to schedule(0) over ``warmup``, then schedule(t − warmup).

    The warmup comes on top: the schedule runs whole, later. MXNet's first update is t = 1, so that a linear warmup
    from 0 begins at schedule(0)/warmup and no update has the rate 0.

    Args:
        schedule: any scheduler, MXNet's and GluonCV's included, or a number.
        warmup: its length.
        begin_lr: default 0.
        mode: ``linear`` (default), ``constant`` (begin_lr until it ends), ``cosine`` or ``exponential`` (which needs
            begin_lr > 0).

    Raises:
        UsageError: the mode is unknown, the length negative, or an exponential begins at 0.

    Source: Goyal et al. (2017) for linear and constant.

    Example:
        >>> WarmupScheduler(1.0, warmup=2).values(4).tolist()
        [0.0, 0.5, 1.0, 1.0]
    """

    schedule: Any
    warmup: float
    begin_lr: float = 0.0
    mode: str = "linear"

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        modes = ("linear", "constant", "cosine", "exponential")
        require(self.mode in modes, f"mode is {self.mode!r}: expected one of {', '.join(modes)}")
        require(self.warmup >= 0, f"warmup is {self.warmup}: expected at least 0")
        require(self.mode != "exponential" or self.begin_lr > 0, "an exponential warmup needs begin_lr above 0")
        self.__dict__["_target"] = self.schedule(0)

    def __call__(self, num_update: float) -> float:
        if num_update < self.warmup:
            return CURVES[self.mode](self.begin_lr, self._target, progress(num_update, self.warmup))
        return self.schedule(num_update - self.warmup)

    @property
    def base_lr(self) -> float:
        """The schedule's."""
        return self.schedule.base_lr

    @property
    def length(self) -> Optional[float]:
        """Warmup and schedule."""
        return None if self.schedule.length is None else self.schedule.length + self.warmup


@dataclass(unsafe_hash=True)
class ChainScheduler(Scheduler):
    """One schedule after another, each from its own t = 0; the last one goes on.

    Args:
        schedules: any schedulers or numbers.
        lengths: of all but the last; default their known lengths.

    Raises:
        UsageError: a length is missing, negative, or there is nothing to chain.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> ChainScheduler([LinearScheduler(2, 1.0, 0.5), 0.1]).values(4).tolist()
        [1.0, 0.75, 0.1, 0.1]
    """

    schedules: Sequence[Any]
    lengths: Optional[Sequence[float]] = None

    def __post_init__(self) -> None:
        schedules = tuple(pure(schedule) for schedule in self.schedules)
        require(len(schedules) > 0, "nothing to chain: expected at least one schedule")
        lengths = self.lengths
        if lengths is None:
            lengths = [schedule.length for schedule in schedules[:-1]]
            require(None not in lengths, "a chained schedule has no end of its own: give lengths")
        require(
            len(lengths) == len(schedules) - 1 and all(length >= 0 for length in lengths),
            f"lengths are {list(lengths)}: expected {len(schedules) - 1}, none negative",
        )
        self.__dict__.update(schedules=schedules, lengths=tuple(lengths), _ends=tuple(accumulate(lengths)))

    def __call__(self, num_update: float) -> float:
        place = bisect_right(self._ends, num_update)
        return self.schedules[place](num_update - (self._ends[place - 1] if place else 0))

    @property
    def length(self) -> Optional[float]:
        """All of them."""
        last = self.schedules[-1].length
        return None if last is None else sum(self.lengths) + last


@dataclass(unsafe_hash=True)
class CycleScheduler(Scheduler):
    """A schedule again and again, without end: schedule(t mod period).

    Args:
        schedule: any scheduler or number.
        period: default the schedule's known length.

    Raises:
        UsageError: there is no positive period.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> CycleScheduler(LinearScheduler(2, 1.0)).values(5).tolist()
        [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    schedule: Any
    period: Optional[float] = None

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        if self.period is None:
            self.__dict__["period"] = self.schedule.length
        require(self.period is not None and self.period > 0, f"period is {self.period}: expected more than 0")

    def __call__(self, num_update: float) -> float:
        return self.schedule(num_update % self.period if num_update > 0 else 0)


@dataclass(unsafe_hash=True)
class ScaleScheduler(Scheduler):
    """A schedule times a factor.

    Args:
        schedule: any scheduler or number.
        factor: the multiplier.

    Example:
        >>> ScaleScheduler(0.5, 4).values(2).tolist()
        [2.0, 2.0]
    """

    schedule: Any
    factor: float

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)

    def __call__(self, num_update: float) -> float:
        return self.schedule(num_update) * self.factor

    @property
    def length(self) -> Optional[float]:
        """The schedule's."""
        return self.schedule.length


@dataclass(unsafe_hash=True)
class ClipScheduler(Scheduler):
    """A schedule held between two rates.

    Args:
        schedule: any scheduler or number.
        low, high: default none.

    Raises:
        UsageError: ``low`` is above ``high``.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> ClipScheduler(LinearScheduler(4, 1.0), low=0.3, high=0.8).values(5).tolist()
        [0.8, 0.75, 0.5, 0.3, 0.3]
    """

    schedule: Any
    low: float = float("-inf")
    high: float = float("inf")

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        require(self.low <= self.high, f"low {self.low} is above high {self.high}")

    def __call__(self, num_update: float) -> float:
        return min(self.high, max(self.low, self.schedule(num_update)))

    @property
    def length(self) -> Optional[float]:
        """The schedule's."""
        return self.schedule.length


@dataclass(unsafe_hash=True)
class PerEpochScheduler(Scheduler):
    """A schedule whose t is an epoch, for a trainer that counts updates: η(t) = schedule(⌊(t − 1) / n⌋).

    MXNet's first update is t = 1, so updates 1 … n are epoch 0.

    Args:
        schedule: what to convert: any scheduler, MXNet's included, or a number.
        updates_per_epoch: n.

    Raises:
        UsageError: n is not positive.

    Example:
        >>> from gluon_lr.schedulers import SquareRootScheduler
        >>> daily = PerEpochScheduler(SquareRootScheduler(1.0), updates_per_epoch=2)
        >>> [round(daily(t), 3) for t in range(6)]
        [1.0, 1.0, 1.0, 0.707, 0.707, 0.577]
    """

    schedule: Any
    updates_per_epoch: int

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        n = self.updates_per_epoch
        require(n >= 1, f"updates_per_epoch is {n}: expected at least 1")

    def __call__(self, num_update: float) -> float:
        return self.schedule((num_update - 1) // self.updates_per_epoch if num_update > 1 else 0)

    @property
    def length(self) -> Optional[float]:
        """Of the schedule, in updates."""
        length = self.schedule.length
        return None if length is None else math.ceil(length) * self.updates_per_epoch + 1


@dataclass(unsafe_hash=True)
class PerUpdateScheduler(Scheduler):
    """A schedule whose t is an update, asked in epochs: η(e) = schedule(e·n + 1), the rate of epoch e's first update.

    Args:
        schedule: what to convert.
        updates_per_epoch: n.

    Raises:
        UsageError: n is not positive.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> PerUpdateScheduler(LinearScheduler(10, 1.0), updates_per_epoch=5).values(2).tolist()
        [0.9, 0.4]
    """

    schedule: Any
    updates_per_epoch: int

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        n = self.updates_per_epoch
        require(n >= 1, f"updates_per_epoch is {n}: expected at least 1")

    def __call__(self, num_update: float) -> float:
        return self.schedule(num_update * self.updates_per_epoch + 1)

    @property
    def length(self) -> Optional[float]:
        """Of the schedule, in epochs."""
        length = self.schedule.length
        return None if length is None else max(0.0, (length - 1) / self.updates_per_epoch)
