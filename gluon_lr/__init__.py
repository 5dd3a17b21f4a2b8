"""Learning-rate schedules and a learning-rate finder for MXNet Gluon.

Names load when they are first used: importing the package touches no data, switches no mode and loads no MXNet.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, List

__version__ = "2.0.0"

OLDEST_PYTHON, NEWEST_PYTHON = (3, 8), (3, 14)

_ROOMS = {
    "studies.compare": ("compare",),
    "data": ("ContinuousBatchSampler", "load_data_cifar10", "load_data_fashion_mnist"),
    "finder": ("AutoLRS", "LRFinder", "LRFinderResult", "LRFinderStoppingCriteria", "Learner", "TuneResult"),
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
        if name.isidentifier() and name[0] != "_" and find_spec(f"{__name__}.{name}") is not None:
            return import_module(f".{name}", __name__)  # a module, such as snapshot, that nobody imported yet
        raise AttributeError(f"gluon_lr has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> List[str]:
    return __all__


class _MXNetHook:
    """An import finder that patches MXNet for this Python and NumPy when anybody first imports it."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "mxnet":
            return None
        from .compat import mxnet_spec

        return mxnet_spec(cls)


sys.meta_path.insert(0, _MXNetHook)

if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
    from .compat import check_machine

    check_machine()
if "mxnet" in sys.modules:  # imported before, without the patches
    from .compat import mend

    mend()
elif "mxnet.base" in sys.modules:  # tried before, and failed half-way
    from .compat import forget_half_imported

    forget_half_imported()
