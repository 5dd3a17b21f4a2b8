"""Momentum, weight decay and the optimizers of our own, against steps computed by hand."""

import math

import mxnet as mx
import numpy as np
import pytest
from bowl import CURVATURE, Nothing, bowl, search, steps
from mxnet import gluon

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.finder import AutoLRS
from gluon_lr.finder.autolrs import forecast
from gluon_lr.hyper import (
    HyperparameterSchedule,
    ReduceOnPlateau,
    RescaleMomentum,
    ScheduledWeightDecay,
    grow_batch_instead,
)
from gluon_lr.optimizers import AdamW, AdaptiveHeavyBall
from gluon_lr.state import load, save


def test_momentum_and_decay_follow_their_schedules():
    momentum, decay = s.LinearScheduler(10, 0.9, 0.5), s.LinearScheduler(10, 0.1, 0.0)
    net, trainer = bowl("sgd", learning_rate=0.1, momentum=0.9)
    schedules = [HyperparameterSchedule("momentum", momentum), HyperparameterSchedule("wd", decay)]
    w, v, expected = np.array([1.0, -2.0]), np.zeros(2), []
    for t in range(1, 9):
        v = momentum(t) * v + 0.1 * (CURVATURE * w + decay(t) * w)
        w = w - v
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 8, schedules), expected, rtol=1e-5)


def test_a_momentum_may_begin_at_zero():
    net, trainer = bowl("sgd", learning_rate=0.1, momentum=0.0)
    schedule = HyperparameterSchedule("momentum", s.PiecewiseConstantScheduler([3], [0.0, 0.9]))
    assert np.isfinite(steps(net, trainer, 6, [schedule])).all()


def test_a_rescaled_buffer_makes_the_update_rate_times_memory():
    rates = s.PiecewiseConstantScheduler([3, 5], [0.1, 0.01, 0.05])
    net, trainer = bowl("sgd", momentum=0.9, lr_scheduler=rates)
    w, u, expected = np.array([1.0, -2.0]), np.zeros(2), []
    for t in range(1, 8):
        u = 0.9 * u + CURVATURE * w
        w = w - rates(t) * u
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 7, [RescaleMomentum()]), expected, rtol=1e-5, atol=1e-6)
    net, trainer = bowl("sgd", momentum=0.9, lr_scheduler=rates)
    assert not np.allclose(steps(net, trainer, 7), expected, rtol=1e-2)


def test_scheduled_decay_of_sgd():
    net, trainer = bowl("sgd", learning_rate=0.1, momentum=0.5)
    w, v, expected = np.array([1.0, -2.0]), np.zeros(2), []
    for _ in range(5):
        w = w * (1 - 0.1 * 0.2 / (1 - 0.5))
        v = 0.5 * v + 0.1 * CURVATURE * w
        w = w - v
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 5, [ScheduledWeightDecay(0.2)]), expected, rtol=1e-5)


def test_scheduled_decay_of_adam():
    net, trainer = bowl("adam", learning_rate=0.1)
    w, m, v, expected = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), []
    for t in range(1, 6):
        if t > 1:
            w = w * (1 - 0.1 * 0.2 / math.sqrt((v / (1 - 0.999 ** (t - 1))).mean()))
        g = CURVATURE * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - 0.1 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 5, [ScheduledWeightDecay(0.2)]), expected, rtol=1e-5)


def test_adaptive_heavy_balls_momentum_stays_below_one_by_delta():
    """Where the gradient hardly turns, the formula gives a momentum of nearly 1: it is held at 1 − δ."""
    net, trainer = bowl("adaptiveheavyball", learning_rate=1e-7, delta=0.2)
    steps(net, trainer, 3)
    assert trainer.optimizer.beta == 1 - 0.2


def test_adaptive_heavy_ball():
    net, trainer = bowl("adaptiveheavyball", learning_rate=0.1, delta=0.01)
    x, before, g_before, expected, betas = np.array([1.0, -2.0]), None, None, [], []
    for _ in range(6):
        g = CURVATURE * x
        if before is None:
            beta = 0.0
        else:
            ratio = 0.1 * np.linalg.norm(g - g_before) / np.linalg.norm(x - before)
            beta = min(0.99, (1 - math.sqrt(ratio)) ** 2)
        step = -0.1 * g + (beta * (x - before) if before is not None else 0)
        before, g_before, x = x, g, x + step
        expected.append(x)
        betas.append(beta)
    np.testing.assert_allclose(steps(net, trainer, 6), expected, rtol=1e-4)
    assert trainer.optimizer.beta == pytest.approx(betas[-1], rel=1e-3)
    assert isinstance(trainer.optimizer, AdaptiveHeavyBall)


def test_adamw_by_hand_and_its_decay_stays_out_of_the_moments():
    net, trainer = bowl("adamw", learning_rate=0.1, wd=0.3)
    w, m, v, expected = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2), []
    for t in range(1, 6):
        g = CURVATURE * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rate = 0.1 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w = w - rate * m / (np.sqrt(v) + 1e-8) - 0.1 * 0.3 * w
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 5), expected, rtol=1e-5)
    assert isinstance(trainer.optimizer, AdamW)


def test_adamw_states_save_and_load(tmp_path):
    net, trainer = bowl("adamw", learning_rate=0.1, wd=0.3)
    steps(net, trainer, 3)
    save(tmp_path / "s.npz", net, trainer)
    trainer.save_states(str(tmp_path / "states"))
    expected = steps(net, trainer, 3)
    other, other_trainer = bowl("adamw", learning_rate=0.1, wd=0.3)
    load(tmp_path / "s.npz", other, other_trainer)
    np.testing.assert_array_equal(steps(other, other_trainer, 3), expected)
    load(tmp_path / "s.npz", other, other_trainer)
    other_trainer.load_states(str(tmp_path / "states"))
    np.testing.assert_array_equal(steps(other, other_trainer, 3), expected)


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_training_stopped_at_any_update_goes_on_with_the_same_numbers(stop, tmp_path):
    cycle = s.OneCycleScheduler(12, 0.2)

    def made():
        net, trainer = bowl("sgd", momentum=0.9, lr_scheduler=ReduceOnPlateau(cycle, 0.5, patience=0))
        return net, trainer, [HyperparameterSchedule("momentum", cycle.momentum()), ScheduledWeightDecay(0.01)]

    def go(net, trainer, schedules, first, last):
        seen = []
        for t in range(first, last):
            path = steps(net, trainer, 1, schedules, first=t)
            trainer.optimizer.lr_scheduler.observe(1.0 if t > 4 else 1.0 / t)
            optimizer = trainer.optimizer
            seen.append((path.tolist(), trainer.learning_rate, optimizer.momentum, optimizer.num_update))
        return seen

    whole = go(*made(), 1, 13)
    net, trainer, schedules = made()
    part = go(net, trainer, schedules, 1, stop + 1)
    save(tmp_path / "s.npz", net, trainer)
    net, trainer, schedules = made()
    load(tmp_path / "s.npz", net, trainer)
    assert part + go(net, trainer, schedules, stop + 1, 13) == whole


def test_what_makes_no_sense_is_refused():
    net, trainer = bowl("sgd", learning_rate=0.1)
    scheduled = bowl("sgd", lr_scheduler=s.ConstantScheduler(0.1))[1]
    decaying = bowl("sgd", learning_rate=0.1, wd=0.1)[1]
    other = bowl("rmsprop")[1]
    loss = gluon.loss.L2Loss()

    class Empty(Nothing):
        def __iter__(self):
            return iter([])

    for act, says in (
        (lambda: HyperparameterSchedule("beta1", 0.9).apply(trainer, 1), "no beta1"),
        (lambda: HyperparameterSchedule("learning_rate", 0.9).apply(scheduled, 1), "has a scheduler"),
        (lambda: RescaleMomentum().apply(trainer, 2), "no scheduler"),
        (lambda: ScheduledWeightDecay(0.1).apply(decaying, 1), "wd=0"),
        (lambda: ScheduledWeightDecay(0.1).apply(other, 1), "RMSProp"),
        (lambda: ReduceOnPlateau(1.0, factor=1.5), "factor"),
        (lambda: ReduceOnPlateau(1.0, patience=-1), "patience"),
        (lambda: grow_batch_instead(1.0, 10, 5), "largest 5"),
        (lambda: AutoLRS(net, [], loss, mx.cpu()).apply(scheduled, 1), "has a scheduler"),
        (lambda: AutoLRS(net, Empty(), loss, mx.cpu()).apply(trainer, 1), "loader is empty"),
        (lambda: search(net, low=1, high=0.1), "low < high"),
        (lambda: search(net, trials=0), "at least 1"),
        (lambda: forecast([], 3), "no losses"),
    ):
        with pytest.raises(UsageError, match=says):
            act()


def test_the_rate_itself_can_be_set_by_a_schedule():
    trainer = bowl("sgd", learning_rate=9.0)[1]
    HyperparameterSchedule("learning_rate", s.StepScheduler(2, 0.5, 0.4)).apply(trainer, 3)
    assert trainer.learning_rate == 0.2


@pytest.mark.parametrize("decay", [-0.1, math.nan, math.inf, "much"])
def test_a_decay_that_is_no_strength_is_refused(decay):
    with pytest.raises(UsageError, match="decay is"):
        ScheduledWeightDecay(decay)


def test_scheduled_decay_heeds_the_multiplier_of_a_parameters_rate():
    net, trainer = bowl("sgd", learning_rate=0.1)
    net.weight.lr_mult = 0.0
    ScheduledWeightDecay(0.5).apply(trainer, 1)
    assert net.weight.data().asnumpy().tolist() == [1.0, -2.0]
    net.weight.lr_mult = 0.5
    ScheduledWeightDecay(0.5).apply(trainer, 1)
    np.testing.assert_allclose(net.weight.data().asnumpy(), np.array([1.0, -2.0]) * 0.975, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "refused"), [("float16", True), ("float32", False)])
def test_scheduled_decay_refuses_the_copies_of_float16_weights(dtype, refused):
    net = gluon.nn.Dense(1, in_units=2, dtype=dtype)
    net.initialize(mx.init.One())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "multi_precision": True})
    if refused:
        with pytest.raises(UsageError, match="multi_precision"):
            ScheduledWeightDecay(0.5).apply(trainer, 1)
    else:
        ScheduledWeightDecay(0.5).apply(trainer, 1)
        assert net.weight.data().asnumpy() == pytest.approx(0.95)


def test_scheduled_decay_needs_a_momentum_below_one():
    _, trainer = bowl("sgd", learning_rate=0.1, momentum=1.0)
    with pytest.raises(UsageError, match="momentum is 1"):
        ScheduledWeightDecay(0.5).apply(trainer, 1)


def test_scheduled_decay_waits_for_weights_whose_shapes_are_not_known():
    net = gluon.nn.Dense(2)
    net.initialize()
    ScheduledWeightDecay(0.5).apply(gluon.Trainer(net.collect_params(), "sgd"), 1)
    assert not net.weight.shape[1]


@pytest.mark.parametrize("name", ["sgd", "nag", "plainsgd", "ccsgd"])
def test_every_momentum_with_the_rate_inside_is_rescaled(name):
    import gluon_lr.optimizers  # noqa: F401

    net, trainer = bowl(name, momentum=0.9, lr_scheduler=s.StepScheduler(2, 0.1, 0.1))
    steps(net, trainer, 1)
    before = trainer._updaters[0].states[0].asnumpy().copy()
    RescaleMomentum().apply(trainer, 2)
    np.testing.assert_allclose(trainer._updaters[0].states[0].asnumpy(), before * 0.1, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["lr_scheduler", "rescale_grad", "num_update", "create_state", "lr_mult", "update", "multi_precision"]
)
def test_what_is_no_number_of_the_optimizers_own_is_not_set(name):
    _, trainer = bowl("sgd", learning_rate=0.1)
    before = dict(vars(trainer.optimizer))
    with pytest.raises(UsageError, match=f"SGD has no {name} that could be set"):
        HyperparameterSchedule(name, 0.5).apply(trainer, 1)
    assert vars(trainer.optimizer) == before


def test_a_schedule_of_the_rate_or_of_a_momentum_that_is_not_there_is_refused():
    _, trainer = bowl("sgd", lr_scheduler=s.CosineScheduler(10, 0.1))
    for name in ("lr", "learning_rate"):
        with pytest.raises(UsageError, match="the trainer has a scheduler"):
            HyperparameterSchedule(name, 0.5).apply(trainer, 1)
    net, trainer = bowl("sgd", learning_rate=0.1)
    steps(net, trainer, 1)
    with pytest.raises(UsageError, match="build it with one above 0"):
        HyperparameterSchedule("momentum", 0.9).apply(trainer, 2)
