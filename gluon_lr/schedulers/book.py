"""The chapter's two hand-written schedulers, with its constructors and its values in sequence, but pure."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Scheduler


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

    def __call__(self, num_update: float) -> float:
        return self.lr * (num_update + 1.0) ** -0.5


@dataclass(unsafe_hash=True)
class FactorScheduler(Scheduler):
    """The rate is multiplied by a factor at every update: η(t) = max(stop_factor_lr, base_lr · factor^(t + 1)).

    The chapter's object decays at each call, its first one included, so that the value after t + 1 calls is the value
    at t here; calling this one twice changes nothing.

    Args:
        factor: multiplier an update; default 1.
        stop_factor_lr: the rate never falls below this; default 1e-7.
        base_lr: the rate before the first update; default 0.1.

    Source: *Dive into Deep Learning*, Learning Rate Scheduling, "Factor Scheduler".

    Example:
        >>> FactorScheduler(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0).values(3).round(3).tolist()
        [1.8, 1.62, 1.458]
    """

    factor: float = 1.0
    stop_factor_lr: float = 1e-7
    base_lr: float = 0.1

    def __call__(self, num_update: float) -> float:
        return max(self.stop_factor_lr, self.base_lr * self.factor ** (num_update + 1))
