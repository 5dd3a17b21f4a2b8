"""A trainer's schedule goes on where it was: MXNet's, GluonCV's, and plain classes of a user's own."""

import logging
import threading
from collections import deque

import mxnet as mx
import numpy as np
import pytest
from mxnet import lr_scheduler
from small import assert_same, made, state, work

from gluon_lr.errors import RecordError
from gluon_lr.hyper import HyperparameterSchedule, ReduceOnPlateau
from gluon_lr.schedulers import CosineScheduler, ExponentialScheduler, FunctionScheduler
from gluon_lr.state import capture, load, preserved, restore, save


class Sawtooth:
    """A plain schedule that notes how often it was asked."""

    def __init__(self, period, peak=0.5):
        self.period, self.peak, self.asked = period, peak, 0

    def __call__(self, t):
        self.asked += 1
        return self.peak * (1 - t % self.period / self.period)


class Delayed:
    """A plain schedule around another, with state of every kind that a schedule may have."""

    def __init__(self, inner, delay):
        self.inner, self.delay = inner, delay
        self.recent, self.seen, self.mean = deque(maxlen=3), set(), np.zeros(1)
        self.factors = {"slow": [0.5], "fast": (1.0,)}
        self.rule = lambda t: max(t - self.delay, 0)

    def __call__(self, t):
        rate = self.inner(self.rule(t)) * self.factors["slow"][0]
        self.recent.append(rate)
        self.seen.add(t)
        self.mean += rate
        self.factors["slow"][0] *= 0.9
        return rate


def described(schedule):
    inner = schedule.inner
    numbers = schedule.delay, inner.period, inner.peak, inner.asked, float(schedule.mean[0])
    return numbers, list(schedule.recent), set(schedule.seen), schedule.factors["slow"][0]


def with_schedule(schedule):
    return made("sgd", {"lr_scheduler": schedule, "learning_rate": None})


def carried(first, second, in_memory, path):
    if in_memory:
        restore(capture(*first), *second)
    else:
        save(path, *first)
        load(path, *second)


@pytest.mark.parametrize("from_file", [False, True])
def test_a_schedule_in_a_schedule_is_put_back_at_every_depth(from_file, tmp_path):
    inner, rule_of = Sawtooth(4), None
    schedule = Delayed(inner, 1)
    rule_of, recent = schedule.rule, schedule.recent
    net, trainer = with_schedule(schedule)
    work(net, trainer, 0, 2)
    before = described(schedule)
    with preserved(net, trainer, path=tmp_path / "s.npz" if from_file else None):
        work(net, trainer, 2, 5)
        inner.period = 9
        schedule.inner, schedule.rule, schedule.recent = Sawtooth(7), None, deque()
        schedule.added = 1
        trainer.optimizer.lr_scheduler = None
    assert described(schedule) == before
    assert before[0][3] > 0
    assert (schedule.inner, schedule.rule, schedule.recent) == (inner, rule_of, recent)
    assert schedule.recent is recent
    assert not hasattr(schedule, "added")
    assert trainer.optimizer.lr_scheduler is schedule


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_schedule_of_plain_classes_goes_on_in_another_trainer(in_memory, tmp_path):
    first = with_schedule(Delayed(Sawtooth(4), 1))
    work(*first, 0, 3)
    own = Delayed(Sawtooth(4), 1)
    second = with_schedule(own)
    carried(first, second, in_memory, tmp_path / "s.npz")
    schedule = first[1].optimizer.lr_scheduler
    assert second[1].optimizer.lr_scheduler is own
    assert described(own) == described(schedule)
    assert own.recent.maxlen == 3
    np.testing.assert_array_equal(work(*second, 3, 6), work(*first, 3, 6))
    assert described(own) == described(schedule)
    assert own.inner is not schedule.inner


def test_a_circle_of_objects_ends(tmp_path):
    schedule, own = Sawtooth(4), Sawtooth(4)
    schedule.itself, own.itself = schedule, own
    first, second = with_schedule(schedule), with_schedule(own)
    work(*first, 0, 2)
    carried(first, second, False, tmp_path / "s.npz")
    assert own.asked == schedule.asked > 0
    assert own.itself is own
    with preserved(*first):
        schedule.asked = schedule.itself = None
    assert schedule.asked == own.asked
    assert schedule.itself is schedule


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (Delayed(CosineScheduler(9, 0.5), 1), "scheduler.inner Sawtooth, not CosineScheduler"),
        (Sawtooth(4), "scheduler Delayed, not Sawtooth"),
        (None, "scheduler Delayed, not None"),
    ],
    ids=["another inside", "another", "none"],
)
@pytest.mark.parametrize("in_memory", [True, False])
def test_another_schedule_is_refused_at_every_depth_and_nothing_changed(own, said, in_memory, tmp_path):
    first, second = with_schedule(Delayed(Sawtooth(4), 1)), with_schedule(own)
    work(*first, 0, 2)
    before = state(second[0])
    with pytest.raises(RecordError, match=said):
        carried(first, second, in_memory, tmp_path / "s.npz")
    assert_same(state(second[0]), before)
    assert second[1].optimizer.num_update == 0


def test_a_schedule_that_this_one_has_not_made_yet_is_refused(tmp_path):
    first, second = with_schedule(Delayed(Sawtooth(4), 1)), with_schedule(Delayed(Sawtooth(4), 1))
    first[1].optimizer.lr_scheduler.more = [Sawtooth(2)]
    with pytest.raises(RecordError, match=r"scheduler\.more"):
        carried(first, second, False, tmp_path / "s.npz")
    second[1].optimizer.lr_scheduler.more = []
    with pytest.raises(RecordError, match=r"1 schedules in scheduler\.more"):
        carried(first, second, False, tmp_path / "s.npz")


def test_what_a_file_cannot_hold_is_named_with_the_remedy(tmp_path):
    schedule = Delayed(Sawtooth(4), 1)
    schedule.inner.lock = threading.Lock()
    net, trainer = with_schedule(schedule)
    with pytest.raises(RecordError, match=r"a lock .*scheduler\.inner\.lock.*FunctionScheduler"):
        save(tmp_path / "s.npz", net, trainer)
    assert not (tmp_path / "s.npz").exists()
    net, trainer = with_schedule(FunctionScheduler(lambda t: 0.5 / (t + 1)))
    save(tmp_path / "s.npz", net, trainer)


def test_a_function_and_a_pure_schedule_may_be_another_when_a_training_goes_on(tmp_path):
    for before, after in (
        (CosineScheduler(10, 0.5), CosineScheduler(20, 0.5)),
        (lambda t: 0.5 / t, lambda t: 0.25 / t),
    ):
        first, second = with_schedule(before), with_schedule(after)
        work(*first, 0, 2)
        carried(first, second, False, tmp_path / "s.npz")
        assert second[1].learning_rate == after(2) != before(2)


MXNETS = {
    "factor": lambda **changed: lr_scheduler.FactorScheduler(**{"step": 2, "factor": 0.5, "base_lr": 0.5, **changed}),
    "multifactor": lambda **changed: lr_scheduler.MultiFactorScheduler(
        **{"step": [2, 4], "factor": 0.5, "base_lr": 0.5, **changed}
    ),
    "polynomial": lambda **changed: lr_scheduler.PolyScheduler(**{"max_update": 6, "base_lr": 0.5, **changed}),
    "cosine": lambda **changed: lr_scheduler.CosineScheduler(**{"max_update": 6, "base_lr": 0.5, **changed}),
}


@pytest.mark.parametrize("name", MXNETS)
@pytest.mark.parametrize("done", [3, 8])
def test_mxnets_own_go_on_where_they_were(name, done, tmp_path):
    first, second = with_schedule(MXNETS[name]()), with_schedule(MXNETS[name]())
    work(*first, 0, done)
    carried(first, second, False, tmp_path / "s.npz")
    ours, theirs = first[1].optimizer.lr_scheduler, second[1].optimizer.lr_scheduler
    assert vars(ours) == vars(theirs)
    assert theirs.base_lr != 0.5
    for step in range(done, done + 3):
        np.testing.assert_array_equal(work(*second, step, step + 1), work(*first, step, step + 1))
        assert first[1].learning_rate == second[1].learning_rate


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("factor", {"step": 5}, "step is 2 there and 5 here"),
        ("factor", {"factor": 0.9}, "factor is 0.5 there and 0.9 here"),
        ("factor", {"stop_factor_lr": 0.1}, "stop_factor_lr"),
        ("factor", {"base_lr": 0.4}, "warmup_final_lr is 0.5 there and 0.4 here"),
        ("multifactor", {"step": [2, 5]}, r"step is \[2, 4\] there and \[2, 5\] here"),
        ("polynomial", {"max_update": 60}, "max_update is 6 there and 60 here"),
        ("polynomial", {"pwr": 3}, "power is 2 there and 3 here"),
        ("cosine", {"max_update": 60}, "max_update is 6 there and 60 here"),
        ("cosine", {"final_lr": 0.1}, "final_lr is 0 there and 0.1 here"),
        ("cosine", {"base_lr": 0.4}, "base_lr_orig is 0.5 there and 0.4 here"),
        ("cosine", {"warmup_steps": 2}, "warmup_steps is 0 there and 2 here"),
        ("cosine", {"warmup_mode": "constant"}, "warmup_mode is 'linear' there and 'constant' here"),
    ],
)
def test_mxnets_own_with_other_settings_are_refused_by_name(name, changed, said, in_memory, tmp_path):
    first, second = with_schedule(MXNETS[name]()), with_schedule(MXNETS[name](**changed))
    work(*first, 0, 3)
    before = state(second[0]), dict(vars(second[1].optimizer.lr_scheduler))
    with pytest.raises(RecordError, match=said):
        carried(first, second, in_memory, tmp_path / "s.npz")
    assert_same(state(second[0]), before[0])
    assert vars(second[1].optimizer.lr_scheduler) == before[1]


def test_settings_that_a_block_changed_are_put_back(tmp_path):
    scheduler = MXNETS["cosine"]()
    net, trainer = with_schedule(scheduler)
    for path in (None, tmp_path / "s.npz"):
        with preserved(net, trainer, path=path):
            scheduler.max_update = 60
        assert scheduler.max_update == 6


def test_a_longer_one_of_gluoncv_is_refused_too(tmp_path):
    from gluoncv.utils import LRScheduler, LRSequential

    def sequence(length):
        parts = [LRScheduler("linear", 0.1, 0.5, niters=3), LRScheduler("cosine", base_lr=0.5, niters=length)]
        return LRSequential(parts)

    first, second, longer = (with_schedule(sequence(length)) for length in (6, 6, 60))
    work(*first, 0, 4)
    carried(first, second, False, tmp_path / "s.npz")
    np.testing.assert_array_equal(work(*second, 4, 6), work(*first, 4, 6))
    with pytest.raises(RecordError, match="count is 9 there and 63 here"):
        load(tmp_path / "s.npz", *longer)


def test_other_arguments_of_a_users_class_are_said(tmp_path, caplog):
    """Nobody can tell a user's settings from numbers that change: the saved schedule goes on as a whole."""
    first, same, other = (with_schedule(Delayed(Sawtooth(period), 1)) for period in (4, 4, 8))
    work(*first, 0, 2)
    with caplog.at_level(logging.WARNING, logger="gluon_lr.state"):
        carried(first, same, False, tmp_path / "s.npz")
        assert not caplog.records
        load(tmp_path / "s.npz", *other)
    assert "scheduler.inner (Sawtooth) goes on as it was saved: period is 4 there and 8 here" in caplog.text
    assert other[1].optimizer.lr_scheduler.inner.period == 4


def test_a_base_rate_that_fell_is_not_taken_for_another_argument(tmp_path, caplog):
    class Falling:
        def __init__(self, base_lr):
            self.base_lr = base_lr

        def __call__(self, t):
            self.base_lr *= 0.9
            return self.base_lr

    first, second = (with_schedule(Falling(0.5)) for _ in range(2))
    work(*first, 0, 2)
    carried(first, second, False, tmp_path / "s.npz")
    assert second[1].optimizer.lr_scheduler.base_lr == first[1].optimizer.lr_scheduler.base_lr < 0.5
    assert not caplog.records


def test_a_plateau_goes_on_in_another_process_objects(tmp_path):
    first, second = (
        with_schedule(ReduceOnPlateau(ExponentialScheduler(0.5, 0.9), factor=0.5, patience=1)) for _ in range(2)
    )
    ours, theirs = (pair[1].optimizer.lr_scheduler for pair in (first, second))
    for loss in (3.0, 3.0, 3.0, 3.0):
        ours.observe(loss)
    work(*first, 0, 2)
    carried(first, second, False, tmp_path / "s.npz")
    assert (theirs.multiplier, theirs.best, theirs.stalled) == (0.5, 3.0, 1)
    assert second[1].learning_rate == first[1].learning_rate
    assert theirs.observe(3.0) == 0.25
    assert ours.multiplier == 0.5


def test_arrays_in_a_schedule_are_put_back_in_place():
    class Running:
        def __init__(self):
            self.mean = mx.nd.zeros(1)

        def __call__(self, t):
            self.mean += t
            return 0.1

    schedule = Running()
    net, trainer = with_schedule(schedule)
    mean = schedule.mean
    with preserved(net, trainer):
        schedule.mean = mean + 7
        mean += 1
    assert schedule.mean is mean
    assert mean.asscalar() == 0


def stalled(times, peak=1.0):
    plateau = ReduceOnPlateau(peak, factor=0.5, patience=0)
    for _ in range(times):
        plateau.observe(1.0)
    return plateau


class Falling:
    """A plain schedule that watches the training."""

    live = True

    def __init__(self):
        self.rate = 1.0

    def __call__(self, t):
        return self.rate

    def observe(self, loss):
        self.rate *= loss


def test_a_users_own_schedule_that_watches_is_kept_too(tmp_path):
    (net, _), first, second = made(), Falling(), Falling()
    first.observe(0.5)
    save(tmp_path / "kept", net, also=[first, HyperparameterSchedule("wd", first)])
    load(tmp_path / "kept", net, also=[second, HyperparameterSchedule("wd", second)])
    assert second(3) == 0.5


@pytest.mark.parametrize("wrap", [lambda plateau: plateau, lambda plateau: HyperparameterSchedule("wd", plateau)])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_schedule_beside_the_trainer_goes_on_too(wrap, in_memory, tmp_path):
    (net, _), first, second = made(), stalled(3), stalled(0)
    if in_memory:
        restore(capture(net, also=[wrap(first)]), net, also=[wrap(second)])
    else:
        save(tmp_path / "kept", net, also=[wrap(first)])
        load(tmp_path / "kept", net, also=[wrap(second)])
    assert (second.multiplier, second.best) == (first.multiplier, first.best) == (0.25, 1.0)
    for plateau in (first, second):
        plateau.observe(2.0)
    assert second(0) == first(0) == 0.125


@pytest.mark.parametrize("from_file", [False, True])
def test_what_such_a_schedule_saw_in_a_block_is_undone(from_file, tmp_path):
    (net, trainer), plateau = made(), stalled(3)
    holder = HyperparameterSchedule("wd", plateau)
    with preserved(net, trainer, path=tmp_path / "kept" if from_file else None, also=[holder]):
        plateau.observe(9.0)
        assert plateau.multiplier == 0.125
    assert holder.schedule is plateau
    assert plateau.multiplier == 0.25


def test_a_schedule_within_another_object_is_kept_too(tmp_path):
    class Holder:
        def __init__(self, plateau):
            self.parts = [plateau]

    (net, _), first, second = made(), stalled(3), stalled(0)
    save(tmp_path / "kept", net, also=[Holder(first), [first]])
    load(tmp_path / "kept", net, also=[Holder(second), [second]])
    assert second.multiplier == 0.25
    kept = capture(net, also=[Holder(second)])
    second.observe(2.0)
    restore(kept, net, also=[Holder(second)])
    assert second.multiplier == 0.25


def test_such_a_schedule_is_refused_where_it_is_another_or_none(tmp_path):
    net, _ = made()
    save(tmp_path / "kept", net, also=[stalled(3)])
    for also in ([], [HyperparameterSchedule("wd", stalled(0))]):
        with pytest.raises(RecordError, match=r"also\[0\]|the snapshot was saved with the also\[0\]"):
            load(tmp_path / "kept", net, also=also)
