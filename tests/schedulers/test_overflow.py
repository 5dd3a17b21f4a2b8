"""Rates that grow beyond all numbers."""

import math

import pytest

from gluon_lr import schedulers as s


@pytest.mark.parametrize(
    "growing",
    [
        s.ExponentialScheduler(1.1, base_lr=1e-6),
        s.FactorScheduler(1.1, base_lr=1e-6),
        s.StepScheduler(1, 2, base_lr=1e-6),
        s.MultiStepScheduler(range(1, 1500), 2, base_lr=1e-6),
        s.CyclicScheduler(0.001, 0.006, up=10, mode="exp_range", decay=1.1),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_rate_that_grows_beyond_all_numbers_can_be_held(growing):
    clipped = s.ClipScheduler(growing, high=1.0)
    assert clipped(9999) == 1.0
    assert growing(9999) == math.inf
    if hasattr(growing, "factor"):
        assert type(growing)(**{**vars(growing), "base_lr": 0.0})(9999) == getattr(growing, "stop_factor_lr", 0.0)


def test_peaks_that_grow_end_in_infinity():
    assert s.CosineWarmRestartsScheduler(1, decay=10.0, base_lr=1.0)(400) == math.inf


def test_a_drawing_takes_what_values_takes():
    (line,) = s.CosineScheduler(5, 0.1).plot(5.0).lines
    assert len(line.get_ydata()) == 5


def test_nothing_times_infinity_is_nothing():
    assert s.ScaleScheduler(s.StepScheduler(1, 2, base_lr=1e-6), 0)(9999) == 0
