"""The named policies that fall in steps: constant between given t."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Sequence

from .arguments import ascending, number, numbers_of, require
from .base import Scheduler
from .curves import past_rounding, power, whole


@dataclass(unsafe_hash=True)
class StepScheduler(Scheduler):
    """The rate is multiplied by a factor every ``step``: η(t) = base_lr · factor^⌊t/step⌋.

    Args:
        step: t between two drops; MXNet's ``FactorScheduler`` drops one later, at t = step + 1.
        factor: multiplier at each drop; default 0.1.
        base_lr: the rate at t = 0; default 0.01.

    Raises:
        UsageError: ``step`` is not positive, or the factor or the rate is negative.

    Example:
        >>> StepScheduler(2, factor=0.5, base_lr=1.0).values(5).tolist()
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    step: float
    factor: float = 0.1
    base_lr: float = 0.01

    def __post_init__(self) -> None:
        number(self, "step", above=0)
        number(self, "factor", "base_lr", least=0)

    def __call__(self, num_update: float) -> float:
        drops = whole(num_update, self.step) if num_update > 0 else 0
        return self.base_lr and self.base_lr * power(self.factor, drops)


@dataclass(unsafe_hash=True)
class MultiStepScheduler(Scheduler):
    """The rate is multiplied by a factor at given points: η(t) = base_lr · factor^(number of steps ≤ t).

    Args:
        steps: the points, above 0 and ascending; MXNet's ``MultiFactorScheduler`` drops one later, at t = step + 1.
        factor: multiplier at each; default 0.1.
        base_lr: the rate before the first; default 0.01.

    Raises:
        UsageError: steps do not ascend from above 0, or the factor or the rate is negative.

    Example:
        >>> MultiStepScheduler([1, 3], factor=0.5, base_lr=1.0).values(5).tolist()
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    steps: Sequence[float]
    factor: float = 0.1
    base_lr: float = 0.01

    def __post_init__(self) -> None:
        numbers_of(self, "steps", above=0)
        ascending(self, "steps")
        number(self, "factor", "base_lr", least=0)

    def __call__(self, num_update: float) -> float:
        return self.base_lr and self.base_lr * power(self.factor, bisect_right(self.steps, past_rounding(num_update)))

    @property
    def length(self) -> float:
        """The last step."""
        return self.steps[-1] if self.steps else 0


@dataclass(unsafe_hash=True)
class PiecewiseConstantScheduler(Scheduler):
    """The rate has given values between given boundaries: η(t) = rates[i] for boundaries[i−1] ≤ t < boundaries[i].

    Args:
        boundaries: t at which the next value begins, above 0 and ascending.
        rates: one more than boundaries.

    Raises:
        UsageError: lengths do not fit, boundaries do not ascend from above 0, or a rate is negative.

    Example:
        >>> PiecewiseConstantScheduler([1, 3], [1.0, 0.5, 0.1]).values(5).tolist()
        [1.0, 0.5, 0.5, 0.1, 0.1]
    """

    boundaries: Sequence[float]
    rates: Sequence[float]

    def __post_init__(self) -> None:
        numbers_of(self, "boundaries", above=0)
        numbers_of(self, "rates", least=0)
        require(
            len(self.rates) == len(self.boundaries) + 1,
            f"PiecewiseConstantScheduler: boundaries are {len(self.boundaries)} and rates {len(self.rates)}: expected "
            f"one more rate than boundaries",
        )
        ascending(self, "boundaries")

    def __call__(self, num_update: float) -> float:
        return self.rates[bisect_right(self.boundaries, past_rounding(num_update))]

    @property
    def length(self) -> float:
        """The last boundary."""
        return self.boundaries[-1] if self.boundaries else 0
