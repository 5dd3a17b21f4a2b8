"""A schedule that watches the training is refused by what would hold a copy of it, and followed where it can be."""

import functools
import logging
from dataclasses import dataclass, field

import mxnet as mx
import numpy as np
import pytest
from mxnet import lr_scheduler
from users_schedules import WRAPPERS, InLists, Observing, Ramp, Slotted, Triangle, factor, gluoncv

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.finder import AutoLRS
from gluon_lr.hyper import ReduceOnPlateau, ScheduledBatches, grow_batch_instead
from gluon_lr.schedulers.foreign import pure_or_live
from gluon_lr.schedulers.purity import watches


class Stepping(lr_scheduler.LRScheduler):
    """As PyTorch's are: a method called step, helped by another."""

    def __call__(self, t):
        return self.base_lr

    def step(self, loss):
        self._lower(0.5)

    def _lower(self, by):
        self.base_lr = self.base_lr * by


class Listing:
    """It keeps what it saw in a list."""

    def __init__(self):
        self.losses = []

    def __call__(self, t):
        return 1.0 / (1 + len(self.losses))

    def tell(self, loss):
        self.losses.append(loss)


class Inherited(Observing):
    pass


class Live:
    live = True

    def __call__(self, t):
        return 0.1


class Tracker:
    def __init__(self):
        self.best = 1.0

    def report(self, loss):
        self.best = min(self.best, loss)


class ByHelper:
    def __init__(self):
        self.tracker = Tracker()

    def __call__(self, t):
        return self.tracker.best


class ByTrainer:
    def __init__(self, trainer):
        self.trainer = trainer

    def __call__(self, t):
        return self.trainer.learning_rate


class ByMetric:
    def __init__(self):
        self.metric = mx.metric.Loss()

    def __call__(self, t):
        return 0.1


class ByFunction:
    def __init__(self, plateau):
        self.function = lambda t: plateau(t)

    def __call__(self, t):
        return self.function(t)


def a_trainer():
    net = mx.gluon.nn.Dense(1, in_units=1)
    net.initialize()
    return mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})


WATCHING = {
    "plateau": lambda: ReduceOnPlateau(0.5),
    "plateau over a plateau": lambda: ReduceOnPlateau(ReduceOnPlateau(0.5)),
    "observe": Observing,
    "step": Stepping,
    "a list": Listing,
    "inherited": Inherited,
    "live": Live,
    "plateau in an object": lambda: Ramp(ReduceOnPlateau(0.5)),
    "plateau in lists": lambda: InLists(ReduceOnPlateau(0.5)),
    "own in an object": lambda: Ramp(Ramp(Observing())),
    "slots": lambda: Slotted(Observing()),
    "a helper": ByHelper,
    "a trainer": lambda: ByTrainer(a_trainer()),
    "a metric": ByMetric,
    "a function's closure": lambda: ByFunction(ReduceOnPlateau(0.5)),
    "a method": lambda: ReduceOnPlateau(0.5).__call__,
    "a partial": lambda: functools.partial(ReduceOnPlateau(0.5)),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", WATCHING)
def test_what_watches_the_training_is_refused_by_what_holds_it(wrapper, name):
    with pytest.raises(UsageError, match="watches the training") as caught:
        WRAPPERS[wrapper](WATCHING[name]())
    assert "put it outermost" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_refusal_says_why_and_what_to_do():
    with pytest.raises(UsageError) as caught:
        s.ScaleScheduler(Observing(), 2)
    assert str(caught.value) == (
        "Observing watches the training (observe() changes it), and a copy inside another schedule would not: put it "
        "outermost, as in ReduceOnPlateau(ScaleScheduler(...)), or give it to the trainer itself; if its rate follows "
        "from t alone, say live = False in class Observing"
    )
    with pytest.raises(UsageError) as caught:
        s.ScaleScheduler(ReduceOnPlateau(1.0), 2)
    assert str(caught.value) == (
        "ReduceOnPlateau watches the training (it is live), and a copy inside another schedule would not: put it "
        "outermost, as in ReduceOnPlateau(ScaleScheduler(...)), or give it to the trainer itself"
    )
    for make, reason in (
        (lambda: Ramp(Observing()), "observe() changes it in its Observing"),
        (lambda: Ramp(ReduceOnPlateau(1.0)), "it holds a ReduceOnPlateau"),
        (lambda: ByTrainer(a_trainer()), "it holds a Trainer"),
        (ByMetric, "it holds a Loss"),
        (ByHelper, "report() changes it in its Tracker"),
    ):
        assert watches(make()) == reason


def test_also_where_batches_or_functions_would_hold_it():
    plateau = ReduceOnPlateau(0.5)
    for act in (
        lambda: grow_batch_instead(ReduceOnPlateau(0.5), 8, 16),
        lambda: ScheduledBatches(np.zeros((4, 1), np.uint8), np.arange(4), Observing()),
        lambda: s.FunctionScheduler(ReduceOnPlateau(0.5)),
        lambda: s.FunctionScheduler(lambda t, plateau=plateau: plateau(t) / 2),
        lambda: s.FunctionScheduler(ReduceOnPlateau(0.5).__call__),
    ):
        with pytest.raises(UsageError, match="watches the training"):
            act()


def test_autolrs_and_other_schedules_of_train_are_no_schedules_of_t():
    search = AutoLRS(mx.gluon.nn.Dense(1), [], mx.gluon.loss.L2Loss(), mx.cpu())
    for wrapper in (*WRAPPERS.values(), pure_or_live):
        with pytest.raises(UsageError, match=r"AutoLRS .* among its schedules|watches the training"):
            wrapper(search)
    with pytest.raises(UsageError, match="give it to train, among its schedules"):
        s.pure(search)


def test_a_class_that_says_it_is_not_live_is_believed():
    class Configured(Observing):
        live = False

    ours = s.ScaleScheduler(Configured(), 2)
    assert ours(5) == 0.2
    assert pure_or_live(Configured()) == s.pure(Configured())

    class LiveOfOurs(s.Scheduler):
        live = True

        def __call__(self, num_update):
            return 0.1

    with pytest.raises(UsageError, match="watches the training"):
        s.ScaleScheduler(LiveOfOurs(), 2)


def test_methods_that_are_part_of_a_call_or_of_making_it_watch_nothing():
    class Helped:
        def __init__(self):
            self.build()

        def build(self):
            self.rates = [1.0, 0.5]

        def find(self, t):
            self.last = self.rates[min(t, 1)]
            return self.last

        def __call__(self, t):
            return self.find(t)

        def reset(self):
            self.last = None

        def show(self):
            add = "update"
            return add, [self(t) for t in range(3)]

        @property
        def top(self):
            return max(self.rates)

        def _private(self):
            self.rates = []

    assert watches(Helped()) is None
    assert s.pure(Helped()).values(3).tolist() == [1.0, 0.5, 0.5]
    assert watches(gluoncv()) is None
    assert watches(factor()) is None
    assert watches(0.5) is None

    @dataclass
    class Settings:
        rate: float = 0.5
        names: list = field(default_factory=list)

    class Configured:
        def __init__(self):
            self.settings, self.log, self.kind = Settings(), logging.getLogger("mine"), Triangle

        def __call__(self, t):
            return self.settings.rate

    assert s.pure(Configured())(3) == 0.5


def test_a_live_one_is_kept_where_it_can_be_followed():
    mine = Observing()
    assert pure_or_live(mine) is mine
    assert pure_or_live(0.5) == s.ConstantScheduler(0.5)
    assert isinstance(pure_or_live(factor()), s.ForeignScheduler)


def test_a_live_object_inside_a_function_is_refused_whatever_its_class():
    live = Live()
    for make in (s.FunctionScheduler, lambda function: s.ScaleScheduler(function, 2)):
        with pytest.raises(UsageError, match="watches the training"):
            make(lambda t: live(t))
    with pytest.raises(UsageError, match="watches the training"):
        s.FunctionScheduler(live)
