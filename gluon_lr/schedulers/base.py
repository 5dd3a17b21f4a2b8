"""The base of every schedule here: a pure function of the number of updates that MXNet accepts as its own."""

from __future__ import annotations

import logging
from typing import Any, Optional

import numpy as np
from mxnet.lr_scheduler import LRScheduler

from ..errors import UsageError
from .arguments import checked, refuse_unknown

log = logging.getLogger(__name__)


class Scheduler(LRScheduler):
    """A schedule: calling it with t updates gives the rate, and changes nothing.

    MXNet counts updates from one: the first update of a training asks for ``schedule(1)``, and
    ``trainer.learning_rate`` before it for ``schedule(0)``. What ``t`` counts is up to the caller; a trainer counts
    updates, and :class:`~gluon_lr.schedulers.PerEpochScheduler` turns them into epochs.

    Subclasses are dataclasses: their fields are the constructor's arguments, so that ``repr`` is the constructor call
    and equality, hash, pickle and copies need no further code. They are immutable. MXNet's optimizers write their own
    ``learning_rate`` (Adam's default, 0.001, without being asked) into ``scheduler.base_lr``. Here you get a
    warning, and the rate does not change.

    Arguments are checked when a schedule is made. Numbers of NumPy's and one-element arrays of MXNet's are kept as
    plain Python numbers; a bool is not a number, and neither a rate nor a length can be negative, NaN or infinite.
    Below t = 0 a schedule keeps its value at 0, and after its end its last value.

    Attributes:
        length: the t from which on the schedule stays as it is; None where it never does.
        base_lr: the argument of this name, else the rate at t = 0; GluonCV's and MXNet's scripts read it.

    Raises:
        UsageError: an argument has another name here, or a value that makes no sense.
    """

    length: Optional[float] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new schedule, whose keyword arguments are all known."""
        if kwargs and hasattr(cls, "__dataclass_fields__"):
            refuse_unknown(cls, list(kwargs))
        return super().__new__(cls)

    def __init__(self) -> None:
        """Take the arguments that the class describes, and check them."""
        # LRScheduler's own arguments belong to MXNet's subclasses.

    def __call__(self, num_update: float) -> float:
        """The rate after ``num_update`` updates (or whatever the schedule's t counts); a call changes nothing."""
        raise TypeError(f"{type(self).__name__} does not say how its rate follows from the number of updates")

    def get_warmup_lr(self, num_update: float) -> float:
        """MXNet's hook for a built-in warmup, which our schedules do not have.

        Raises:
            UsageError: always; a :class:`~gluon_lr.schedulers.WarmupScheduler` goes around a schedule.
        """
        raise UsageError(f"{type(self).__name__} has no warmup of its own: put a WarmupScheduler around it")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change an argument; an optimizer's ``base_lr`` is logged and has no effect."""
        new = name not in self.__dict__ and name != "base_lr" and not hasattr(type(self), name)
        if new or name in self._unset_fields():
            object.__setattr__(self, name, value)
        elif name == "base_lr":
            if value != self.base_lr:
                log.warning("learning_rate=%g is without effect: the optimizer follows %r", value, self)
        else:
            raise AttributeError(f"a schedule is immutable: make a new {type(self).__name__} with another {name}")

    def _unset_fields(self) -> Any:
        return set(getattr(self, "__dataclass_fields__", ())) - set(self.__dict__)

    def __getattr__(self, name: str) -> Any:
        """``base_lr``; no property, which would be the default of a subclass's field of that name."""
        if name != "base_lr":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        try:
            return self(0)
        except RecursionError:
            raise UsageError(
                f"{type(self).__name__} reads base_lr before it has one: make it a dataclass with a field, "
                "base_lr: float"
            ) from None

    def values(self, n: int) -> np.ndarray:
        """The rates at t = 0 … n−1, shape ``(n,)``; drawing a schedule leaves it as it was."""
        return np.array([self(t) for t in range(checked(n, "n", least=0, whole=True))], dtype=float)

    def plot(self, n: int, ax: Any = None, **style: Any) -> Any:
        """Draw the rates at t = 0 … n−1.

        Args:
            n: how many.
            ax: matplotlib axes; default new ones.
            style: passed on to ``ax.plot``.

        Returns:
            The axes.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(5, 3))
        rates = self.values(n)
        ax.plot(range(len(rates)), rates, **style)
        ax.set_xlabel("t (updates, or what the schedule counts)")
        ax.set_ylabel("learning rate")
        return ax
