"""Learning-rate schedules and a learning-rate finder for MXNet Gluon.

Names load when they are first used: importing the package touches no data, switches no mode and loads no MXNet.
"""

from importlib import import_module
from typing import Any, List

__version__ = "2.0.0"

_ROOMS = {
    "studies.compare": ("compare",),
    "data": ("ContinuousBatchSampler", "load_data_cifar10", "load_data_fashion_mnist"),
    "finder": ("AutoLRS", "LRFinder", "LRFinderResult", "LRFinderStoppingCriteria", "Learner"),
    "hyper": ("HyperparameterSchedule", "ReduceOnPlateau", "ScheduledWeightDecay", "grow_batch_instead"),
    "optimizers": ("AdamW",),
    "schedulers": (
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
        "SquareRootScheduler",
        "StepScheduler",
        "TimeBasedScheduler",
        "WarmupScheduler",
        "WarmupStableDecayScheduler",
    ),
    "state": ("preserved",),
    "training": ("History", "evaluate", "train"),
}
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"gluon_lr has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> List[str]:
    return __all__
