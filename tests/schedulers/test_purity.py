"""What is wrapped is independent of the original at every depth and the same in any order; what watches is refused."""

import copy
import functools
import itertools
import logging
import math
import pickle
import random
import threading
from dataclasses import dataclass, field

import mxnet as mx
import numpy as np
import pytest
from gluoncv.utils import LRScheduler, LRSequential
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mxnet import lr_scheduler

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.finder import AutoLRS
from gluon_lr.hyper import ReduceOnPlateau, ScheduledBatches, grow_batch_instead
from gluon_lr.schedulers.arguments import plain
from gluon_lr.schedulers.foreign import _PutBack, independent, pure_or_live
from gluon_lr.schedulers.purity import described, watches

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


@pytest.mark.parametrize("name", MAKERS)
def test_asked_in_any_order_it_is_what_the_original_is_in_order(name):
    expected = in_order(MAKERS[name](), 60)
    ours = s.ForeignScheduler(MAKERS[name]())
    before = pickle.dumps(ours)
    for order in (range(60), reversed(range(60)), [59] * 3, np.random.default_rng(0).permutation(60).tolist()):
        for t in order:
            assert ours(t) == expected[t]
    assert ours(-3) == ours(-0.5) == expected[0]
    assert pickle.dumps(ours) == before


@pytest.mark.parametrize("name", MAKERS)
def test_neither_the_original_nor_the_copy_knows_of_the_other(name):
    theirs, apart = MAKERS[name](), MAKERS[name]()
    for wrapper in WRAPPERS.values():
        ours = wrapper(theirs)
        assert described(theirs) == described(apart), "wrapping or drawing changed it"
        values = ours.values(80).tolist()
        assert described(theirs) == described(apart), "wrapping or drawing changed it"
    theirs(300)
    assert ours.values(80).tolist() == values


@pytest.mark.parametrize("name", MAKERS)
def test_equal_ones_are_equal_after_copies_and_pickles(name):
    one, other = s.ForeignScheduler(MAKERS[name]()), s.ForeignScheduler(MAKERS[name]())
    one.values(50)
    for twin in (
        other,
        copy.copy(one),
        copy.deepcopy(one),
        pickle.loads(pickle.dumps(one)),
        s.ForeignScheduler(one.scheduler),
    ):
        assert twin == one
        assert hash(twin) == hash(one)
        assert repr(twin) == repr(one)
        assert twin.values(50).tolist() == one.values(50).tolist()
    assert " at 0x" not in repr(one)
    assert one != s.ForeignScheduler(lr_scheduler.FactorScheduler(step=6, factor=0.5, base_lr=0.4))
    assert one != "ForeignScheduler"
    assert s.ScaleScheduler(one, 2) == s.ScaleScheduler(other, 2)


def test_a_list_that_is_changed_in_place_afterwards():
    class Steps:
        def __init__(self, points):
            self.points = points

        def __call__(self, t):
            return 0.5 ** sum(point <= t for point in self.points)

    points = [3, 6]
    ours = s.PerEpochScheduler(Steps(points), 1)
    points.append(1)
    points[0] = 2
    assert ours.values(9).tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_an_attribute_called_max_update_is_only_an_attribute():
    ours = s.ScaleScheduler(Period(), 1)
    assert ours.values(12).tolist() == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]
    assert s.ForeignScheduler(Period()).base_lr == 1.0
    assert s.ForeignScheduler(factor()).base_lr == 0.4
    assert ours.length is None


def test_a_schedule_of_mxnets_ends_after_its_warmup():
    for make in (lr_scheduler.CosineScheduler, lr_scheduler.PolyScheduler):
        for warmup in (5, 8):
            with pytest.raises(
                UsageError, match=rf"{make.__name__}: max_update is 5: expected more than its warmup_steps, {warmup}"
            ):
                s.pure(make(5, 0.5, warmup_steps=warmup))
        assert s.pure(make(5, 0.5, warmup_steps=4))(9) == 0.0


RATES = st.floats(1e-6, 10)
WARMUP = {
    "warmup_steps": st.integers(0, 12),
    "warmup_begin_lr": st.just(1e-6),
    "warmup_mode": st.sampled_from(["linear", "constant"]),
}


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.builds(
            lr_scheduler.FactorScheduler,
            st.integers(1, 9),
            st.floats(0, 1),
            st.one_of(st.just(0.0), st.floats(1e-9, 1.0)),
            RATES,
            **WARMUP,
        ),
        st.builds(
            lr_scheduler.MultiFactorScheduler,
            st.sets(st.integers(1, 60), min_size=1).map(sorted),
            st.floats(0, 1),
            RATES,
            **WARMUP,
        ),
        st.builds(lr_scheduler.PolyScheduler, st.integers(13, 60), RATES, st.integers(1, 4), RATES, **WARMUP),
        st.builds(lr_scheduler.CosineScheduler, st.integers(13, 60), RATES, RATES, **WARMUP),
    ),
    st.integers(0, 30),
    st.lists(st.integers(0, 90) | st.floats(0, 90), max_size=30),
)
@example(lr_scheduler.FactorScheduler(3, 0.5, 0.3, 1.0), 0, [3, 3.0, 3.5, 6.0, 6.000001])
def test_mxnets_own_are_equal_to_the_last_bit_at_every_t(theirs, already, anywhere):
    """From wherever MXNet's object was when it was wrapped, after ``already`` updates."""
    for t in range(already):
        theirs(t)
    ours, bare = s.pure(theirs), copy.deepcopy(theirs)
    points = sorted([*range(90), *anywhere])
    expected = {t: bare(t) for t in points}
    for t in [*anywhere, *reversed(points), *points]:
        assert ours(t) == expected[t]
    assert described(theirs) == described(s.pure(theirs).scheduler)


def test_a_factor_schedule_far_out():
    theirs = lr_scheduler.FactorScheduler(step=1, factor=0.9999, base_lr=0.1, stop_factor_lr=1e-9)
    ours = s.pure(copy.copy(theirs))
    expected = {t: theirs(t) for t in range(1, 200_000)}
    assert all(ours(t) == expected[t] for t in range(1, 1026))
    far = [1026, 1500, 10_000, 100_000, 184_000, 184_500, 199_999]
    np.testing.assert_allclose([ours(t) for t in far], [expected[t] for t in far], rtol=1e-10)
    assert ours(10**12) == 1e-9
    assert s.pure(lr_scheduler.FactorScheduler(1, 1.0, 0, 0.3))(10**15) == 0.3


def count_calls(make, t):
    """How many lines of Python one call at ``t`` runs: time that no other process disturbs."""
    import sys

    ours = make()
    ours(1)
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        lines += event == "line"
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        ours(t)
    finally:
        sys.settrace(old)
    return lines


@pytest.mark.parametrize(
    "make",
    [
        lambda: s.pure(lr_scheduler.FactorScheduler(step=1, factor=0.9999, base_lr=0.1)),
        lambda: s.ScaleScheduler(Ramp(lr_scheduler.FactorScheduler(step=1, factor=0.9999, base_lr=0.1)), 2),
        lambda: s.pure(OwnFactor(step=1, factor=0.9999, base_lr=0.1)),
        lambda: s.PerEpochScheduler(InLists(factor()), 1),
        lambda: s.pure(Halved(step=1, factor=0.9999, base_lr=0.1)),
        lambda: s.pure(Ramp(Counting(step=1, factor=0.9999, base_lr=0.1))),
    ],
)
def test_a_call_costs_no_more_the_later_it_is_asked(make):
    assert count_calls(make, 1_000_000) <= count_calls(make, 2000) + 5


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture
def lines():
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize(
    "make", [factor, lambda: lr_scheduler.MultiFactorScheduler([3, 9, 20], 0.3, base_lr=0.4)], ids=["factor", "multi"]
)
def test_each_drop_is_logged_once_in_mxnets_words(make, lines):
    bare = make()
    for t in range(1, 40):
        bare(t)
    expected = list(lines)
    assert len(expected) >= 3
    wrapped = [s.ScaleScheduler(make(), 1.0), s.pure(Ramp(make(), 0)), s.pure(make())]
    if isinstance(make(), lr_scheduler.FactorScheduler):
        wrapped += [s.pure(kind(step=5, factor=0.5, base_lr=0.4)) for kind in (OwnFactor, Halved, Counting)]
    for ours in wrapped:
        lines.clear()
        for t in range(1, 40):
            for _ in range(3):  # as SGD asks
                ours(t)
        assert lines == expected
        ours.values(40)
        assert lines == expected
    fresh = copy.deepcopy(ours)
    lines.clear()
    fresh(39)
    assert len(lines) == 1
    assert lines[0].startswith("Update[39]: Change learning rate to ")


def test_nothing_is_logged_before_a_drop(lines):
    s.WarmupScheduler(factor(), 5).values(9)
    s.PerEpochScheduler(Ramp(factor()), 100).values(200)
    assert lines == []


# --- what watches the training ---


class Observing:
    def __init__(self):
        self.rate = 0.1

    def __call__(self, t):
        return self.rate

    def observe(self, loss):
        self.rate *= 0.5


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


# --- what cannot be made pure ---


class CallCounter:
    """The chapter's kind of factor: it decays at each call."""

    def __init__(self):
        self.rate = 1.0

    def __call__(self, t):
        self.rate *= 0.9
        return self.rate


class AtItsPoints:
    """It has to be asked for t = 10 to know that it was there."""

    def __init__(self, point):
        self.rate, self.point = 1.0, point

    def __call__(self, t):
        if t == self.point and not getattr(self, "done", False):
            self.rate, self.done = 0.5, True
        return self.rate


class Drawn:
    def __init__(self):
        self.random = random.Random(0)

    def __call__(self, t):
        return self.random.random()


class Replayed:
    def __init__(self):
        self.rates = itertools.count()

    def __call__(self, t):
        return next(self.rates)


# Python 3.13 warns of copying itertools, Python 3.14 refuses it.
@pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")
@pytest.mark.parametrize(
    "make", [CallCounter, lambda: AtItsPoints(3), lambda: AtItsPoints(10), lambda: AtItsPoints(90), Drawn, Replayed]
)
def test_what_counts_its_calls_is_refused(make):
    for wrapper in WRAPPERS.values():
        with pytest.raises(UsageError, match=r"counts its calls|cannot be copied"):
            wrapper(make())


class Shared:
    def __init__(self):
        self.state = [0.5]

    def __call__(self, t):
        return self.state[0]

    def __deepcopy__(self, memo):
        return self


class Half(Shared):
    def __deepcopy__(self, memo):
        new = Half()
        new.state = self.state
        return new


class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, t):
        return 0.1


class Generating:
    def __init__(self):
        self.rates = (1 / n for n in range(1, 9))

    def __call__(self, t):
        return 0.1


def test_what_cannot_be_copied_at_every_depth_is_refused():
    for make, says in (
        (Shared, "Shared holds a Shared that its copy shares"),
        (Half, "Half holds a list that its copy shares"),
        (lambda: Ramp(Half()), "Ramp holds a list"),
        (Locked, r"Locked cannot be copied \(cannot pickle"),
        (Generating, r"Generating cannot be copied"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            s.ScaleScheduler(make(), 1)
        assert "give a function of t, FunctionScheduler(function)" in str(caught.value)


def test_what_is_no_schedule_is_told_so():
    class Failing:
        def __call__(self, t):
            return 1 / 0

    class Textual:
        def __call__(self, t):
            return "0.1"

    class Wanting:
        def __call__(self):
            return 0.1

    for wrong, says in (
        ("cosine", "'cosine' .str. is no schedule: expected"),
        (None, "None is no schedule"),
        (True, "True .bool. is no schedule"),
        (s.CosineScheduler, r"CosineScheduler is a class: expected a schedule made of it, CosineScheduler\(...\)"),
        (Failing(), r"Failing fails when it is called with t = 1 \(ZeroDivisionError: division by zero\)"),
        (Textual(), r"Textual returned '0.1' \(str\) for t = 1: expected a number"),
        (Wanting(), "Wanting fails when it is called with t = 1 .TypeError"),
        (Table([math.nan]), "Table returned nan for t = 1"),
        (Table([True]), r"Table returned True \(bool\) for t = 1"),
        (LRScheduler("linear", 0.1, 0.0, niters=1), "LRScheduler fails when it is called"),
    ):
        with pytest.raises(UsageError, match=says):
            s.pure(wrong)
    assert s.pure(np.float32(0.5)) == s.pure(mx.nd.array([0.5])) == s.pure(np.array(0.5)) == s.ConstantScheduler(0.5)
    assert s.pure(Table([np.float32(0.5), mx.nd.array([0.25])])).values(2).tolist() == [0.5, 0.25]
    assert s.pure(lambda t: 0.5)(3) == 0.5


def test_a_table_that_ends_can_be_wrapped():
    class Ending(Table):
        def __call__(self, t):
            self.last = t
            return self.rates[int(t)]

    ours = s.PerEpochScheduler(Ending([1.0, 0.5, 0.25]), 2)
    assert ours.values(7).tolist() == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(IndexError):
        ours(99)
    assert ours(3) == 0.5


# --- functions ---

a_factor = factor()
an_observer = Observing()


def of_globals(t):
    return a_factor(t)


def test_a_function_is_kept_itself():
    rates = {"now": 0.1}
    ours = s.PerEpochScheduler(lambda t: rates["now"], 5)
    rates["now"] = 0.2
    assert ours(1) == 0.2, "live by design"
    assert s.pure(math.sqrt).function is math.sqrt
    one, other = (lambda t: 0.1), (lambda t: 0.2)
    assert s.pure(one) == s.pure(one) != s.pure(other)
    assert s.pure(lambda t: an_observer(t))(1) == 0.1
    assert pickle.loads(pickle.dumps(s.pure(math.sqrt)))(4) == 2.0


def test_a_function_that_uses_a_schedule_that_changes_is_refused():
    local, nested = factor(), Ramp(factor())
    calls = 0

    def counting(t):
        nonlocal calls
        calls += 1
        return 1.0 / calls

    def global_counting(t):
        global a_factor
        a_factor = None
        return 1.0

    for function in (
        lambda t: local(t) / 2,
        lambda t, schedule=local: schedule(t),
        lambda t, *, schedule=local: schedule(t),
        lambda t: nested(t),
        lambda t: sum(local(t) for _ in range(1)),
        of_globals,
        functools.partial(lambda schedule, t: schedule(t), local),
    ):
        with pytest.raises(
            UsageError, match=r"uses MXNet's FactorScheduler, which changes .* gluon_lr\.schedulers\.pure\(scheduler"
        ):
            s.FunctionScheduler(function)
    for function in (counting, global_counting):
        with pytest.raises(UsageError, match="changes a variable outside it"):
            s.pure(function)
    made_pure = s.pure(local)
    assert s.FunctionScheduler(lambda t: made_pure(t) / 2)(0) == 0.2

    class Holding:
        def __init__(self):
            self.function = lambda t: local(t)

        def __call__(self, t):
            return self.function(t)

    with pytest.raises(UsageError, match="uses MXNet's FactorScheduler"):
        s.pure(Holding())

    def early():
        def inner(t):
            return later(t)

        schedule = s.FunctionScheduler(inner)
        later = math.sqrt
        return schedule

    assert early()(4) == 2.0
    with pytest.raises(UsageError, match="expected a function of one number"):
        s.FunctionScheduler(s.CosineScheduler)


# --- how it is done ---


def test_the_cheapest_way_that_is_pure_is_taken():
    assert isinstance(s.pure(Triangle())._rate, Triangle)
    assert isinstance(s.pure(Counting(step=5))._rate, _PutBack)
    assert isinstance(s.pure(Ramp(factor()))._rate, Ramp), "nothing in it changes any more"
    assert isinstance(s.pure(gluoncv())._rate, _PutBack)
    assert isinstance(s.pure(Crossed())._rate, _PutBack)
    assert isinstance(s.pure(Table(np.ones(3)))._rate, Table)
    assert not isinstance(s.pure(Slotted(factor()))._rate, (Slotted, _PutBack))
    assert not isinstance(s.pure(Scribbled(np.ones(3)))._rate, (Scribbled, _PutBack))


def test_what_a_failed_call_left_behind_is_put_back():
    class Fails(Crossed):
        def __call__(self, t):
            rate = super().__call__(t)
            if t == 300:
                raise RuntimeError("no rate")
            return rate

    ours = s.pure(Fails())
    with pytest.raises(RuntimeError):
        ours(300)
    assert ours == s.pure(Fails())


def test_a_copy_keeps_what_mxnets_object_is():
    theirs = lr_scheduler.MultiFactorScheduler([3, 9], 0.5, base_lr=0.4)
    ours = independent(theirs)
    assert isinstance(ours, lr_scheduler.MultiFactorScheduler)
    assert ours.state() == vars(theirs)
    ours.step.append(20)
    assert theirs.step == [3, 9]
    assert ours.state()["step"] == independent(ours).step

    class OwnWarmup(lr_scheduler.CosineScheduler):
        def get_warmup_lr(self, num_update):
            return 0.123

    ours = s.pure(OwnWarmup(9, 0.5, warmup_steps=4))
    assert (ours(2), ours(99)) == (0.123, 0.0)
    assert isinstance(ours.scheduler, OwnWarmup)
    assert s.pure(ours.scheduler) == ours


def test_rates_that_change_their_sign_are_left_to_mxnet():
    theirs = lr_scheduler.FactorScheduler(2, -0.5, base_lr=1.0, stop_factor_lr=-9)
    ours = s.pure(lr_scheduler.FactorScheduler(2, -0.5, base_lr=1.0, stop_factor_lr=-9))
    assert [ours(t) for t in (7, 3, 1)] == [copy.deepcopy(theirs)(t) for t in (7, 3, 1)] == [-0.125, -0.5, 1.0]


def test_descriptions():
    looped = Ramp(Triangle())
    looped.after = looped
    assert described(looped) == "Ramp(after=..., length=4, top=0.0)"
    assert described((1, [2], {"a": Triangle()})) == "(1, [2], {'a': Triangle()})"
    assert described(Slotted(Triangle())) == "Slotted(inner=Triangle(), top=1.0)"
    assert described(mx.nd.array([1.0])) == "array([1.0], float32)"
    assert described(np.arange(2000)) != described(np.arange(2000) + (np.arange(2000) == 1000))
    assert described(Triangle) == repr(Triangle)
    assert described(s.CosineScheduler(5)) == repr(s.CosineScheduler(5))

    @dataclass
    class Noted:
        inner: object
        seen: list = field(default_factory=list)

        def __repr__(self):
            return "Noted"

        def __call__(self, t):
            self.seen.append(t)
            return self.inner(t)

    assert described(Noted(Triangle())) == "Noted(inner=Triangle(), seen=[])"
    assert s.pure(Noted(factor())) == s.pure(Noted(factor())) != s.pure(Noted(Triangle()))
    assert described(Triangle().__call__) == "Triangle().__call__"
    assert described(s.pure(factor()).scheduler).startswith("FactorScheduler(base_lr=0.4, count=0, factor=0.5, step=5")
