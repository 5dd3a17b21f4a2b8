"""Schedules: pure functions of the number of updates."""

from .base import ForeignScheduler, Scheduler, pure
from .book import FactorScheduler, SquareRootScheduler
from .combine import PerEpochScheduler
from .policies import ConstantScheduler

__all__ = [
    "ConstantScheduler",
    "FactorScheduler",
    "ForeignScheduler",
    "PerEpochScheduler",
    "Scheduler",
    "SquareRootScheduler",
    "pure",
]
