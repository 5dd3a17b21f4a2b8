"""A rate that falls where the training stalls."""

from __future__ import annotations

import math
from typing import Any, Dict

from mxnet.lr_scheduler import LRScheduler

from ..errors import UsageError
from ..schedulers import Scheduler
from ..schedulers.arguments import flag, named, number, plain, refuse_unknown
from ..schedulers.base import log
from ..schedulers.foreign import pure_or_live

# What PyTorch and Keras call the arguments.
_WORDS: Dict[str, Any] = {
    "mode": "larger_is_better=True stands for mode='max'",
    "min_lr": "the smallest multiplier is called least here, min_lr over the schedule's rate",
    "monitor": "call observe(value) with the watched value",
    "min_delta": ("threshold",),
    "epsilon": ("threshold",),
    "gamma": ("factor",),
    **dict.fromkeys(("lr", "base_lr", "learning_rate", "optimizer", "scheduler"), ("schedule",)),
}


class ReduceOnPlateau(LRScheduler):
    """Any schedule times a multiplier that shrinks when a watched value stops improving: η(t) = schedule(t)·multiplier.

    Unlike the pure schedules it has a state, which :func:`observe` alone changes; snapshots keep it. It is therefore
    the outermost schedule: give it to the trainer, or to a :class:`~gluon_lr.hyper.HyperparameterSchedule`, which
    follows it. A combinator refuses it, because the schedules in a combinator never change: write
    ``ReduceOnPlateau(ScaleScheduler(...))`` and not ``ScaleScheduler(ReduceOnPlateau(...))``.

    A class of your own that watches the training says ``live = True`` and is then treated the same way.

    Args:
        schedule: any scheduler or number; one that watches another value of the training is followed too.
        factor: what the multiplier shrinks by; default 0.1.
        patience: how many observations without improvement are allowed; default 10.
        threshold: an improvement is at least this share of the best value; default 1e-4.
        cooldown: observations after a reduction that are not counted; default 0.
        least: the multiplier never falls below this; default 0.
        larger_is_better: True for an accuracy; default False, for a loss.

    Raises:
        UsageError: ``factor`` is not between 0 and 1, ``patience``, ``cooldown``, ``threshold`` or ``least`` is
            negative, or an argument has another name here.

    Example:
        >>> rate = ReduceOnPlateau(1.0, factor=0.5, patience=1)
        >>> [rate.observe(loss) for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
        [1.0, 1.0, 1.0, 0.5, 0.5]
        >>> rate(7)
        0.5
    """

    live = True

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A new schedule, whose keyword arguments are all known."""
        refuse_unknown(cls, list(kwargs), _WORDS)
        return super().__new__(cls)

    def __init__(
        self,
        schedule: Any,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        least: float = 0.0,
        larger_is_better: bool = False,
    ) -> None:
        self.schedule = pure_or_live(schedule)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.least, self.larger_is_better = cooldown, least, larger_is_better
        number(self, "factor", above=0, below=1)
        number(self, "patience", "cooldown", least=0, whole=True)
        number(self, "threshold", least=0)
        number(self, "least", least=0, most=1)
        flag(self, "larger_is_better")
        self.multiplier, self.best, self.stalled, self.resting = 1.0, math.inf, 0, 0

    def __repr__(self) -> str:
        text = f"ReduceOnPlateau({self.schedule!r}, factor={self.factor}, patience={self.patience}"
        for name, default in (("threshold", 1e-4), ("cooldown", 0), ("least", 0.0), ("larger_is_better", False)):
            value = getattr(self, name)
            text += f", {name}={value}" if value != default else ""
        return f"{text})"

    def __call__(self, num_update: float) -> float:
        """The schedule's rate times the present multiplier; a call changes nothing."""
        return self.schedule(num_update) * self.multiplier

    @property
    def base_lr(self) -> float:
        """The schedule's."""
        return self.schedule.base_lr if isinstance(self.schedule, LRScheduler) else self.schedule(0)

    @base_lr.setter
    def base_lr(self, value: float) -> None:
        if isinstance(self.schedule, (Scheduler, ReduceOnPlateau)):
            self.schedule.base_lr = value  # which logs that this has no effect
        elif value != self.base_lr:
            log.warning("learning_rate=%g is without effect: the optimizer follows %r", value, self)

    def get_warmup_lr(self, num_update: float) -> float:
        """MXNet's hook for a built-in warmup, of which there is none here.

        Raises:
            UsageError: always; a :class:`~gluon_lr.schedulers.WarmupScheduler` goes inside.
        """
        raise UsageError("ReduceOnPlateau has no warmup of its own: ReduceOnPlateau(WarmupScheduler(...))")

    def step(self, *args: Any, **kwargs: Any) -> None:
        """What PyTorch calls :func:`observe`.

        Raises:
            UsageError: always.
        """
        raise UsageError("ReduceOnPlateau has no step: call observe(value) with the watched value, once an epoch")

    def observe(self, value: float) -> float:
        """Record the watched value, usually once an epoch; the multiplier from now on. NaN is never an improvement.

        Raises:
            UsageError: ``value`` is not a number.
        """
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UsageError(f"observe was given {named(value)}: expected the watched value, a number")
        badness = -value if self.larger_is_better else value
        better = badness < self.best - self.threshold * abs(self.best)
        better = better or (math.isinf(self.best) and badness < self.best)
        if better:
            self.best, self.stalled = badness, 0
        if self.resting > 0:
            self.resting -= 1
        elif not better:
            self.stalled += 1
        if self.stalled > self.patience:
            self.multiplier = max(self.least, self.multiplier * self.factor)
            self.stalled, self.resting = 0, self.cooldown
        return self.multiplier
