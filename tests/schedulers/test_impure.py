"""What cannot be made pure is refused in a line that says why; functions are kept as they are."""

import functools
import itertools
import math
import pickle
import random
import threading

import mxnet as mx
import numpy as np
import pytest
from gluoncv.utils import LRScheduler
from users_schedules import (
    WRAPPERS,
    Observing,
    Ramp,
    Table,
    factor,
)

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError


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
