"""The rates that a search tries, and when it has seen enough."""

import math

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import gluon

from gluon_lr.errors import UsageError
from gluon_lr.finder import Learner, LRFinder, LRFinderStoppingCriteria
from gluon_lr.finder.search import _rungs
from gluon_lr.finder.stopping import divergence


@given(st.floats(1e-8, 1e-2), st.floats(1.01, 3.0), st.floats(1.5, 1e6))
def test_every_rung_is_exact(start, multiplier, span):
    rungs, end = _rungs(start, multiplier, start * span, 10_000, "exponential")
    assert rungs == [start * multiplier**i for i in range(len(rungs))]
    assert rungs[-1] <= start * span * (1 + 1e-8)
    assert rungs[-1] * multiplier > start * span * (1 - 1e-8) or len(rungs) == 10_000
    assert end == ("lr_stop reached" if rungs[-1] * multiplier > start * span * (1 - 1e-8) else "max_updates reached")


def test_a_linear_ladder_is_even():
    rungs, end = _rungs(0.1, 1.1, 1.0, 10, "linear")
    np.testing.assert_allclose(np.diff(rungs), 0.1)
    assert (rungs[0], rungs[-1], end) == (0.1, 1.0, "lr_stop reached")


def stopped(losses, **kwargs):
    stop = LRFinderStoppingCriteria(**kwargs)
    for i, loss in enumerate(losses):
        if stop(loss):
            return i, stop.reason
    return None


def test_stopping_is_the_tutorials_where_that_works():
    losses = [2.3] * 25 + [4.0, 5.0, 9.0]
    running, expected = None, None
    for i, loss in enumerate(losses):
        running = loss if running is None else 0.7 * loss + 0.3 * running
        if running > 2 * losses[0] and i + 1 >= 20:
            expected = i
            break
    assert stopped(losses) == (expected, "diverged")


@pytest.mark.parametrize(
    "losses", [[1.0] + [9.0] * 60, [1.0 + i for i in range(80)], [1e-6 * 2.0**i for i in range(60)]]
)
def test_losses_that_rise_from_the_start_do_not_hide_that_they_rise(losses):
    assert stopped(losses)[0] <= 30


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 3, 30])
def test_the_first_loss_that_is_not_finite_stops(bad, at):
    assert stopped([1.0] * at + [bad]) == (at, "loss not finite")


@pytest.mark.parametrize("first", [0.0, 1e-9, -5.0, 3.0])
def test_losses_of_any_sign_and_size_diverge_and_flat_ones_do_not(first):
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    assert stopped((first + noise).tolist(), min_iter=20) is None
    rising = (first + noise + np.where(np.arange(300) > 100, 0.5 * (np.arange(300) - 100), 0)).tolist()
    assert 100 < stopped(rising)[0] < 130


def test_no_update_has_to_come_before_a_stop():
    stop = LRFinderStoppingCriteria(min_iter=0)
    assert [stop(loss) for loss in (1.0, 1.0, 9.0)] == [False, False, True]


def test_the_threshold_is_the_first_loss_and_what_it_may_rise_by():
    assert divergence([2.0, 2.0, 2.0]) == 4.0
    assert divergence([-2.0]) == 0.0
    assert divergence([0.0, 1.0, 2.0, 3.0, 4.0]) == 5.0, "five times the median distance of 1 from the median of 2"
    assert divergence([1.0, 4.0, 7.0]) == 16.0
    assert divergence([3.0, 2.9, 3.1]) == 6.0


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9), st.integers(-20, 20))
def test_the_threshold_is_in_the_unit_of_the_loss(losses, power):
    assert divergence([loss * 2.0**power for loss in losses]) == pytest.approx(divergence(losses) * 2.0**power)


def test_the_first_losses_alone_set_the_threshold():
    assert stopped([0.0, 1.0, 3.0], smoothing=0.0, min_iter=2) == (2, "diverged"), "of 0 and 1 it is 2.5"
    assert stopped([0.0, 1.0, 3.0], smoothing=0.0, min_iter=3) is None, "of 0, 1 and 3 it is 5"
    assert stopped([0.0, 1.0] + [2.5] * 9, smoothing=0.0, min_iter=2) is None, "2.5 is not above 2.5"
    assert stopped([0.0, 1.0, 2.0, 2.0, 3.0], smoothing=0.0, min_iter=2) == (4, "diverged")


def test_a_stop_can_come_with_the_last_of_the_first_losses_and_not_before():
    assert stopped([1.0, 9.0, 9.0], smoothing=0.0, min_iter=3) == (2, "diverged")
    assert stopped([1.0] + [9.0] * 40, smoothing=0.0)[0] == 19
    assert stopped([1.0, 9.0], smoothing=0.0, min_iter=1) == (1, "diverged")
    assert stopped([-1.0, 9.0], min_iter=0) == (1, "diverged")


def test_the_running_mean_counts_the_past_by_the_smoothing():
    stop = LRFinderStoppingCriteria(smoothing=0.75)
    means = []
    for loss in (1.0, 3.0, 7.0):
        assert not stop(loss)
        means.append(stop.running_mean)
    assert means == [1.0, 1.5, 2.875]
    assert stop.reason is None
    assert LRFinderStoppingCriteria().smoothing == 0.3


@pytest.mark.parametrize("smoothing", [1.0, 1.5, -0.1])
def test_a_mean_that_would_never_move_is_refused(smoothing):
    with pytest.raises(UsageError, match=r"smoothing is .*from 0 to below 1"):
        LRFinderStoppingCriteria(smoothing)


def test_a_class_is_no_rule():
    net = gluon.nn.Dense(1, in_units=1)
    net.initialize()
    learner = Learner(net, [(mx.nd.ones((2, 1)), mx.nd.ones((2, 1)))], mx.cpu(), gluon.loss.L2Loss())
    with pytest.raises(UsageError, match=r"stopping is <class .*expected a function of the loss"):
        LRFinder(learner).find(stopping=LRFinderStoppingCriteria, progress=False)
