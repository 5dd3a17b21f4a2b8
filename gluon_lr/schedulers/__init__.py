"""Schedules: pure functions of the number of updates, and schedules made of schedules."""

from .base import Scheduler
from .combine import (
    ChainScheduler,
    ClipScheduler,
    CycleScheduler,
    PerEpochScheduler,
    PerUpdateScheduler,
    ScaleScheduler,
    WarmupScheduler,
)
from .cycles import (
    CosineWarmRestartsScheduler,
    CyclicScheduler,
    OneCycleMomentumScheduler,
    OneCycleScheduler,
    WarmupStableDecayScheduler,
)
from .foreign import ForeignScheduler, pure
from .policies import (
    CompoundingTimeBasedScheduler,
    ConstantScheduler,
    CosineScheduler,
    ExponentialScheduler,
    FactorScheduler,
    FunctionScheduler,
    InverseSquareRootScheduler,
    LinearScheduler,
    PolynomialScheduler,
    SquareRootScheduler,
    TimeBasedScheduler,
)
from .steps import MultiStepScheduler, PiecewiseConstantScheduler, StepScheduler

__all__ = [
    "ChainScheduler",
    "ClipScheduler",
    "CompoundingTimeBasedScheduler",
    "ConstantScheduler",
    "CosineScheduler",
    "CosineWarmRestartsScheduler",
    "CycleScheduler",
    "CyclicScheduler",
    "ExponentialScheduler",
    "FactorScheduler",
    "ForeignScheduler",
    "FunctionScheduler",
    "InverseSquareRootScheduler",
    "LinearScheduler",
    "MultiStepScheduler",
    "OneCycleMomentumScheduler",
    "OneCycleScheduler",
    "PerEpochScheduler",
    "PerUpdateScheduler",
    "PiecewiseConstantScheduler",
    "PolynomialScheduler",
    "ScaleScheduler",
    "Scheduler",
    "SquareRootScheduler",
    "StepScheduler",
    "TimeBasedScheduler",
    "WarmupScheduler",
    "WarmupStableDecayScheduler",
    "pure",
]
