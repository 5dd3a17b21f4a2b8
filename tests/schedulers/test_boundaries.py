"""Where schedules that jump, turn or end meet fractions of an epoch, and what grows beyond all numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_lr import schedulers as s

RISING = s.FunctionScheduler(lambda t: 1 + t)


@given(st.integers(1, 400), st.sampled_from([10, 20, 50, 100, 469]))
def test_a_boundary_between_epochs_is_met_at_its_update(k, n):
    """A period of k updates in an epoch of n is k/n epochs, which most of its multiples miss by rounding."""
    period = k / n

    def at(schedule, t):
        return s.PerEpochScheduler(schedule, n, every="update")(t)

    assert at(s.CycleScheduler(RISING, period), 3 * k) == pytest.approx(1, abs=1e-9)
    assert at(s.CyclicScheduler(0.0, 1.0, up=0, down=period), 3 * k) == pytest.approx(1, abs=1e-9)
    for jumps in (
        s.MultiStepScheduler([3 * period], 0.1, 1.0),
        s.PiecewiseConstantScheduler([3 * period], [1.0, 0.1]),
        s.ChainScheduler([1.0, 0.1], [3 * period]),
        s.WarmupScheduler(s.ConstantScheduler(0.1), 3 * period, 1.0, "constant"),
    ):
        assert at(jumps, 3 * k) == pytest.approx(0.1)
        assert at(jumps, 3 * k - 1) == 1.0


def test_what_grows_beyond_all_numbers_is_held_by_its_clip():
    growing = s.ClipScheduler(s.ExponentialScheduler(1.1, 1e-6), high=1.0)
    assert [growing(8000), growing(80_000)] == [1.0, 1.0]
    assert growing(0) == 1e-6
    falling = s.FunctionScheduler(lambda t: 0.1 / (1 + math.exp(0.1 * (t - 5000))))
    with pytest.raises(OverflowError):  # of the function's own, which says nothing about its rate
        s.ClipScheduler(falling, high=1.0)(13_000)


def test_a_function_of_known_length_stays_at_its_end():
    schedule = s.FunctionScheduler(lambda t: 1 - t / 10, length=8)
    assert schedule.values(12).tolist()[7:] == pytest.approx([0.3, 0.2, 0.2, 0.2, 0.2])


def test_polynomials_of_numpy_and_scipy_are_functions():
    from scipy.interpolate import CubicSpline

    line = np.polynomial.Polynomial([0.1, -0.01])
    assert s.pure(line).values(3).tolist() == pytest.approx([0.1, 0.09, 0.08])
    spline = CubicSpline([0.0, 1.0, 2.0], [0.1, 0.2, 0.1])
    assert s.pure(spline)(1) == pytest.approx(0.2)
