"""The named policies that fall smoothly, or stay: each a formula over t and its arguments.

Lengths are counted in what t counts: updates in a trainer, epochs inside a
:class:`~gluon_lr.schedulers.PerEpochScheduler`. Every policy is clamped: before t = 0 it keeps its value at 0, and
after its end its last value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Optional

from .arguments import named, number, rate_of, require
from .base import Scheduler
from .curves import cosine, linear, power, progress
from .purity import refuse_unsteady


@dataclass(unsafe_hash=True)
class ConstantScheduler(Scheduler):
    """The rate stays: η(t) = base_lr.

    Args:
        base_lr: the rate; default 0.01.

    Example:
        >>> ConstantScheduler(0.5).values(3).tolist()
        [0.5, 0.5, 0.5]
    """

    base_lr: float = 0.01
    length = 0

    def __post_init__(self) -> None:
        number(self, "base_lr", least=0)

    def __call__(self, num_update: float) -> float:
        return self.base_lr


@dataclass(unsafe_hash=True)
class ExponentialScheduler(Scheduler):
    """The rate falls by a factor each t: η(t) = max(final_lr, base_lr · factor^t).

    Args:
        factor: multiplier a t; the article's exp(−0.1) is 0.9048.
        base_lr: the rate at t = 0; default 0.01.
        final_lr: never below this; default 0.

    Example:
        >>> ExponentialScheduler(0.5, base_lr=1.0, final_lr=0.2).values(4).tolist()
        [1.0, 0.5, 0.25, 0.2]
    """

    factor: float
    base_lr: float = 0.01
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        number(self, "factor", above=0)
        number(self, "base_lr", "final_lr", least=0)

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        return max(self.final_lr, self.base_lr and self.base_lr * power(self.factor, t))


@dataclass(unsafe_hash=True)
class LinearScheduler(Scheduler):
    """A straight line: η(t) = base_lr + (final_lr − base_lr)·u, u = t/max_update.

    Args:
        max_update: t at which it ends.
        base_lr: the rate at t = 0; default 0.01.
        final_lr: the rate at the end and beyond; default 0.

    Example:
        >>> LinearScheduler(4, base_lr=1.0).values(6).tolist()
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    max_update: float
    base_lr: float = 0.01
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        number(self, "max_update", above=0)
        number(self, "base_lr", "final_lr", least=0)

    def __call__(self, num_update: float) -> float:
        return linear(self.base_lr, self.final_lr, progress(num_update, self.max_update))

    @property
    def length(self) -> float:
        """``max_update``."""
        return self.max_update


@dataclass(unsafe_hash=True)
class PolynomialScheduler(Scheduler):
    """A polynomial: η(t) = final_lr + (base_lr − final_lr)·(1 − u)^power, u = t/max_update.

    Args:
        max_update: t at which it ends.
        power: the exponent; default 2, as in MXNet's ``PolyScheduler``.
        base_lr: the rate at t = 0; default 0.01.
        final_lr: the rate at the end and beyond; default 0. (MXNet's returns ``base_lr`` where it is first called
            beyond its end.)

    Example:
        >>> PolynomialScheduler(4, base_lr=1.0).values(6).tolist()
        [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    max_update: float
    power: float = 2.0
    base_lr: float = 0.01
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        number(self, "max_update", "power", above=0)
        number(self, "base_lr", "final_lr", least=0)

    def __call__(self, num_update: float) -> float:
        left = 1 - progress(num_update, self.max_update)
        return self.final_lr + (self.base_lr - self.final_lr) * left**self.power

    @property
    def length(self) -> float:
        """``max_update``."""
        return self.max_update


@dataclass(unsafe_hash=True)
class CosineScheduler(Scheduler):
    """Half a cosine: η(t) = final_lr + (base_lr − final_lr)·(1 + cos πu)/2, u = t/max_update.

    Args:
        max_update: t at which it ends.
        base_lr: the rate at t = 0; default 0.01.
        final_lr: the rate at the end and beyond; default 0.

    Source: Loshchilov and Hutter (2016), SGDR.

    Example:
        >>> CosineScheduler(4, base_lr=1.0).values(6).round(4).tolist()
        [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    """

    max_update: float
    base_lr: float = 0.01
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        number(self, "max_update", above=0)
        number(self, "base_lr", "final_lr", least=0)

    def __call__(self, num_update: float) -> float:
        return cosine(self.base_lr, self.final_lr, progress(num_update, self.max_update))

    @property
    def length(self) -> float:
        """``max_update``."""
        return self.max_update


@dataclass(unsafe_hash=True)
class TimeBasedScheduler(Scheduler):
    """Inverse time: η(t) = base_lr / (1 + decay·t).

    Args:
        decay: per t.
        base_lr: the rate at t = 0; default 0.01.

    Example:
        >>> TimeBasedScheduler(0.5, base_lr=1.0).values(3).round(4).tolist()
        [1.0, 0.6667, 0.5]
    """

    decay: float
    base_lr: float = 0.01

    def __post_init__(self) -> None:
        number(self, "decay", "base_lr", least=0)

    def __call__(self, num_update: float) -> float:
        return self.base_lr / (1 + self.decay * (num_update if num_update > 0 else 0))


@dataclass(unsafe_hash=True)
class CompoundingTimeBasedScheduler(Scheduler):
    """Time-based decay applied to the *previous* rate: η(t) = η(t − 1) / (1 + decay·t), so base_lr / Π(1 + decay·i).

    It falls far faster than :class:`TimeBasedScheduler`. Computed in closed form through the gamma function, so that
    it needs no memory: Π_{i ≤ t} (1 + decay·i) = decay^t · Γ(t + 1 + 1/decay) / Γ(1 + 1/decay).

    Args:
        decay: per t; the article's is 0.5/100.
        base_lr: the rate at t = 0; default 0.01.

    Source: the article.

    Example:
        >>> CompoundingTimeBasedScheduler(0.5, base_lr=1.0).values(3).round(4).tolist()
        [1.0, 0.6667, 0.3333]
    """

    decay: float
    base_lr: float = 0.01

    def __post_init__(self) -> None:
        number(self, "decay", "base_lr", least=0)

    def __call__(self, num_update: float) -> float:
        if num_update <= 0 or self.decay == 0:
            return self.base_lr
        return self.base_lr * math.exp(-_log_compounded(self.decay, num_update))


def _log_compounded(decay: float, t: float) -> float:
    """ln Π_{i ≤ t} (1 + decay·i), which is t·ln decay + ln Γ(x + t) − ln Γ(x) with x = 1 + 1/decay."""
    if decay > 1e-3:
        return t * math.log(decay) + math.lgamma(t + 1 + 1 / decay) - math.lgamma(1 + 1 / decay)
    # The difference of two huge numbers would lose the decay: Stirling's series, with what cancels taken out.
    if decay < 1e-300:
        return decay * t * (t + 1) / 2  # 1/decay may be infinite
    x = 1 + 1 / decay
    tails = [(1 - 1 / (30 * y * y)) / (12 * y) for y in (x + t, x)]
    return (x + t - 0.5) * math.log1p(t / x) - t + t * math.log1p(decay) + tails[0] - tails[1]


@dataclass(unsafe_hash=True)
class InverseSquareRootScheduler(Scheduler):
    """A linear warmup base_lr·t/warmup, then base_lr / √((t + timescale − warmup)/timescale).

    Args:
        warmup: t at which the rate peaks; default 0.
        timescale: τ; default ``warmup``, or 1 where that is 0.
        base_lr: the peak; default 0.01.

    Source: Vaswani et al. (2017) with a shift, as is common for transformers.

    Example:
        >>> InverseSquareRootScheduler(warmup=2, base_lr=1.0).values(5).round(4).tolist()
        [0.0, 0.5, 1.0, 0.8165, 0.7071]
    """

    warmup: float = 0
    timescale: Optional[float] = None
    base_lr: float = 0.01

    def __post_init__(self) -> None:
        number(self, "warmup", "base_lr", least=0)
        number(self, "timescale", optional=True, above=0)

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        if t < self.warmup:
            return self.base_lr * t / self.warmup
        scale = self.timescale or self.warmup or 1
        return self.base_lr / math.sqrt((t + scale - self.warmup) / scale)


@dataclass(unsafe_hash=True)
class FunctionScheduler(Scheduler):
    """Any function of t: η(t) = function(t).

    Args:
        function: of one number, t ≥ 0. We keep and call the function itself, not a copy, so it has to be pure: its
            result follows from t alone. To be pickled, it has to be defined at a module's top level.
        length: the t from which on the rate stays constant, if known; default None.

    Raises:
        UsageError: ``function`` cannot be called, or it is or uses a scheduler that changes when it is called or that
            watches the training, such as MXNet's ``FactorScheduler`` or a ``ReduceOnPlateau``.

    Example:
        >>> import math
        >>> FunctionScheduler(math.exp).values(2).round(3).tolist()
        [1.0, 2.718]
    """

    function: Callable[[float], float]
    length: Optional[Any] = None

    def __post_init__(self) -> None:
        require(
            callable(self.function) and not isinstance(self.function, type),
            f"FunctionScheduler: function is {named(self.function)}: expected a function of one number",
        )
        refuse_unsteady(self.function)
        number(self, "length", optional=True, least=0)

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        t = t if self.length is None else min(t, self.length)
        return rate_of(self.function(t), self.function, t)


@dataclass(unsafe_hash=True)
class SquareRootScheduler(Scheduler):
    """The rate falls with the square root of the number of updates: η(t) = lr · (t + 1)^−½.

    Args:
        lr: the rate at t = 0; default 0.1.

    Source: *Dive into Deep Learning*, Learning Rate Scheduling, "Schedulers".

    Example:
        >>> SquareRootScheduler(lr=1.0).values(4).round(3).tolist()
        [1.0, 0.707, 0.577, 0.5]
    """

    lr: float = 0.1

    def __post_init__(self) -> None:
        number(self, "lr", least=0)

    def __call__(self, num_update: float) -> float:
        return self.lr * ((num_update if num_update > 0 else 0) + 1.0) ** -0.5


@dataclass(unsafe_hash=True)
class FactorScheduler(Scheduler):
    """The rate is multiplied by a factor at every update: η(t) = max(stop_factor_lr, base_lr · factor^(t + 1)).

    The chapter's object decays at every call, even the first. So its value after t + 1 calls is our value at t; calling
    ours twice changes nothing.

    Args:
        factor: multiplier an update; default 1.
        stop_factor_lr: the rate never falls below this; default 1e-7.
        base_lr: the rate before the first update; default 0.1.

    Raises:
        UsageError: an argument is negative; or a growing rate begins below its floor, as in MXNet's order of arguments.

    Source: *Dive into Deep Learning*, Learning Rate Scheduling, "Factor Scheduler".

    Example:
        >>> FactorScheduler(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0).values(3).round(3).tolist()
        [1.8, 1.62, 1.458]
    """

    factor: float = 1.0
    stop_factor_lr: float = 1e-7
    base_lr: float = 0.1

    def __post_init__(self) -> None:
        number(self, "factor", "stop_factor_lr", "base_lr", least=0)
        require(
            self.factor <= 1 or self.base_lr == 0 or self.stop_factor_lr <= self.base_lr,
            f"FactorScheduler: stop_factor_lr is {self.stop_factor_lr:g} and base_lr {self.base_lr:g}: expected a "
            "floor not above the rate. The order is factor, stop_factor_lr, base_lr; a StepScheduler has a step",
        )

    def __call__(self, num_update: float) -> float:
        exponent = num_update + 1 if num_update > 0 else 1
        return max(self.stop_factor_lr, self.base_lr and self.base_lr * power(self.factor, exponent))
