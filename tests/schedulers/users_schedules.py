"""Schedules as users write them, of MXNet's and GluonCV's parts and of nothing, and all that can wrap one."""

import functools

import mxnet as mx
import numpy as np
from gluoncv.utils import LRScheduler, LRSequential
from mxnet import lr_scheduler

from gluon_lr import schedulers as s
from gluon_lr.schedulers.arguments import plain

WRAPPERS = {
    "pure": s.pure,
    "foreign": s.ForeignScheduler,
    "warmup": lambda x: s.WarmupScheduler(x, 3),
    "chain, first": lambda x: s.ChainScheduler([x, 0.1], [5]),
    "chain, last": lambda x: s.ChainScheduler([0.1, x], [5]),
    "cycle": lambda x: s.CycleScheduler(x, 7),
    "scale": lambda x: s.ScaleScheduler(x, 2.0),
    "clip": lambda x: s.ClipScheduler(x, 0.0, 5.0),
    "per epoch": lambda x: s.PerEpochScheduler(x, 3),
    "within epochs": lambda x: s.PerEpochScheduler(x, 3, every="update"),
    "per update": lambda x: s.PerUpdateScheduler(x, 3),
    "twice": lambda x: s.ClipScheduler(s.PerEpochScheduler(x, 2)),
}


class Ramp:
    """A ramp before any schedule: an attribute that is an object."""

    def __init__(self, after, length=4):
        self.after, self.length, self.top = after, length, after(0)

    def __call__(self, t):
        return self.top * t / self.length if t < self.length else self.after(t - self.length)


class InLists:
    """A schedule two lists and a dict deep."""

    def __init__(self, inner):
        self.within = [{"one": [inner]}]

    def __call__(self, t):
        return self.within[0]["one"][0](t)


class Crossed:
    """It notes in place, in a list, a set and a dict, which of its points were passed, but its rate follows from t."""

    def __init__(self):
        self.passed, self.names, self.seen, self.count = [], {}, set(), 0

    def __call__(self, t):
        self.passed.append(t)
        self.names[t] = "passed"
        self.seen.add(t)
        self.count += 1
        self.last = t
        return 1.0 / (1 + t)


class Triangle:
    """No state at all."""

    def __call__(self, t):
        return 0.5 - abs(t % 20 - 10) / 20


class Slotted:
    """Attributes without a dict."""

    __slots__ = ("inner", "top")

    def __init__(self, inner):
        self.inner, self.top = inner, 1.0

    def __call__(self, t):
        self.top = 0.5
        return self.inner(t) * self.top


class Table:
    """An array of rates."""

    def __init__(self, rates):
        self.rates = rates

    def __call__(self, t):
        return self.rates[min(int(t), len(self.rates) - 1)]


class Scribbled(Table):
    """It writes into its own array and puts nothing back."""

    def __call__(self, t):
        rate = super().__call__(t)
        self.rates[:] = -1.0 if t > 250 else self.rates
        return rate


class Period:
    """``max_update`` is a period here, ``base_lr``, ``step`` and ``length`` are no numbers."""

    def __init__(self):
        self.max_update, self.base_lr, self.step, self.length, self.count = 5, "low", "never", None, "none"

    def __call__(self, t):
        return 1.0 + t // self.max_update


class OwnFactor(lr_scheduler.FactorScheduler):
    """A subclass that overrides nothing."""


class Halved(lr_scheduler.FactorScheduler):
    """A subclass that overrides the call."""

    def __call__(self, t):
        return super().__call__(t) / 2


class Counting(Halved):
    """One that also changes itself, though not its rate."""

    def __call__(self, t):
        self.calls = getattr(self, "calls", 0) + 1
        return super().__call__(t)


class HalvedCosine(lr_scheduler.CosineScheduler):
    def __call__(self, t):
        return super().__call__(t) / 2


class Observing:
    def __init__(self):
        self.rate = 0.1

    def __call__(self, t):
        return self.rate

    def observe(self, loss):
        self.rate *= 0.5


def factor():
    return lr_scheduler.FactorScheduler(step=5, factor=0.5, base_lr=0.4)


def gluoncv():
    return LRSequential(
        [
            LRScheduler("linear", base_lr=0.1, target_lr=1.0, nepochs=2, iters_per_epoch=5),
            LRScheduler("step", base_lr=1.0, niters=20, step_iter=[5, 10], step_factor=0.5),
            LRScheduler("cosine", base_lr=0.25, target_lr=0, niters=10),
        ]
    )


MAKERS = {
    "factor": factor,
    "multi-factor": lambda: lr_scheduler.MultiFactorScheduler([3, 9, 20], 0.3, base_lr=0.4),
    "polynomial": lambda: lr_scheduler.PolyScheduler(20, 0.4, 3, 0.01, warmup_steps=4),
    "cosine": lambda: lr_scheduler.CosineScheduler(20, 0.4, 0.01),
    "own factor": lambda: OwnFactor(step=5, factor=0.5, base_lr=0.4),
    "halved factor": lambda: Halved(step=5, factor=0.5, base_lr=0.4),
    "counting factor": lambda: Counting(step=5, factor=0.5, base_lr=0.4),
    "halved cosine": lambda: HalvedCosine(20, 0.4, 0.01),
    "gluoncv": gluoncv,
    "gluoncv alone": lambda: LRScheduler("poly", base_lr=0.5, target_lr=0.1, niters=30),
    "ramp over factor": lambda: Ramp(factor()),
    "ramp over ramp over cosine": lambda: Ramp(Ramp(lr_scheduler.CosineScheduler(20, 0.4, 0.01))),
    "ramp over gluoncv": lambda: Ramp(gluoncv()),
    "ramp over ours": lambda: Ramp(s.CosineScheduler(20, 0.4)),
    "ramp over a triangle": lambda: Ramp(Triangle()),
    "lists": lambda: InLists(factor()),
    "lists of lists": lambda: InLists(InLists(Halved(step=5, factor=0.5, base_lr=0.4))),
    "notes": Crossed,
    "slots": lambda: Slotted(factor()),
    "array": lambda: Table(np.linspace(1.0, 0.0, 40)),
    "mxnet array": lambda: Table(mx.nd.array([1.0, 0.5, 0.25])),
    "scribbled array": lambda: Scribbled(np.linspace(1.0, 0.0, 40)),
    "period": Period,
    "method": lambda: Ramp(Triangle()).__call__,
    "partial": lambda: functools.partial(Ramp(factor(), 7).__call__),
}


def in_order(scheduler, n):
    return [float(plain(scheduler(t))) for t in range(n)]
