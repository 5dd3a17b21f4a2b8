"""Learning-rate schedules and a learning-rate finder for MXNet Gluon.

Names load when they are first used: importing the package touches no data, switches no mode and loads no MXNet.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

__version__ = "1.0.0"

_WHERE = {
    "ContinuousBatchSampler": "data",
    "load_data_cifar10": "data",
    "load_data_fashion_mnist": "data",
    "History": "training",
    "train": "training",
    "evaluate": "training",
    "preserved": "snapshot",
}
_WHERE.update(
    dict.fromkeys(
        ("ConstantScheduler", "FactorScheduler", "PerEpochScheduler", "SquareRootScheduler"),
        "schedulers",
    )
)

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from .data import ContinuousBatchSampler, load_data_cifar10, load_data_fashion_mnist  # noqa: F401
    from .snapshot import preserved  # noqa: F401
    from .training import History, evaluate, train  # noqa: F401


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"gluon_lr has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> List[str]:
    return __all__
