"""MXNet's, GluonCV's and anybody's schedulers, made pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from .base import Scheduler
from .policies import ConstantScheduler


@dataclass(eq=False)
class ForeignScheduler(Scheduler):
    """A scheduler of MXNet's or GluonCV's, or any callable, made pure: every call works on a fresh copy.

    Args:
        scheduler: the object; it is copied now and never touched again.
    """

    scheduler: Any

    def __post_init__(self) -> None:
        self.__dict__["scheduler"] = copy.deepcopy(self.scheduler)

    def __call__(self, num_update: float) -> float:
        # MXNet's polynomial and cosine remember their final rate once they came to their end, and give their base rate
        # when they are asked first beyond it.
        end = getattr(self.scheduler, "max_update", None)
        at = num_update if end is None else min(num_update, end)
        # Their state is flat numbers that they rebind, so that a shallow copy is enough and cheap.
        return float(copy.copy(self.scheduler)(at))

    @property
    def base_lr(self) -> float:
        return getattr(self.scheduler, "base_lr", None) or self(0)

    def __repr__(self) -> str:
        state = ", ".join(f"{key}={value!r}" for key, value in sorted(vars(self.scheduler).items()))
        return f"ForeignScheduler({type(self.scheduler).__name__}({state}))"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForeignScheduler) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def pure(schedule: Any) -> Scheduler:
    """``schedule`` itself where it is pure, a pure copy of an MXNet or GluonCV scheduler, a constant of a number.

    Raises:
        UsageError: it can be called by nobody.
    """
    if isinstance(schedule, Scheduler):
        return schedule
    if isinstance(schedule, (int, float)) and not isinstance(schedule, bool):
        return ConstantScheduler(float(schedule))
    if callable(schedule):
        return ForeignScheduler(schedule)
    raise UsageError(f"{schedule!r} is no schedule: expected a scheduler, a number, or a function of the updates")
