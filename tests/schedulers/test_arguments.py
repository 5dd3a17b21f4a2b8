"""What the arguments of every policy and combinator have to be."""

import json
import pickle
from fractions import Fraction

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.schedulers.__main__ import NAMES
from gluon_lr.schedulers.arguments import checked, plain

# Arguments with which each can be made, and of what kind each argument is: a length or count that is more than 0
# (length), one that may be 0 (phase), a rate or factor from 0 on (rate), more than 0 (positive), a share (share).
MADE = {
    s.ConstantScheduler: {"base_lr": (0.5, "rate")},
    s.StepScheduler: {"step": (7, "length"), "factor": (0.5, "rate"), "base_lr": (0.5, "rate")},
    s.MultiStepScheduler: {"steps": ([3, 5], "points"), "factor": (0.5, "rate"), "base_lr": (0.5, "rate")},
    s.PiecewiseConstantScheduler: {"boundaries": ([3], "points"), "rates": ([0.5, 0.25], "rates")},
    s.ExponentialScheduler: {"factor": (0.5, "positive"), "base_lr": (0.5, "rate"), "final_lr": (0.25, "rate")},
    s.FactorScheduler: {"factor": (0.5, "rate"), "stop_factor_lr": (0.125, "rate"), "base_lr": (0.5, "rate")},
    s.LinearScheduler: {"max_update": (8, "length"), "base_lr": (0.5, "rate"), "final_lr": (0.25, "rate")},
    s.PolynomialScheduler: {
        "max_update": (8, "length"), "power": (2, "positive"), "base_lr": (0.5, "rate"), "final_lr": (0.25, "rate"),
    },
    s.CosineScheduler: {"max_update": (8, "length"), "base_lr": (0.5, "rate"), "final_lr": (0.25, "rate")},
    s.TimeBasedScheduler: {"decay": (0.5, "rate"), "base_lr": (0.5, "rate")},
    s.CompoundingTimeBasedScheduler: {"decay": (0.5, "rate"), "base_lr": (0.5, "rate")},
    s.SquareRootScheduler: {"lr": (0.5, "rate")},
    s.InverseSquareRootScheduler: {"warmup": (2, "phase"), "timescale": (4, "length"), "base_lr": (0.5, "rate")},
    s.CosineWarmRestartsScheduler: {
        "first_cycle": (8, "length"), "multiplier": (2, "multiplier"), "decay": (0.5, "rate"),
        "base_lr": (0.5, "rate"), "final_lr": (0.25, "rate"),
    },
    s.OneCycleScheduler: {
        "max_update": (8, "length"), "max_lr": (0.5, "rate"), "initial_divisor": (4, "positive"),
        "final_divisor": (8, "positive"), "rise": (0.25, "share"),
    },
    s.OneCycleMomentumScheduler: {
        "max_update": (8, "length"), "high": (0.75, "share"), "low": (0.5, "share"), "rise": (0.25, "share"),
    },
    s.CyclicScheduler: {
        "base_lr": (0.25, "rate"), "max_lr": (0.5, "rate"), "up": (4, "phase"), "down": (2, "phase"),
        "decay": (0.5, "rate"),
    },
    s.WarmupStableDecayScheduler: {
        "warmup": (2, "phase"), "stable": (4, "phase"), "decay": (2, "phase"), "base_lr": (0.5, "rate"),
        "begin_lr": (0.125, "rate"), "final_lr": (0.25, "rate"),
    },
    s.WarmupScheduler: {"schedule": (0.5, "schedule"), "warmup": (4, "phase"), "begin_lr": (0.25, "rate")},
    s.ChainScheduler: {"schedules": ([0.5, 0.25], "schedules"), "lengths": ([3], "phases")},
    s.CycleScheduler: {"schedule": (0.5, "schedule"), "period": (4, "length")},
    s.ScaleScheduler: {"schedule": (0.5, "schedule"), "factor": (2, "rate")},
    s.ClipScheduler: {"schedule": (0.5, "schedule"), "low": (0.25, "bound"), "high": (1, "upper")},
    s.PerEpochScheduler: {"schedule": (0.5, "schedule"), "updates_per_epoch": (4, "whole")},
    s.PerUpdateScheduler: {"schedule": (0.5, "schedule"), "updates_per_epoch": (4, "whole")},
}  # fmt: skip
NAN, INF = float("nan"), float("inf")
NO_NUMBER = ["0.5", True, [0.5, 0.5], 1j, np.array([1.0, 2.0]), np.bool_(True), object]
NOT_FINITE = [NAN, INF, -INF]
WRONG = {
    "rate": [*NO_NUMBER, None, *NOT_FINITE, -1e-9],
    "phase": [*NO_NUMBER, *NOT_FINITE, -1, -1e-9],
    "length": [*NO_NUMBER, *NOT_FINITE, 0, 0.0, -1],
    "positive": [*NO_NUMBER, None, *NOT_FINITE, 0, -1],
    "share": [*NO_NUMBER, None, *NOT_FINITE, -0.1, 1.1],
    "multiplier": [*NO_NUMBER, None, *NOT_FINITE, 0.9],
    "whole": [*NO_NUMBER, None, *NOT_FINITE, 0, -1, 1.5],
    "bound": [*NO_NUMBER, None, NAN, INF],
    "upper": [*NO_NUMBER, None, NAN, -INF, -1],
    "points": [5, "35", None, {3: 1}, ["3"], [3, NAN], [INF], [0, 3], [-1, 3], [5, 3], [3, 3], [True]],
    "phases": [5, "3", ["3"], [NAN], [INF], [-1], [1, 2], []],
    "rates": [0.5, "ab", None, [0.5], [0.5, NAN], [0.5, -0.1], [0.5, "x"], [0.5, 0.2, 0.1]],
    "schedule": ["cosine", None, True, [0.5], -0.5, NAN, s.CosineScheduler, np.array([1.0, 2.0])],
    "schedules": [0.5, "ab", None, [], [0.5, "x"], [0.5, -1], {1: 0.5}],
}
EVERY_ARGUMENT = [
    (kind, name, value)
    for kind, arguments in MADE.items()
    for name, (_, what) in arguments.items()
    for value in WRONG[what]
]


def given_to(kind, **changed):
    return kind(**{**{name: value for name, (value, _) in MADE[kind].items()}, **changed})


def test_every_schedule_is_tried():
    assert {kind.__name__ for kind in MADE} == set(NAMES)


@pytest.mark.parametrize(("kind", "name", "value"), EVERY_ARGUMENT)
def test_a_value_that_makes_no_sense_is_refused_in_one_line_that_names_it(kind, name, value):
    with pytest.raises(UsageError) as caught:
        given_to(kind, **{name: value})
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    assert "expected" in message or "give" in message
    if name not in ("schedule", "schedules"):
        assert f"{kind.__name__}: " in message
        assert name in message or name in ("low", "high")
    if isinstance(value, (str, bool)):
        assert type(value).__name__ in message or repr(value) in message


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda v: np.float32(v) if isinstance(v, float) else np.int64(v),
        lambda v: np.array(v),
        lambda v: np.array([v]),
        lambda v: mx.nd.array([v]),
        lambda v: mx.np.array(v),
        lambda v: np.float64(v) if isinstance(v, float) else np.uint8(v),
        lambda v: Fraction(v),
    ],
)
def test_numbers_of_other_libraries_become_plain_ones(kind, wrap):
    """All values are powers of two, so that they survive any precision."""
    plain_one = given_to(kind)

    def wrapped(value):
        return [wrapped(v) for v in value] if isinstance(value, list) else wrap(value)

    other = given_to(kind, **{name: wrapped(value) for name, (value, _) in MADE[kind].items()})
    assert other == plain_one
    assert hash(other) == hash(plain_one)
    assert pickle.loads(pickle.dumps(other)) == plain_one
    assert other.values(12).tolist() == plain_one.values(12).tolist()
    for name, (value, what) in MADE[kind].items():
        if "schedule" not in what:
            kept = getattr(other, name)
            json.dumps(kept)
            assert {type(item) for item in (kept if isinstance(value, list) else [kept])} <= {int, float}
    assert "array" not in repr(other)
    assert "Fraction" not in repr(other)


def test_defaults():
    """Those that the docstrings give."""
    low = {"base_lr": 0.01, "final_lr": 0.0}
    assert s.ConstantScheduler().base_lr == 0.01
    for made, expected in (
        (s.ExponentialScheduler(0.5), low),
        (s.LinearScheduler(5), low),
        (s.CosineScheduler(5), low),
        (s.PolynomialScheduler(5), {**low, "power": 2.0}),
        (s.TimeBasedScheduler(0.5), {"base_lr": 0.01}),
        (s.CompoundingTimeBasedScheduler(0.5), {"base_lr": 0.01}),
        (s.InverseSquareRootScheduler(), {"warmup": 0, "timescale": None, "base_lr": 0.01}),
        (s.SquareRootScheduler(), {"lr": 0.1}),
        (s.FactorScheduler(), {"factor": 1.0, "stop_factor_lr": 1e-7, "base_lr": 0.1}),
        (s.StepScheduler(5), {"factor": 0.1, "base_lr": 0.01}),
        (s.MultiStepScheduler([5]), {"factor": 0.1, "base_lr": 0.01}),
        (s.CosineWarmRestartsScheduler(5), {**low, "multiplier": 1.0, "decay": 1.0}),
        (
            s.OneCycleScheduler(5),
            {
                **{"max_lr": 0.01, "initial_divisor": 25.0, "final_divisor": 1e4},
                **{"rise": 0.3, "three_phase": False, "curve": "cosine"},
            },
        ),
        (
            s.OneCycleMomentumScheduler(5),
            {"high": 0.95, "low": 0.85, "rise": 0.3, "three_phase": False, "curve": "cosine"},
        ),
        (
            s.CyclicScheduler(),
            {"base_lr": 0.001, "max_lr": 0.006, "up": 2000, "down": None, "mode": "triangular", "decay": 1.0},
        ),
        (s.WarmupStableDecayScheduler(1, 1, 1), {**low, "begin_lr": 0.0, "curve": "linear"}),
        (s.WarmupScheduler(0.5, 3), {"begin_lr": 0.0, "mode": "linear"}),
        (s.PerEpochScheduler(0.5, 3), {"every": "epoch"}),
        (s.FunctionScheduler(abs), {"length": None}),
    ):
        assert {name: getattr(made, name) for name in expected} == expected
    momentum = s.OneCycleScheduler(5).momentum()
    assert (momentum.high, momentum.low) == (0.95, 0.85)


def test_arrays_of_points_and_rates_are_taken_whole():
    expected = s.PiecewiseConstantScheduler([2, 4], [1.0, 0.5, 0.25])
    assert s.PiecewiseConstantScheduler(np.array([2, 4]), np.array([1.0, 0.5, 0.25], np.float32)) == expected
    assert s.PiecewiseConstantScheduler(range(2, 5, 2), mx.nd.array([1.0, 0.5, 0.25])) == expected
    with pytest.raises(UsageError, match="list of numbers"):
        s.MultiStepScheduler(np.array([[1, 2]]))


def test_whole_numbers_stay_whole():
    assert repr(s.PerEpochScheduler(0.5, 235.0)) == repr(s.PerEpochScheduler(0.5, 235))
    assert repr(s.StepScheduler(np.int32(5))) == "StepScheduler(step=5, factor=0.1, base_lr=0.01)"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: s.CosineScheduler("35", 0.5),
            "CosineScheduler: max_update is '35' (str): expected a number of more than 0",
        ),
        (lambda: s.CosineScheduler(None), "CosineScheduler: max_update is None: expected a number of more than 0"),
        (
            lambda: s.CosineScheduler(True),
            "CosineScheduler: max_update is True (bool): expected a number of more than 0",
        ),
        (lambda: s.CosineScheduler(NAN), "CosineScheduler: max_update is nan: expected a finite number of more than 0"),
        (lambda: s.CosineScheduler(5, base_lr=-1), "CosineScheduler: base_lr is -1: expected a number of at least 0"),
        (
            lambda: s.OneCycleScheduler(9, rise=1.5),
            "OneCycleScheduler: rise is 1.5: expected a number of at least 0 and at most 1",
        ),
        (
            lambda: s.OneCycleScheduler(9, rise=0.6, three_phase=True),
            "OneCycleScheduler: rise is 0.6: expected a number of at least 0 and at most 0.5",
        ),
        (
            lambda: s.OneCycleMomentumScheduler(9, rise=0.6, three_phase=True),
            "OneCycleMomentumScheduler: rise is 0.6: expected a number of at least 0 and at most 0.5",
        ),
        (
            lambda: s.OneCycleScheduler(9, curve="cubic"),
            "OneCycleScheduler: curve is 'cubic' (str): expected one of cosine, linear",
        ),
        (
            lambda: s.OneCycleScheduler(9, three_phase=1),
            "OneCycleScheduler: three_phase is 1: expected True or False",
        ),
        (
            lambda: s.PerEpochScheduler(0.5, 2.5),
            "PerEpochScheduler: updates_per_epoch is 2.5: expected a whole number of at least 1",
        ),
        (
            lambda: s.PerEpochScheduler(0.5, 2, "day"),
            "PerEpochScheduler: every is 'day' (str): expected one of epoch, update",
        ),
        (lambda: s.PerEpochScheduler(0.5, 2, 1), "PerEpochScheduler: every is 1: expected one of epoch, update"),
        (
            lambda: s.MultiStepScheduler([3, "4"]),
            "MultiStepScheduler: steps[1] is '4' (str): expected a number of more than 0",
        ),
        (
            lambda: s.MultiStepScheduler([4, 3]),
            "MultiStepScheduler: steps is [4, 3] (list): expected numbers that ascend",
        ),
        (lambda: s.MultiStepScheduler(15), "MultiStepScheduler: steps is 15: expected a list of numbers"),
        (lambda: s.ClipScheduler(0.5, 2, 1), "ClipScheduler: low is 2: expected at most high, 1"),
        (
            lambda: s.CyclicScheduler(up=0, down=0),
            "CyclicScheduler: up is 0 and down 0: expected one of more than 0",
        ),
        (
            lambda: s.WarmupStableDecayScheduler(0, 0, 0),
            "WarmupStableDecayScheduler: warmup, stable and decay are all 0: expected one of more than 0",
        ),
        (
            lambda: s.WarmupScheduler(1.0, 5, mode="exponential"),
            "WarmupScheduler: begin_lr is 0.0: expected more than 0 where mode is exponential",
        ),
        (
            lambda: s.WarmupScheduler(s.LinearScheduler(9, 0.0, 1.0), 5, 0.1, "exponential"),
            "WarmupScheduler: the schedule begins at 0: an exponential cannot lead there; use another mode",
        ),
        (
            lambda: s.ChainScheduler([1.0, 0.5, 0.2], [3]),
            "ChainScheduler: lengths is [3] (list): expected 2 of them, one for each schedule but the last",
        ),
        (
            lambda: s.ChainScheduler([1.0, 0.5]),
            "ChainScheduler: ConstantScheduler(base_lr=1.0) has no length of its own: give lengths",
        ),
        (
            lambda: s.CycleScheduler(s.SquareRootScheduler()),
            "CycleScheduler: SquareRootScheduler(lr=0.1) has no length: give the period",
        ),
        (lambda: s.FunctionScheduler(0.5), "FunctionScheduler: function is 0.5: expected a function of one number"),
        (lambda: s.FunctionScheduler(abs, -1), "FunctionScheduler: length is -1: expected a number of at least 0"),
    ],
)
def test_messages(make, says):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == says


def test_a_long_value_is_cut_short():
    with pytest.raises(UsageError) as caught:
        s.CosineScheduler(np.arange(1000.0))
    assert str(caught.value).startswith("CosineScheduler: max_update is array([")
    assert "... (ndarray): expected" in str(caught.value)


def test_limits_are_where_they_are_said_to_be():
    for value in (0, 1):
        assert given_to(s.OneCycleScheduler, rise=value).rise == value
        assert given_to(s.OneCycleMomentumScheduler, high=value, low=0).high == value
    assert s.OneCycleScheduler(8, rise=0.5, three_phase=True)(4) == 0.01
    assert s.CosineWarmRestartsScheduler(5, 1).multiplier == 1
    assert s.ClipScheduler(0.5, 0.3, 0.3)(0) == 0.3
    assert s.ClipScheduler(0.5, high=0)(0) == 0
    assert s.ClipScheduler(0.5) == s.ClipScheduler(0.5, -INF, INF)
    for kind, name in ((s.WarmupScheduler, "warmup"), (s.CyclicScheduler, "up"), (s.CyclicScheduler, "down")):
        assert np.isfinite(given_to(kind, **{name: 0}).values(9)).all()
    for name in ("warmup", "stable", "decay"):
        zero = dict.fromkeys(("warmup", "stable", "decay"), 0)
        zero[name] = 3
        assert s.WarmupStableDecayScheduler(**zero).length == 3
    assert s.ChainScheduler([1.0, 0.5], [0])(0) == 0.5
    assert s.ConstantScheduler(0)(3) == 0
    assert checked(10**400, "n", above=0) == 10**400
    with pytest.raises(UsageError, match="less than 1"):
        checked(1, "share", below=1)


@given(st.integers() | st.floats(allow_nan=False))
def test_plain_numbers_are_left_alone(value):
    assert plain(value) == value
    assert type(plain(value)) is type(value)
    assert plain(np.array(value)) == value


def test_a_momentum_that_is_upside_down_is_refused():
    with pytest.raises(UsageError, match=r"high is 0\.85 and low 0\.95: expected low <= high"):
        s.OneCycleScheduler(10, 0.1).momentum(0.85, 0.95)


@pytest.mark.parametrize(
    "make", [lambda: s.CosineScheduler(epochs=30), lambda: s.WarmupScheduler(0.1, warmup_epochs=2)]
)
def test_who_counts_epochs_is_told_that_updates_are_counted(make):
    with pytest.raises(UsageError, match="in updates: epochs times updates per epoch, or in epochs within"):
        make()


@pytest.mark.parametrize("arguments", [(1000, 0.9), (2, 0.5), (1.5, 0.2, 0.1)])
def test_mxnets_order_of_arguments_is_refused(arguments):
    with pytest.raises(UsageError, match="floor not above the rate"):
        s.FactorScheduler(*arguments)


def test_epochs_of_a_constant_have_no_length():
    assert s.PerEpochScheduler(0.1, 100).length == 0
    with pytest.raises(UsageError, match="has no length of its own: give lengths"):
        s.ChainScheduler([s.PerEpochScheduler(0.1, 100), 0.5])
