"""Make the schedulers of MXNet, GluonCV and anybody else pure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

from mxnet.lr_scheduler import LRScheduler

from ..errors import UsageError
from .arguments import named, plain, rate_of
from .base import Scheduler
from .mxnets import InAnyOrder, in_any_order
from .policies import ConstantScheduler, FunctionScheduler
from .purity import (
    ARRAYS,
    FUNCTIONS,
    changes_when_called,
    described,
    is_leaf,
    is_plain,
    reachable,
    refuse_unsteady,
    refuse_watching,
    watches,
)

# If a schedule counts its calls, its rate at one of these changes when all earlier t are asked for first.
_COMPARED = (3, 10, 30, 100, 199)


@dataclass(eq=False)
class ForeignScheduler(Scheduler):
    """A scheduler of MXNet's or GluonCV's, or any callable object, made pure: a copy that no call changes.

    Wrapping makes a deep copy, so that the object and this copy never affect each other. Each call begins from the
    state at that moment: t may come in any order, and drawing changes nothing. MXNet's own schedulers cost the same
    at every t and log each drop once, also inside an object of yours.

    The names of the object's attributes mean nothing here, except those of MXNet's own classes. Functions that the
    object holds are kept as they are.

    Args:
        scheduler: the object; called with t ≥ 0, it returns a number.

    Raises:
        UsageError: it watches the training (see :class:`~gluon_lr.hyper.ReduceOnPlateau`), cannot be copied, counts
            its calls instead of following t, or fails when it is called.

    Example:
        >>> import mxnet as mx
        >>> theirs = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0)
        >>> ours = ForeignScheduler(theirs)
        >>> [ours(t) for t in (5, 1, 3)], theirs.base_lr
        ([0.25, 1.0, 0.5], 1.0)
    """

    scheduler: Any

    def __post_init__(self) -> None:
        refuse_watching(self.scheduler)
        self.__dict__["scheduler"] = independent(self.scheduler)
        _refuse_counting(self.scheduler)
        self._prepare()

    def __call__(self, num_update: float) -> float:
        t = num_update if num_update > 0 else 0
        return rate_of(self._rate(t), self.scheduler, t)

    def _prepare(self) -> None:
        self.__dict__["_rate"] = _unchanging(self.scheduler)

    @property
    def base_lr(self) -> float:
        """MXNet's attribute of that name; of other objects the rate at t = 0."""
        return float(self.scheduler.base_lr) if isinstance(self.scheduler, LRScheduler) else self(0)

    def __getstate__(self) -> Dict[str, Any]:
        return {"scheduler": self.scheduler}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        return f"ForeignScheduler({described(self.scheduler)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForeignScheduler) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def next_rate(scheduler: Any, t: int) -> float:
    """The rate that a trainer's scheduler will give at ``t``; asked of a copy, where it may count its calls.

    Raises:
        UsageError: it counts them and cannot be copied.
    """
    if type(scheduler).__module__.startswith(("gluon_lr.", "mxnet.lr_scheduler")):
        return float(scheduler(t))
    try:
        return float(independent(scheduler)(t))
    except UsageError:
        rate, again = scheduler(t), scheduler(t)
        if rate != again:  # asked here, it gives the trainer another rate
            raise
        return float(rate)


def independent(scheduler: Any) -> Any:
    """A copy of ``scheduler`` at every depth, in which MXNet's own schedulers can be asked in any order.

    Raises:
        UsageError: something in it cannot be copied.
    """
    originals = list(reachable(scheduler))
    for one in originals:
        if isinstance(one, FUNCTIONS):
            refuse_unsteady(one)
    mxnets = {id(one): (one, in_any_order(one)) for one in originals}
    memo: Dict[int, Any] = {key: ours for key, (_, ours) in mxnets.items() if ours is not None}
    kind = type(scheduler).__name__
    try:
        for theirs, ours in mxnets.values():
            if ours is not None:
                vars(ours).update(copy.deepcopy(vars(theirs), memo))
        copied = copy.deepcopy(scheduler, memo)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{kind} cannot be copied ({reason}), and a shared one could change: give a function of t, "
            f"FunctionScheduler(function)"
        ) from error
    mutable = {id(one) for one in originals if _can_change(one)}
    shared = next((one for one in reachable(copied, within_functions=False) if id(one) in mutable), None)
    if shared is not None:
        raise UsageError(
            f"{kind} holds a {type(shared).__name__} that its copy shares, and that could change: give a function of "
            f"t, FunctionScheduler(function)"
        )
    return copied


def _can_change(value: Any) -> bool:
    return not (is_leaf(value) or isinstance(value, (tuple, frozenset, *FUNCTIONS)))


def _refuse_counting(scheduler: Any) -> None:
    """Refuse a scheduler whose rate at the same t depends on earlier calls.

    Raises:
        UsageError: it depends on them, or fails at t = 1, or does not return a number.
    """
    kind = type(scheduler).__name__
    asked = _quiet_copy(scheduler)
    try:
        rate, again = plain(asked(1)), plain(asked(1))
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{kind} fails when it is called with t = 1 ({reason}): expected its rate") from error
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate != rate:
        raise UsageError(f"{kind} returned {named(rate)} for t = 1: expected a number")
    differs = 1 if rate != again else None
    if differs is None and not is_leaf(scheduler):
        try:
            rates = [asked(t) for t in range(2, _COMPARED[-1] + 1)]
            differs = next((t for t in _COMPARED if _quiet_copy(scheduler)(t) != rates[t - 2]), None)
        except Exception:  # it may have no rate so far out
            differs = None
    if differs is not None:
        raise UsageError(
            f"{kind} gives another rate for t = {differs} when it has been called before, so it counts its calls: "
            f"expected a rate that follows from t alone"
        )


def _quiet_copy(scheduler: Any) -> Any:
    """A copy that does not log its drops."""
    copied = copy.deepcopy(scheduler)
    for one in reachable(copied):
        if isinstance(one, InAnyOrder):
            one.memory.logged = 2**63
    return copied


def _unchanging(scheduler: Any) -> Callable[[float], Any]:
    """``scheduler``, to be called any number of times from the state that it is in now."""
    held = [one for one in reachable(scheduler, within_functions=False) if _can_change(one)]
    objects = [one for one in held if type(one) not in (list, dict, set) and not isinstance(one, ARRAYS)]
    if all(is_plain(one) for one in objects):
        if not any(changes_when_called(type(one)) for one in objects):
            return scheduler
        if not any(isinstance(one, ARRAYS) for one in held):
            return _PutBack(scheduler, held)
    return lambda t: copy.deepcopy(scheduler)(t)


class _PutBack:
    """A scheduler whose attributes, lists and dicts are restored after each call: far cheaper than a copy."""

    def __init__(self, scheduler: Any, held: List[Any]) -> None:
        self.scheduler = scheduler
        self.lists: List[Tuple[Any, Any]] = [(one, list(one)) for one in held if isinstance(one, list)]
        mappings = [one if isinstance(one, (dict, set)) else vars(one) for one in held if not isinstance(one, list)]
        self.mappings: List[Tuple[Any, Any]] = [(one, copy.copy(one)) for one in mappings]

    def __call__(self, t: float) -> Any:
        try:
            return self.scheduler(t)
        finally:
            for kept, content in self.lists:
                kept[:] = content
            for mapping, content in self.mappings:
                mapping.clear()
                mapping.update(content)


def pure_or_live(schedule: Any) -> Any:
    """``schedule`` itself where it watches the training, so that it is followed; else what :func:`pure` makes of it.

    Raises:
        UsageError: it is no schedule.
    """
    return schedule if callable(schedule) and watches(schedule) is not None else pure(schedule)


def pure(schedule: Any) -> Scheduler:
    """``schedule`` itself where it is pure, a pure copy of an MXNet or GluonCV scheduler, a constant of a number.

    A function becomes a :class:`~gluon_lr.schedulers.FunctionScheduler`, any other object that can be called a
    :class:`~gluon_lr.schedulers.ForeignScheduler`.

    Raises:
        UsageError: nothing pure can be made of it: it cannot be called, watches the training, or counts its calls.

    Example:
        >>> pure(0.1)
        ConstantScheduler(base_lr=0.1)
    """
    if isinstance(schedule, Scheduler):
        if getattr(type(schedule), "live", None) is True:
            refuse_watching(schedule)
        return schedule
    number = plain(schedule)
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        return ConstantScheduler(float(number))
    if isinstance(schedule, type):
        raise UsageError(f"{schedule.__name__} is a class: expected a schedule made of it, {schedule.__name__}(...)")
    if isinstance(schedule, FUNCTIONS):
        return FunctionScheduler(schedule)
    if callable(schedule):
        return ForeignScheduler(schedule)
    if hasattr(schedule, "apply"):
        raise UsageError(
            f"{type(schedule).__name__} sets its number before each update and is no schedule: give it to train, among "
            f"its schedules"
        )
    raise UsageError(f"{named(schedule)} is no schedule: expected a scheduler, a number, or a function of the updates")
