"""What else is scheduled, against steps computed by hand; and the same numbers after a stop at any update."""

import json
import math
import pickle
import pydoc

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, init

from gluon_lr import schedulers as s
from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.experiments.run import seed_everything
from gluon_lr.finder import AutoLRS
from gluon_lr.finder.autolrs import forecast
from gluon_lr.hyper import (
    HyperparameterSchedule,
    ReduceOnPlateau,
    RescaleMomentum,
    ScheduledBatches,
    ScheduledWeightDecay,
    grow_batch_instead,
)
from gluon_lr.nets import mlp
from gluon_lr.optimizers import AdamW, AdaptiveHeavyBall
from gluon_lr.state import load, save
from gluon_lr.training import train

CURVATURE = np.array([1.0, 4.0])


class Bowl(gluon.nn.Block):
    """½·Σ cᵢ·wᵢ²: a quadratic whose gradient is c·w."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(2,), init=init.Constant(mx.nd.array([1.0, -2.0])))

    def forward(self, _):
        return 0.5 * (mx.nd.array(CURVATURE) * self.weight.data() ** 2).sum()


def bowl(optimizer, **rule):
    net = Bowl()
    net.initialize()
    net.weight.set_data(mx.nd.array([1.0, -2.0]))
    return net, gluon.Trainer(net.collect_params(), optimizer, rule)


def steps(net, trainer, count, schedules=(), first=1):
    """The weights after each of ``count`` updates."""
    path = []
    for t in range(first, first + count):
        for schedule in schedules:
            schedule.apply(trainer, t)
        with autograd.record():
            value = net(None)
        value.backward()
        trainer.step(1)
        path.append(net.weight.data().asnumpy().astype(float))
    return np.array(path)


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


def test_plateau_by_hand():
    rate = ReduceOnPlateau(s.LinearScheduler(100, 1.0), factor=0.5, patience=1, cooldown=2, least=0.2)
    told = [rate.observe(x) for x in [5, 4, 4, 4, 4, 4, 4, 4, float("nan"), 4, 4, 4, 4, 3.9, 4]]
    assert told == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2]
    assert rate(50) == 0.5 * 0.2
    assert [ReduceOnPlateau(1.0, 0.5, 0).observe(x) for x in (math.inf, math.nan, -math.inf)] == [0.5, 0.5, 1.0]
    accuracy = ReduceOnPlateau(1.0, factor=0.5, patience=0, larger_is_better=True)
    assert [accuracy.observe(x) for x in (0.1, 0.2, 0.2, 0.3)] == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize("name", ["learning_rate", "wd", "momentum"])
def test_a_hyperparameter_follows_what_watches_the_training(name):
    """Ours, and a user's own: after each observation the next update has the new value."""

    class Own:
        def __init__(self):
            self.value = 0.8

        def __call__(self, t):
            return self.value

        def observe(self, loss):
            self.value /= 2

    for watching in (ReduceOnPlateau(0.8, factor=0.5, patience=0), Own()):
        trainer = bowl("sgd", learning_rate=9.0, momentum=0.9)[1]
        schedule = HyperparameterSchedule(name, watching)
        watching.observe(float("nan")) if isinstance(watching, ReduceOnPlateau) else watching.observe(1.0)
        schedule.apply(trainer, 1)
        seen = [getattr(trainer.optimizer, "lr" if name == "learning_rate" else name)]
        watching.observe(float("nan")) if isinstance(watching, ReduceOnPlateau) else watching.observe(1.0)
        schedule.apply(trainer, 2)
        seen.append(getattr(trainer.optimizer, "lr" if name == "learning_rate" else name))
        assert seen == [0.4, 0.2]
        assert schedule.schedule is watching
        assert hash(schedule) == hash(HyperparameterSchedule(name, watching))


def test_a_hyperparameter_has_a_copy_of_what_only_follows_t():
    theirs = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=0.8)
    schedule = HyperparameterSchedule("wd", theirs)
    theirs(100)
    trainer = bowl("sgd", learning_rate=0.1)[1]
    schedule.apply(trainer, 3)
    assert trainer.optimizer.wd == 0.4
    for wrong in (5, None, theirs):
        with pytest.raises(UsageError, match="expected that of one of the optimizer's numbers"):
            HyperparameterSchedule(wrong, 0.5)
    with pytest.raises(UsageError, match="among its schedules"):
        HyperparameterSchedule("wd", HyperparameterSchedule("wd", 0.1))


def test_a_plateau_over_a_plateau_follows_both():
    loss = ReduceOnPlateau(s.LinearScheduler(10, 1.0), factor=0.5, patience=0)
    accuracy = ReduceOnPlateau(loss, factor=0.1, patience=0, larger_is_better=True)
    assert accuracy.schedule is loss
    [loss.observe(x) for x in (1.0, 1.0)]
    assert accuracy(5) == 0.25
    [accuracy.observe(x) for x in (0.5, 0.4)]
    assert accuracy(5) == pytest.approx(0.025)
    assert loss(5) == 0.25
    assert accuracy.base_lr == 1.0


def test_what_a_plateau_is_given_is_checked(caplog):
    for arguments, says in (
        ({"factor": 0}, "factor is 0: expected a number of more than 0 and less than 1"),
        ({"factor": 1}, "factor is 1: expected"),
        ({"factor": "0.5"}, "factor is '0.5' .str.: expected"),
        ({"patience": 1.5}, "patience is 1.5: expected a whole number of at least 0"),
        ({"patience": -1}, "patience is -1"),
        ({"cooldown": -1}, "cooldown is -1: expected a whole number"),
        ({"threshold": -1e-9}, "threshold is -1e-09"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"least": -0.1}, "least is -0.1: expected a number of at least 0"),
        ({"least": math.inf}, "least is inf: expected a finite number"),
        ({"larger_is_better": "max"}, "larger_is_better is 'max' .str.: expected True or False"),
        ({"mode": "max"}, "no argument 'mode': larger_is_better=True stands for mode='max'"),
        ({"min_lr": 1e-3}, "no argument 'min_lr': the smallest multiplier is called least here"),
        ({"min_delta": 1}, "no argument 'min_delta': it is called threshold here"),
        ({"monitor": "loss"}, "no argument 'monitor': call observe"),
        ({"verbose": True}, "no argument 'verbose': it takes schedule, factor, patience, threshold, cooldown"),
    ):
        with pytest.raises(UsageError, match=says):
            ReduceOnPlateau(1.0, **arguments)
    with pytest.raises(UsageError, match="it is called schedule here"):
        ReduceOnPlateau(lr=0.1)
    plateau = ReduceOnPlateau(1.0, np.float32(0.5), np.int64(0), 0, np.array(0), least=mx.nd.array([0.25]))
    assert (plateau.factor, plateau.patience, plateau.cooldown, plateau.least) == (0.5, 0, 0, 0.25)
    assert repr(plateau) == "ReduceOnPlateau(ConstantScheduler(base_lr=1.0), factor=0.5, patience=0)"
    told = [plateau.observe(x) for x in (np.float32(2), mx.nd.array([2.0]), np.array(2.0), 2)]
    assert told == [1.0, 0.5, 0.25, 0.25]
    for wrong in ("2", None, True, [1.0, 2.0]):
        with pytest.raises(UsageError, match="expected the watched value, a number"):
            plateau.observe(wrong)
    with pytest.raises(UsageError, match=r"call observe\(value\)"):
        plateau.step(1.0)
    with pytest.raises(UsageError, match=r"ReduceOnPlateau\(WarmupScheduler"):
        plateau.get_warmup_lr(1)
    text = pydoc.plain(pydoc.render_doc(ReduceOnPlateau))
    assert "upper bound of the number of updates" not in text
    assert "Methods inherited from mxnet" not in text


def test_no_optimizer_writes_its_rate_into_a_plateau(caplog):
    class Own:
        live = True

        def __call__(self, t):
            return 0.5

    for inner in (0.5, ReduceOnPlateau(0.5), Own()):
        caplog.clear()
        plateau = ReduceOnPlateau(inner)
        mx.optimizer.create("adam", lr_scheduler=plateau)
        assert plateau(3) == plateau.base_lr == 0.5
        assert "without effect" in caplog.text
        caplog.clear()
        plateau.base_lr = 0.5
        assert caplog.text == ""


def test_a_buffer_is_rescaled_under_mxnets_schedule_and_not_under_one_that_watches():
    rates = [0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125]
    net, trainer = bowl("sgd", momentum=0.9, lr_scheduler=mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1))
    w, u, expected = np.array([1.0, -2.0]), np.zeros(2), []
    for rate in rates:
        u = 0.9 * u + CURVATURE * w
        w = w - rate * u
        expected.append(w)
    np.testing.assert_allclose(steps(net, trainer, 7, [RescaleMomentum()]), expected, rtol=1e-5, atol=1e-6)
    net, trainer = bowl("sgd", momentum=0.9, lr_scheduler=ReduceOnPlateau(0.1))
    with pytest.raises(UsageError, match="ReduceOnPlateau no longer knows once it fell: leave RescaleMomentum out"):
        steps(net, trainer, 1, [RescaleMomentum()])


def test_sizes_of_batches_are_whole_numbers_of_at_least_one():
    images, labels = np.zeros((8, 1), np.uint8), np.arange(8)
    for sizes in ([0.5, 4], [0, 4], [2.5, 4]):
        with pytest.raises(UsageError, match=r"the batch size of epoch 0 is .*: expected a whole number of at least 1"):
            ScheduledBatches(images, labels, s.PiecewiseConstantScheduler([1], sizes))
    batches = ScheduledBatches(images, labels, s.PiecewiseConstantScheduler([1], [4, 1.5]))
    assert len(batches) == 2
    batches.epoch = 1
    for act in (lambda: len(batches), lambda: iter(batches)):
        with pytest.raises(UsageError, match=r"the batch size of epoch 1 is 1\.5"):
            act()
    for arguments, says in (((0, 5), "batch_size is 0"), ((2.5, 5), "batch_size is 2.5"), ((2, "5"), "largest is '5'")):
        with pytest.raises(UsageError, match=says):
            grow_batch_instead(0.5, *arguments)
    one, other = (grow_batch_instead(s.StepScheduler(2, 0.5), np.int64(16), 50) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert " at 0x" not in repr(one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one[0](0) == 16
    assert grow_batch_instead(s.LinearScheduler(4, 1.0), 5, 5)[0].values(6).tolist() == [5.0] * 6


def test_batches_grow_where_the_rate_would_fall():
    rate = s.StepScheduler(2, 0.5, base_lr=0.8)
    sizes, rates = grow_batch_instead(rate, 16, 50)
    assert sizes.values(8).tolist() == [16, 16, 32, 32, 50, 50, 50, 50]
    np.testing.assert_allclose(rates.values(8) / sizes.values(8), rate.values(8) / 16)
    batches = ScheduledBatches(np.zeros((100, 1), np.uint8), np.arange(100), sizes, shuffle=True, seed=3)
    plain = ArrayBatches(np.zeros((100, 1), np.uint8), np.arange(100), 16, shuffle=True, seed=3)
    for epoch in range(5):
        batches.epoch = plain.epoch = epoch
        assert len(batches) == -(-100 // int(sizes(epoch)))
        served = [y.asnumpy().astype(int) for _, y in batches]
        assert len(served[0]) == sizes(epoch)
        assert np.concatenate(served).tolist() == plain.order(epoch).tolist()


def test_a_batch_in_parts_is_the_same_update(fashion):
    ends = []
    for at_once in (None, 64, 50):
        seed_everything(0)
        net = mlp((8,))
        net.initialize(init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        batches = ArrayBatches(fashion[0][:512], fashion[1][:512], 128, shuffle=True)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        history = train(net, batches, batches, 2, loss, trainer, mx.cpu(), at_once=at_once)
        assert history.updates == [4, 4]
        ends.append(history.train_loss)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)
    np.testing.assert_allclose(ends[0], ends[2], rtol=1e-5)


def test_forecasts_of_curves_that_are_known():
    x = np.arange(200)
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    assert forecast(1.0 + np.exp(-0.02 * x) + noise, 2000) == pytest.approx(1.0, abs=0.05)
    spiked = 1.0 + np.exp(-0.02 * x) + noise
    spiked[::50] += 3.0
    assert forecast(spiked, 2000) == pytest.approx(1.0, abs=0.2)
    assert forecast([2.0, float("nan")], 100) == 1e3
    assert forecast([2.0, 1.5], 100) == 1.5
    assert math.isfinite(forecast(np.linspace(1, 2, 50), 500))


class Nothing:
    """A loader for a net that needs no data."""

    epoch = 0

    def __iter__(self):
        return iter([(mx.nd.zeros((1, 1)), mx.nd.zeros((1,)))])


def search(net, **kwargs):
    return AutoLRS(net, Nothing(), lambda output, y: output, mx.cpu(), **kwargs)


def test_autolrs_finds_a_good_rate_on_a_bowl(tmp_path):
    """Curvatures 1 and 4: gradient descent diverges from 0.5 on and is fastest at 0.4."""
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, low=1e-3, high=2.0, first_stage=100, longest_stage=200, log_path=tmp_path / "log.jsonl")
    path = steps(net, trainer, 300, [found])
    assert len(found.candidates) == 20
    assert 0.05 < found.rates[0] < 0.5
    assert np.abs(path[99]).max() < 0.05
    assert [found.stage_at(t) for t in (1, 100, 101, 300, 301)] == [
        (0, 1, 100), (0, 1, 100), (1, 101, 200), (1, 101, 200), (2, 301, 200)
    ]  # fmt: skip
    assert trainer.optimizer.num_update == 300
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [c["rate"] for c in logged] == [c.rate for c in found.candidates]
    assert [c["rate"] for c in logged if c["chosen"]] == found.rates


def test_autolrs_leaves_between_trials_no_trace():
    """All candidates of a stage start from the same loss; and what is trained is what its rates alone would train."""
    net, trainer = bowl("sgd", learning_rate=1.0, momentum=0.5)
    found = search(net, first_stage=20, longest_stage=20, trials=5)
    path = steps(net, trainer, 40, [found])
    assert {c.losses[0] for c in found.candidates if c.stage == 0} == {8.5}
    other, other_trainer = bowl("sgd", learning_rate=1.0, momentum=0.5)
    rates = HyperparameterSchedule("learning_rate", s.PiecewiseConstantScheduler([21], found.rates))
    np.testing.assert_array_equal(steps(other, other_trainer, 40, [rates]), path)


def test_autolrs_judges_by_validation_once_stages_are_longest():
    net, trainer = bowl("sgd", learning_rate=1.0)
    found = search(net, first_stage=10, longest_stage=20, trials=4, validate=lambda net: 7.0)
    steps(net, trainer, 30, [found])
    assert [c.forecast == 7.0 for c in found.candidates] == [False] * 4 + [True] * 4


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
        (lambda: AutoLRS(net, Empty(), loss, mx.cpu()).apply(trainer, 1), "trials is empty"),
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
