"""What is wrapped is independent of the original at every depth and the same in any order."""

import copy
import logging
import pickle
from dataclasses import dataclass, field

import mxnet as mx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mxnet import lr_scheduler
from users_schedules import (
    MAKERS,
    WRAPPERS,
    Counting,
    Crossed,
    Halved,
    InLists,
    OwnFactor,
    Period,
    Ramp,
    Scribbled,
    Slotted,
    Table,
    Triangle,
    factor,
    gluoncv,
    in_order,
)

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.schedulers.foreign import _PutBack, independent
from gluon_lr.schedulers.purity import described


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
    count_calls(make, 2000)  # the first one ever imports and remembers what it needs
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
