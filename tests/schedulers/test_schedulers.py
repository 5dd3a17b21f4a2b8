"""Schedules as whole curves, against expected arrays and MXNet's own."""

import copy
import pickle
from dataclasses import dataclass

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import lr_scheduler

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.schedulers import (
    ConstantScheduler,
    FactorScheduler,
    ForeignScheduler,
    PerEpochScheduler,
    SquareRootScheduler,
    pure,
)
from gluon_lr.studies.chapter.experiment import READINGS, RUNS, chapter_scheduler, drawn_rates, trained_scheduler

T = np.arange(40)
COSINE = 0.01 + 0.49 * (1 + np.cos(np.pi * T / 40)) / 2
DRAWN = {
    "constant": np.full(40, 0.5),
    "square-root": (T + 1.0) ** -0.5,
    "multi-factor": 0.5 * 0.5 ** ((T > 15).astype(int) + (T > 30)),
    "cosine": COSINE,
    "cosine-warmup": np.where(T < 5, 0.1 * T, 0.01 + 0.49 * (1 + np.cos(np.pi * (T - 5) / 35)) / 2),
}


@pytest.mark.parametrize("run", RUNS)
def test_the_chapters_drawings(run):
    np.testing.assert_allclose(drawn_rates(run), DRAWN[run], rtol=1e-14)


@pytest.mark.parametrize("run", RUNS[1:])
def test_the_three_readings_use_these_rates(run):
    """Update t = 1 … 9400 of a training, 235 an epoch."""
    t = np.arange(1, 9401)
    curve = DRAWN[run]
    beyond = {"square-root": (t + 1.0) ** -0.5, "multi-factor": np.where(t > 30, 0.125, np.where(t > 15, 0.25, 0.5))}
    if run.startswith("cosine"):
        warm = 5 if run.endswith("warmup") else 0
        cosine = 0.01 + 0.49 * (1 + np.cos(np.pi * (np.minimum(t, 40) - warm) / (40 - warm))) / 2
        beyond[run] = np.where(t < warm, 0.1 * t, cosine)
    expected = {
        "per-update": beyond[run],
        "as-printed": np.full(9400, 0.125) if run == "multi-factor" else beyond[run],
        "per-epoch": np.repeat(curve, 235),
    }
    for reading in READINGS[:3]:  # the fourth is of warmup alone
        scheduler = trained_scheduler(run, reading, 235)
        np.testing.assert_allclose([scheduler(int(i)) for i in t], expected[reading], rtol=1e-12, err_msg=reading)


def test_a_factor_scheduler_has_the_values_that_the_chapters_has_in_sequence():
    rate, sequence = 2.0, []
    for _ in range(60):
        rate = max(1e-2, rate * 0.9)
        sequence.append(rate)
    ours = FactorScheduler(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0)
    np.testing.assert_allclose(ours.values(60), sequence, rtol=1e-13)
    assert (FactorScheduler().factor, FactorScheduler().stop_factor_lr, FactorScheduler().base_lr) == (1, 1e-7, 0.1)


def test_square_root_values_and_default():
    np.testing.assert_allclose(SquareRootScheduler().values(5), 0.1 / np.sqrt([1, 2, 3, 4, 5]), rtol=1e-15)


def test_drawing_changes_nothing():
    for scheduler in (
        SquareRootScheduler(1.0),
        FactorScheduler(0.9),
        PerEpochScheduler(chapter_scheduler("cosine"), 3),
    ):
        before = pickle.dumps(scheduler)
        values = scheduler.values(50)
        assert pickle.dumps(scheduler) == before
        order = np.random.default_rng(0).permutation(50)
        assert [scheduler(int(t)) for t in order] == values[order].tolist()


def test_a_foreign_scheduler_is_made_pure_and_left_alone():
    theirs = lr_scheduler.MultiFactorScheduler([3, 6], 0.5, base_lr=1.0)
    ours = pure(theirs)
    assert [ours(t) for t in (10, 0, 5, 10)] == [0.25, 1.0, 0.5, 0.25]
    assert theirs.base_lr == 1.0
    theirs(100)
    assert ours(0) == 1.0
    assert pickle.loads(pickle.dumps(ours)) == ours == pure(lr_scheduler.MultiFactorScheduler([3, 6], 0.5, base_lr=1.0))
    assert hash(ours) == hash(copy.deepcopy(ours))
    assert "MultiFactorScheduler" in repr(ours)
    assert isinstance(ours, ForeignScheduler)


def test_what_pure_accepts():
    assert pure(0.3) == ConstantScheduler(0.3)
    with pytest.raises(UsageError, match="no schedule"):
        pure("cosine")


def test_per_epoch_counts_as_mxnet_does():
    schedule = PerEpochScheduler(chapter_scheduler("multi-factor"), 235)
    assert schedule(0) == schedule(1) == schedule(16 * 235) == 0.5
    assert schedule(16 * 235 + 1) == 0.25
    with pytest.raises(UsageError, match="updates_per_epoch"):
        PerEpochScheduler(SquareRootScheduler(), 0)


def test_a_schedule_is_immutable_but_for_mxnets_own_habit(caplog):
    schedule = SquareRootScheduler(1.0)
    with pytest.raises(AttributeError, match="immutable"):
        schedule.lr = 2.0
    mx.optimizer.create("adam", lr_scheduler=schedule)
    assert schedule(0) == 1.0
    assert "without effect" in caplog.text


@dataclass
class Halving(s.Scheduler):
    """A user's own schedule, with MXNet's name for its first argument and no default for it."""

    base_lr: float
    every: int = 2

    def __call__(self, num_update):
        return self.base_lr * 0.5 ** (num_update // self.every)


def test_a_schedule_of_ones_own_may_require_base_lr(caplog):
    for kind in (Halving, dataclass(unsafe_hash=True)(type("Again", (Halving,), {}))):
        schedule = kind(0.4, every=3)
        assert [schedule(t) for t in (0, 3, 6)] == [0.4, 0.2, 0.1]
        assert "base_lr=0.4" in repr(schedule)
        with pytest.raises(TypeError, match="base_lr"):
            kind()
        for other in (copy.deepcopy(schedule), kind(base_lr=0.4, every=3)):
            assert other == schedule
            assert other.base_lr == 0.4
        assert s.WarmupScheduler(schedule, 2).base_lr == 0.4
        mx.optimizer.Adam(lr_scheduler=schedule)
        assert "without effect" in caplog.text
        assert schedule.base_lr == 0.4 == schedule(0)
        caplog.clear()
    assert pickle.loads(pickle.dumps(Halving(0.4))) == Halving(0.4)


def test_base_lr_kept_by_hand_is_refused_with_the_cure():
    class ByHand(s.Scheduler):
        def __init__(self, base_lr):
            self.base_lr = base_lr

        def __call__(self, num_update):
            return self.base_lr

    with pytest.raises(UsageError, match=r"ByHand.*dataclass.*base_lr: float"):
        ByHand(0.3)


def test_set_learning_rate_as_the_chapter_shows_it():
    net = mx.gluon.nn.Dense(1)
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    trainer.set_learning_rate(0.1)
    assert f"Learning rate is now {trainer.learning_rate:.2f}" == "Learning rate is now 0.10"


def test_an_unknown_run_or_reading_is_named():
    with pytest.raises(UsageError, match="cosine-warmup"):
        chapter_scheduler("cosin")
    with pytest.raises(UsageError, match="per-epoch"):
        trained_scheduler("cosine", "per-week", 235)


def test_ours_agree_with_mxnets_where_both_have_one():
    """MXNet drops a rate one update after the number it is given, and its factor scheduler begins a factor later than
    the chapter's, which decays at its first call."""
    t = range(1, 60)
    pairs = [
        (lr_scheduler.CosineScheduler(40, 0.5, 0.01), s.CosineScheduler(40, 0.5, 0.01), 0),
        (lr_scheduler.PolyScheduler(40, 0.5, 3, 0.01), s.PolynomialScheduler(40, 3, 0.5, 0.01), 0),
        (lr_scheduler.MultiFactorScheduler([15, 30], 0.5, 0.5), s.MultiStepScheduler([16, 31], 0.5, 0.5), 0),
        (lr_scheduler.FactorScheduler(7, 0.5, 1e-8, 1.0), s.StepScheduler(7, 0.5, 1.0), -1),
        (lr_scheduler.FactorScheduler(1, 0.9, 1e-2, 2.0), FactorScheduler(0.9, 1e-2, 2.0), -2),
    ]
    for theirs, ours, shift in pairs:
        expected = [theirs(i) for i in t if i + shift >= 0]
        np.testing.assert_allclose([ours(i + shift) for i in t if i + shift >= 0], expected, rtol=1e-12)
    theirs = lr_scheduler.CosineScheduler(40, 0.5, 0.01, warmup_steps=5)
    ours = s.WarmupScheduler(s.CosineScheduler(35, 0.5, 0.01), 5)  # MXNet counts the warmup in, ours comes on top
    np.testing.assert_allclose([ours(i) for i in t], [theirs(i) for i in t], rtol=1e-12)


@pytest.mark.parametrize("kind", ["PolyScheduler", "CosineScheduler"])
def test_mxnets_schedulers_stay_at_their_end_though_asked_out_of_order(kind):
    """Asked first beyond its end, MXNet's own object returns its base rate; asked in order, its final one."""
    make = getattr(mx.lr_scheduler, kind)
    own = make(max_update=10, base_lr=1.0, final_lr=0.1)
    in_order = [own(t) for t in range(25)]
    wrapped = pure(make(max_update=10, base_lr=1.0, final_lr=0.1))
    assert [wrapped(t) for t in reversed(range(25))] == in_order[::-1]
    assert wrapped(1000) == in_order[-1] == pytest.approx(0.1)


def test_within_epochs_a_warmup_begins_with_the_first_update():
    """A warmup of two epochs of four updates, then a line down over three, at every update, counted both ways."""
    shape = s.WarmupScheduler(s.LinearScheduler(3, 0.8, 0.2), warmup=2)
    by_epoch, by_update = s.PerEpochScheduler(shape, 4), s.PerEpochScheduler(shape, 4, every="update")
    updates = range(1, 21)
    assert [by_epoch(t) for t in updates] == pytest.approx([0.0] * 4 + [0.4] * 4 + [0.8] * 4 + [0.6] * 4 + [0.4] * 4)
    assert [by_update(t) for t in updates] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, *(0.8 - 0.05 * np.arange(1, 13))]
    )
    assert (by_epoch.length, by_update.length) == (21, 20)
    for schedule in (by_epoch, by_update):
        assert schedule(schedule.length) == pytest.approx(0.2)
        assert schedule(schedule.length - 1e-6) != schedule(schedule.length)
    assert by_update(0) == by_epoch(0) == shape(0) == 0
    assert s.PerEpochScheduler(s.SquareRootScheduler(), 4, every="update").length is None
    assert s.PerEpochScheduler(s.SquareRootScheduler(), 4).length is None
    assert s.PerEpochScheduler(s.LinearScheduler(2.5, 1.0), 4, every="update").length == 10
    assert s.PerEpochScheduler(s.LinearScheduler(2.5, 1.0), 4).length == 13
    assert s.PerEpochScheduler(shape, 4) == s.PerEpochScheduler(shape, 4, "epoch") != by_update


@given(st.integers(1, 1000), st.integers(0, 300))
def test_the_last_update_of_an_epoch_has_the_next_whole_epochs_rate(n, epoch):
    shape = s.TimeBasedScheduler(0.5, 1.0)
    assert s.PerEpochScheduler(shape, n, every="update")((epoch + 1) * n) == shape(epoch + 1)
    assert (
        s.PerEpochScheduler(shape, n)(epoch * n + 1) == s.PerEpochScheduler(shape, n)((epoch + 1) * n) == shape(epoch)
    )


def test_a_trainer_warms_up_within_the_first_epoch():
    net = mx.gluon.nn.Dense(1, in_units=1)
    net.initialize()
    schedule = s.PerEpochScheduler(s.WarmupScheduler(0.5, warmup=2), 2, every="update")
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": schedule})
    rates = [trainer.learning_rate]
    for _ in range(5):
        with mx.autograd.record():
            value = net(mx.nd.ones((1, 1))).sum()
        value.backward()
        trainer.step(1)
        rates.append(trainer.learning_rate)
    assert rates == [0, 0.125, 0.25, 0.375, 0.5, 0.5]
