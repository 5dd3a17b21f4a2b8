"""Schedules made of schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from ..errors import UsageError
from .base import Scheduler, pure


@dataclass(unsafe_hash=True)
class PerEpochScheduler(Scheduler):
    """A schedule whose t is an epoch, for a trainer that counts updates: η(t) = schedule(⌊(t − 1) / n⌋).

    MXNet's first update is t = 1, so updates 1 … n are epoch 0.

    Args:
        schedule: what to convert: any scheduler, MXNet's included.
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
        if self.updates_per_epoch < 1:
            raise UsageError(f"updates_per_epoch is {self.updates_per_epoch}: expected at least 1")

    def __call__(self, num_update: float) -> float:
        return self.schedule(max(0, (num_update - 1) // self.updates_per_epoch))

    @property
    def length(self) -> Optional[float]:
        """Of the schedule, in updates."""
        length = self.schedule.length
        return None if length is None else length * self.updates_per_epoch + 1
