"""Schedules built from schedules: each holds its children and never changes them; it makes MXNet's and GluonCV's pure.

All of them refuse a schedule that watches the training, such as a :class:`~gluon_lr.hyper.ReduceOnPlateau`: it has to
be outermost.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Optional, Sequence

from .arguments import choice, named, number, numbers_of, require
from .base import Scheduler
from .curves import CURVES, past_rounding, progress, whole
from .foreign import pure


@dataclass(unsafe_hash=True)
class WarmupScheduler(Scheduler):
    """A warmup before a schedule: from begin_lr to schedule(0) over ``warmup``, then schedule(t − warmup).

    The warmup comes on top: the whole schedule runs after it. MXNet's first update is t = 1, so a linear warmup from 0
    begins at schedule(0)/warmup, and no update has the rate 0.

    Args:
        schedule: any scheduler, MXNet's and GluonCV's included, or a number.
        warmup: its length.
        begin_lr: default 0.
        mode: ``linear`` (default), ``constant`` (begin_lr until it ends), ``cosine`` or ``exponential`` (which needs
            begin_lr > 0).

    Raises:
        UsageError: the mode is unknown, the length negative, or an exponential begins at 0 or leads there.

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
        number(self, "warmup", "begin_lr", least=0)
        choice(self, "mode", ("linear", "constant", "cosine", "exponential"))
        require(
            self.mode != "exponential" or self.begin_lr > 0,
            f"WarmupScheduler: begin_lr is {self.begin_lr}: expected more than 0 where mode is exponential",
        )
        self.__dict__["_target"] = self.schedule(0)
        require(
            self.mode != "exponential" or self._target > 0,
            "WarmupScheduler: the schedule begins at 0: an exponential cannot lead there; use another mode",
        )

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        if past_rounding(t) < self.warmup:
            return CURVES[self.mode](self.begin_lr, self._target, progress(t, self.warmup))
        return self.schedule(max(0, t - self.warmup))

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
        lengths: of all but the last, 0 included; default their known lengths, which a constant does not have. One of
            E epochs is E·n + 1 updates long, so put a :class:`PerEpochScheduler` around the chain, not into it.

    Raises:
        UsageError: a length is missing, negative, NaN or infinite, or there is nothing to chain.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> ChainScheduler([LinearScheduler(2, 1.0, 0.5), 0.1]).values(4).tolist()
        [1.0, 0.75, 0.1, 0.1]
    """

    schedules: Sequence[Any]
    lengths: Optional[Sequence[float]] = None

    def __post_init__(self) -> None:
        require(
            isinstance(self.schedules, (list, tuple)) and len(self.schedules) > 0,
            f"ChainScheduler: schedules is {named(self.schedules)}: expected a list of at least one schedule",
        )
        schedules = tuple(pure(schedule) for schedule in self.schedules)
        if self.lengths is None:
            own = [schedule.length for schedule in schedules[:-1]]
            endless = [schedule for schedule, length in zip(schedules, own) if not length]
            require(not endless, f"ChainScheduler: {(endless or [0])[0]!r} has no length of its own: give lengths")
            self.__dict__["lengths"] = own
        numbers_of(self, "lengths", least=0)
        require(
            len(self.lengths) == len(schedules) - 1,
            f"ChainScheduler: lengths is {named(list(self.lengths))}: expected {len(schedules) - 1} of them, "
            f"one for each schedule but the last",
        )
        self.__dict__.update(schedules=schedules, _ends=tuple(accumulate(self.lengths)))

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        place = bisect_right(self._ends, past_rounding(t))
        return self.schedules[place](max(0, t - (self._ends[place - 1] if place else 0)))

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
        period: default the schedule's known length; that of a :class:`PerEpochScheduler` is one update longer than its
            epochs, so put that around the cycle, not into it.

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
            require(bool(self.schedule.length), f"CycleScheduler: {self.schedule!r} has no length: give the period")
            self.__dict__["period"] = self.schedule.length
        number(self, "period", above=0)

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        return self.schedule(max(0, t - whole(t, self.period) * self.period))


@dataclass(unsafe_hash=True)
class ScaleScheduler(Scheduler):
    """A schedule times a factor.

    Args:
        schedule: any scheduler or number.
        factor: the multiplier, at least 0.

    Raises:
        UsageError: the factor is negative.

    Example:
        >>> ScaleScheduler(0.5, 4).values(2).tolist()
        [2.0, 2.0]
    """

    schedule: Any
    factor: float

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        number(self, "factor", least=0)

    def __call__(self, num_update: float) -> float:
        return self.factor and self.schedule(num_update) * self.factor  # 0 also of a rate beyond all numbers

    @property
    def length(self) -> Optional[float]:
        """The schedule's."""
        return self.schedule.length


@dataclass(unsafe_hash=True)
class ClipScheduler(Scheduler):
    """A schedule held between two rates.

    Args:
        schedule: any scheduler or number.
        low, high: the least and the greatest rate; default none, −inf and inf.

    Raises:
        UsageError: ``low`` is above ``high``, or ``high`` is negative.

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
        number(self, "low", infinite=True)
        number(self, "high", least=0, infinite=True)
        require(self.low <= self.high, f"ClipScheduler: low is {self.low}: expected at most high, {self.high}")

    def __call__(self, num_update: float) -> float:
        return min(self.high, max(self.low, self.schedule(num_update)))

    def __repr__(self) -> str:
        ends = [f", {name}={end!r}" for name, end in (("low", self.low), ("high", self.high)) if math.isfinite(end)]
        return f"ClipScheduler(schedule={self.schedule!r}{''.join(ends)})"

    @property
    def length(self) -> Optional[float]:
        """The schedule's."""
        return self.schedule.length


@dataclass(unsafe_hash=True)
class PerEpochScheduler(Scheduler):
    """A schedule whose t is an epoch, for a trainer that counts updates: η(t) = schedule(⌊(t − 1)/n⌋) or schedule(t/n).

    MXNet's first update is t = 1, so updates 1 … n are epoch 0, the first one.

    ``every="epoch"`` asks once an epoch, like sources that count in whole epochs: the whole first epoch has the rate
    schedule(0). In a warmup from 0 that rate is 0, so the first epoch trains nothing.

    ``every="update"`` asks at each update, with t in fractions of an epoch: η(t) = schedule(t/n). A warmup then begins
    with the first update: in the first epoch of ``warmup=5`` the rate rises from 1/(5·n) to 1/5. The last update of
    epoch e (from 0) has the rate schedule(e + 1), so that E epochs of n updates end at schedule(E) exactly. A step at
    epoch k therefore comes one update early, at the last of epoch k − 1: use ``"epoch"`` for steps.

    Args:
        schedule: what to convert: any scheduler, MXNet's included, or a number.
        updates_per_epoch: n, as a rule ``len(train_iter)``.
        every: ``epoch`` (default) or ``update``: how often the rate may change.

    Raises:
        UsageError: n is not a whole number of at least 1, or ``every`` is unknown.

    Example:
        >>> from gluon_lr.schedulers import SquareRootScheduler
        >>> daily = PerEpochScheduler(SquareRootScheduler(1.0), updates_per_epoch=2)
        >>> [round(daily(t), 3) for t in range(6)]
        [1.0, 1.0, 1.0, 0.707, 0.707, 0.577]
        >>> warmup = PerEpochScheduler(WarmupScheduler(1.0, warmup=2), updates_per_epoch=2, every="update")
        >>> [warmup(t) for t in range(1, 6)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    schedule: Any
    updates_per_epoch: int
    every: str = "epoch"

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        number(self, "updates_per_epoch", least=1, whole=True)
        choice(self, "every", ("epoch", "update"))

    def __call__(self, num_update: float) -> float:
        if self.every == "update":
            return self.schedule(num_update / self.updates_per_epoch if num_update > 0 else 0)
        return self.schedule((num_update - 1) // self.updates_per_epoch if num_update > 1 else 0)

    @property
    def length(self) -> Optional[float]:
        """Of the schedule, in updates."""
        length = self.schedule.length
        if not length or self.every == "update":
            return length and length * self.updates_per_epoch
        return math.ceil(length) * self.updates_per_epoch + 1


@dataclass(unsafe_hash=True)
class PerUpdateScheduler(Scheduler):
    """A schedule whose t is an update, asked in epochs: η(e) = schedule(e·n + 1), the rate of epoch e's first update.

    Args:
        schedule: what to convert.
        updates_per_epoch: n.

    Raises:
        UsageError: n is not a whole number of at least 1.

    Example:
        >>> from gluon_lr.schedulers import LinearScheduler
        >>> PerUpdateScheduler(LinearScheduler(10, 1.0), updates_per_epoch=5).values(2).tolist()
        [0.9, 0.4]
    """

    schedule: Any
    updates_per_epoch: int

    def __post_init__(self) -> None:
        self.__dict__["schedule"] = pure(self.schedule)
        number(self, "updates_per_epoch", least=1, whole=True)

    def __call__(self, num_update: float) -> float:
        return self.schedule((num_update if num_update > 0 else 0) * self.updates_per_epoch + 1)

    @property
    def length(self) -> Optional[float]:
        """Of the schedule, in epochs."""
        length = self.schedule.length
        return None if length is None else max(0.0, (length - 1) / self.updates_per_epoch)
