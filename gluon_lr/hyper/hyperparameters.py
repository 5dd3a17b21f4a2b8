"""Drive an optimizer's other numbers by schedules of rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..schedulers import Scheduler
from ..schedulers.foreign import independent, pure_or_live
from ..schedulers.purity import watches
from ..state.private import arrays_of, trainer_parameters, updaters_of, updates_on_servers

# If SGD's momentum is 0 at the first update, it makes no buffer, and fails when the momentum later grows.
_LEAST_MOMENTUM = 1e-8
# MXNet's own counts, and what a trainer's step writes itself.
_NOT_TO_SET = ("lr_scheduler", "rescale_grad", "num_update", "begin_num_update", "aggregate_num")


@dataclass(frozen=True)
class HyperparameterSchedule:
    """Set one of the optimizer's numbers by a schedule before each update: optimizer.name ← schedule(t).

    Args:
        name: an attribute of the optimizer: ``momentum``, ``wd``, ``beta1``, ``clip_gradient``, … or
            ``learning_rate``, where the trainer has no scheduler.
        schedule: any scheduler or number; t is the update, from 1. One that watches the training, such as a
            :class:`~gluon_lr.hyper.ReduceOnPlateau`, is followed as it is, not copied: what it observes between two
            updates counts from the next one. The trainer does not hold it, so neither does a snapshot of the trainer.

    Raises:
        UsageError: ``name`` is not text, or ``schedule`` is not a schedule.

    Example:
        >>> import mxnet as mx
        >>> from gluon_lr.schedulers import OneCycleScheduler
        >>> net = mx.gluon.nn.Dense(1, in_units=1)
        >>> net.initialize()
        >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"momentum": 0.9})
        >>> HyperparameterSchedule("momentum", OneCycleScheduler(10, 0.1).momentum()).apply(trainer, t=3)
        >>> round(trainer.optimizer.momentum, 3)
        0.85
    """

    name: str
    schedule: Any

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise UsageError(
                f"name is {self.name!r}: expected that of one of the optimizer's numbers, such as 'momentum'"
            )
        object.__setattr__(self, "schedule", pure_or_live(self.schedule))

    def apply(self, trainer: Any, t: int) -> None:
        """Set the value for update ``t``.

        Raises:
            UsageError: the optimizer has no such number, the rate belongs to a scheduler, there is no momentum, or
                parameter servers update.
        """
        require_updates_here(trainer)
        optimizer, value = trainer.optimizer, self.schedule(t)
        if self.name in ("learning_rate", "lr"):
            if optimizer.lr_scheduler is not None:
                raise UsageError("the trainer has a scheduler: give it this schedule, or build it without one")
            optimizer.set_learning_rate(value)
            return
        now = getattr(optimizer, self.name, math)
        if self.name in _NOT_TO_SET or isinstance(now, bool) or not isinstance(now, (int, float, type(None))):
            raise UsageError(
                f"{type(optimizer).__name__} has no {self.name} that could be set: expected one of its own numbers"
            )
        if self.name == "momentum":
            if now == 0 and any(updater.states for updater in updaters_of(trainer)):
                raise UsageError("the trainer has made updates without a momentum: build it with one above 0")
            value = max(value, _LEAST_MOMENTUM)
        setattr(optimizer, self.name, value)


@dataclass(frozen=True)
class RescaleMomentum:
    """Keep a momentum buffer in step with a changing rate: v ← v · η(t)/η(t−1) before update t.

    MXNet's SGD and NAG keep v = m·v + η·g with the rate inside, so after a change old gradients still move the weights
    at their old rate. Rescaled, the update is η·(m·u + g), where u does not contain a rate.

    Source: the lag is reported as apache/mxnet issue 15533.
    """

    def apply(self, trainer: Any, t: int) -> None:
        """Rescale every buffer for update ``t``.

        Raises:
            UsageError: the trainer has no scheduler to give the two rates; or its scheduler watches the training, like
                ReduceOnPlateau, and no longer knows its earlier rate once it has fallen; or parameter servers update.
        """
        require_updates_here(trainer)
        schedule = trainer.optimizer.lr_scheduler
        if schedule is None:
            raise UsageError("the trainer has no scheduler: RescaleMomentum needs one to know the rate's change")
        if not isinstance(schedule, Scheduler):
            if watches(schedule) is not None:
                raise UsageError(
                    f"RescaleMomentum needs the rate of the update before, which {type(schedule).__name__} no longer "
                    f"knows once it fell: leave RescaleMomentum out, or give the trainer a schedule that follows from t"
                )
            schedule = independent(schedule)  # asked in order, from where the training is
        if t < 2:  # there is no update before, and no schedule has to have a rate at 0
            return
        before, now = schedule(t - 1), schedule(t)
        if before == now or before == 0:
            return
        scale_momentum(trainer, now / before)


def require_updates_here(trainer: Any) -> None:
    """Refuse a trainer whose optimizer works on parameter servers, which have a copy of their own.

    Raises:
        UsageError: it is one.
    """
    if updates_on_servers(trainer):
        raise UsageError("the optimizer on parameter servers cannot be reached: use update_on_kvstore=False")


def scale_momentum(trainer: Any, factor: float) -> None:
    """Multiply what is left of earlier steps by ``factor``, where it has their rate inside; no other state.

    That is the momentum of SGD, NAG, LARS and LBSGD, and the last step of
    :class:`~gluon_lr.optimizers.AdaptiveHeavyBall`.
    """
    import mxnet as mx

    from ..optimizers import AdaptiveHeavyBall

    kinds = mx.optimizer
    if isinstance(trainer.optimizer, AdaptiveHeavyBall):
        for device, updater in enumerate(updaters_of(trainer)):
            for index, (before, _) in updater.states.items():
                copies = arrays_of(trainer_parameters(trainer)[index])
                weight = copies[device if device < len(copies) else 0]  # the kvstore's updater comes after the devices'
                weight = weight.as_in_context(before.context)
                before[:] = weight - (weight - before) * factor
        return
    if not isinstance(trainer.optimizer, (kinds.SGD, kinds.NAG, kinds.LARS, kinds.LBSGD)):
        return
    for updater in updaters_of(trainer):
        for state in updater.states.values():
            # With multi-precision a state is the buffer and a copy of the weights.
            buffer = state[0] if isinstance(state, (tuple, list)) else state
            if buffer is not None:
                buffer *= factor
