"""The named policies that rise and fall: cycles, restarts, one cycle, and warmup-stable-decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from .arguments import choice, flag, number, require
from .base import Scheduler
from .curves import CURVES, cosine, linear, past_rounding, power, progress, whole


@dataclass(unsafe_hash=True)
class CosineWarmRestartsScheduler(Scheduler):
    """Cosines that begin again: cycle i, of length first_cycle·multiplier^i, goes from base_lr·decay^i to final_lr.

    Args:
        first_cycle: the first cycle's length.
        multiplier: each cycle's length over the one before, any real number from 1 on; default 1.
        decay: each cycle's peak over the one before; default 1.
        base_lr: the first peak; default 0.01.
        final_lr: what each cycle falls to; default 0.

    Raises:
        UsageError: the first cycle has no length, cycles shrink, or a rate is negative.

    Source: Loshchilov and Hutter (2016), SGDR; the decay of peaks is later practice.

    Example:
        >>> CosineWarmRestartsScheduler(2, multiplier=2, base_lr=1.0).values(7).round(4).tolist()
        [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    """

    first_cycle: float
    multiplier: float = 1.0
    decay: float = 1.0
    base_lr: float = 0.01
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        number(self, "first_cycle", above=0)
        number(self, "multiplier", least=1)
        number(self, "decay", "base_lr", "final_lr", least=0)

    def __call__(self, num_update: float) -> float:
        cycle, start, size = self._cycle(num_update if num_update > 0 else 0)
        u = max(0.0, num_update - start) / size
        return cosine(self.base_lr and self.base_lr * power(self.decay, cycle), self.final_lr, u)

    def _cycle(self, t: float) -> "tuple[int, float, float]":
        """The number of the cycle that holds t, its beginning, and its length."""
        length, m = self.first_cycle, self.multiplier
        if m == 1:
            cycle = whole(t, length)
            return cycle, cycle * length, length
        t = past_rounding(t)
        # The logarithm guesses; at exact boundaries it may be off by one either way.
        cycle = max(0, int(math.log(t / length * (m - 1) + 1, m)))
        while length * (m**cycle - 1) / (m - 1) > t:
            cycle -= 1
        while length * (m ** (cycle + 1) - 1) / (m - 1) <= t:
            cycle += 1
        return cycle, length * (m**cycle - 1) / (m - 1), length * m**cycle


@dataclass(unsafe_hash=True)
class OneCycleScheduler(Scheduler):
    """One rise and one fall: from max_lr/initial_divisor up to max_lr, then down to that over final_divisor.

    In two phases: up over ``rise`` of the length, down over the rest. In three: up, down to where it began over the
    same length, then down to the end. Beyond ``max_update`` it stays at the end.

    Args:
        max_update: the whole length; MXNet's last of n updates is t = n, so ``max_update=n`` ends there exactly.
        max_lr: the peak; default 0.01.
        initial_divisor: the peak over the initial rate; default 25.
        final_divisor: the initial over the final rate; default 1e4.
        rise: share of the length that rises; default 0.3.
        three_phase: default False.
        curve: ``cosine`` (default) or ``linear``.

    Raises:
        UsageError: the length is 0, ``rise`` is not a share, or three phases do not fit.

    Source: Smith and Topin (2017), with the defaults of the common implementations.

    Example:
        >>> OneCycleScheduler(10, max_lr=1.0, rise=0.5, curve="linear").values(11).round(3).tolist()
        [0.04, 0.232, 0.424, 0.616, 0.808, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    """

    max_update: float
    max_lr: float = 0.01
    initial_divisor: float = 25.0
    final_divisor: float = 1e4
    rise: float = 0.3
    three_phase: bool = False
    curve: str = "cosine"

    def __post_init__(self) -> None:
        _check_cycle(self)
        number(self, "max_lr", least=0)
        number(self, "initial_divisor", "final_divisor", above=0)
        initial = self.max_lr / self.initial_divisor
        self.__dict__["_levels"] = (initial, self.max_lr, initial / self.final_divisor)

    def __call__(self, num_update: float) -> float:
        return _one_cycle(self, num_update, *self._levels)

    @property
    def base_lr(self) -> float:
        """``max_lr``."""
        return self.max_lr

    @property
    def length(self) -> float:
        """``max_update``."""
        return self.max_update

    def momentum(self, high: float = 0.95, low: float = 0.85) -> "OneCycleMomentumScheduler":
        """The momentum that goes with it: high where the rate is low.

        Raises:
            UsageError: a momentum is not between 0 and 1, or ``low`` is above ``high``: give both.
        """
        return OneCycleMomentumScheduler(self.max_update, high, low, self.rise, self.three_phase, self.curve)


@dataclass(unsafe_hash=True)
class OneCycleMomentumScheduler(Scheduler):
    """The momentum of one cycle: high → low → high, opposite to the rate; in a third phase it stays high.

    Args:
        max_update: the whole length.
        high, low: default 0.95 and 0.85.
        rise, three_phase, curve: those of the :class:`OneCycleScheduler` beside it.

    Raises:
        UsageError: as there; or a momentum is not between 0 and 1, or ``low`` is above ``high``.

    Example:
        >>> OneCycleMomentumScheduler(4, rise=0.5, curve="linear").values(5).round(3).tolist()
        [0.95, 0.9, 0.85, 0.9, 0.95]
    """

    max_update: float
    high: float = 0.95
    low: float = 0.85
    rise: float = 0.3
    three_phase: bool = False
    curve: str = "cosine"

    def __post_init__(self) -> None:
        _check_cycle(self)
        number(self, "high", "low", least=0, most=1)
        require(self.low <= self.high, f"high is {self.high} and low {self.low}: expected low <= high")

    def __call__(self, num_update: float) -> float:
        return _one_cycle(self, num_update, self.high, self.low, self.high)

    @property
    def length(self) -> float:
        """``max_update``."""
        return self.max_update


def _check_cycle(cycle: "OneCycleScheduler | OneCycleMomentumScheduler") -> None:
    flag(cycle, "three_phase")
    number(cycle, "max_update", above=0)
    number(cycle, "rise", least=0, most=0.5 if cycle.three_phase else 1)
    choice(cycle, "curve", ("cosine", "linear"))


def _one_cycle(cycle: "OneCycleScheduler | OneCycleMomentumScheduler", t: float, a: float, b: float, c: float) -> float:
    """a → b over the rise; then b → c, or in three phases b → a over the same length and a → c over the rest."""
    curve = cosine if cycle.curve == "cosine" else linear
    t = t if t > 0 else 0
    up = cycle.rise * cycle.max_update
    if t < up:
        return curve(a, b, progress(t, up))
    if not cycle.three_phase:
        return curve(b, c, progress(t - up, cycle.max_update - up))
    if t < 2 * up:
        return curve(b, a, progress(t - up, up))
    return curve(a, c, progress(t - 2 * up, cycle.max_update - 2 * up))


@dataclass(unsafe_hash=True)
class CyclicScheduler(Scheduler):
    """Triangles without end: base_lr + (max_lr − base_lr)·s·k, with s up from 0 to 1 and down again in each cycle.

    k is 1 (``triangular``), halves each cycle (``triangular2``), or is decay^t (``exp_range``).

    Args:
        base_lr, max_lr: where the triangles stand and reach; default 0.001 and 0.006.
        up: length of the rise; default 2000.
        down: length of the fall; default ``up``.
        mode: default ``triangular``.
        decay: of ``exp_range``, per t; default 1.

    Raises:
        UsageError: a cycle has no length, a rate is negative, or the mode is unknown.

    Source: Smith (2015), Cyclical Learning Rates.

    Example:
        >>> CyclicScheduler(0.0, 1.0, up=2, mode="triangular2").values(8).tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]
    """

    base_lr: float = 0.001
    max_lr: float = 0.006
    up: float = 2000
    down: Optional[float] = None
    mode: str = "triangular"
    decay: float = 1.0

    def __post_init__(self) -> None:
        number(self, "base_lr", "max_lr", "up", "decay", least=0)
        number(self, "down", optional=True, least=0)
        choice(self, "mode", ("triangular", "triangular2", "exp_range"))
        down = self.up if self.down is None else self.down
        require(self.up + down > 0, f"CyclicScheduler: up is {self.up} and down {down}: expected one of more than 0")

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        down = self.up if self.down is None else self.down
        cycle = whole(t, self.up + down)
        within = max(0, t - cycle * (self.up + down))
        s = within / self.up if within < self.up else 1 - (within - self.up) / down if down else 1.0
        if self.mode == "triangular2":
            s *= 0.5**cycle
        elif self.mode == "exp_range":
            s = s and s * power(self.decay, t)
        height = self.max_lr - self.base_lr
        return self.base_lr + (height and height * s)


@dataclass(unsafe_hash=True)
class WarmupStableDecayScheduler(Scheduler):
    """Up from begin_lr over ``warmup``, base_lr over ``stable``, down to final_lr over ``decay``.

    Args:
        warmup, stable, decay: the phases' lengths; each may be 0, but not all.
        base_lr: the plateau; default 0.01.
        begin_lr, final_lr: default 0.
        curve: of the decay: ``linear`` (default), ``cosine`` or ``1-sqrt``.

    Raises:
        UsageError: a length or a rate is negative, there is no phase, or the curve is unknown.

    Source: Hu et al. (2024), MiniCPM; the 1-sqrt decay is Hägele et al.'s (2024).

    Example:
        >>> WarmupStableDecayScheduler(2, 2, 2, base_lr=1.0).values(8).tolist()
        [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0]
    """

    warmup: float
    stable: float
    decay: float
    base_lr: float = 0.01
    begin_lr: float = 0.0
    final_lr: float = 0.0
    curve: str = "linear"

    def __post_init__(self) -> None:
        number(self, "warmup", "stable", "decay", "base_lr", "begin_lr", "final_lr", least=0)
        choice(self, "curve", ("linear", "cosine", "1-sqrt"))
        require(
            self.warmup + self.stable + self.decay > 0,
            "WarmupStableDecayScheduler: warmup, stable and decay are all 0: expected one of more than 0",
        )

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        if t < self.warmup:
            return linear(self.begin_lr, self.base_lr, progress(t, self.warmup))
        begin = self.warmup + self.stable
        if t < begin:
            return self.base_lr
        return CURVES[self.curve](self.base_lr, self.final_lr, progress(t - begin, self.decay))

    @property
    def length(self) -> float:
        """All three phases."""
        return self.warmup + self.stable + self.decay
