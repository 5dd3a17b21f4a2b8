"""The named policies."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Scheduler


@dataclass(unsafe_hash=True)
class ConstantScheduler(Scheduler):
    """The rate stays: η(t) = base_lr."""

    base_lr: float = 0.01
    length = 0

    def __call__(self, num_update: float) -> float:
        return self.base_lr
