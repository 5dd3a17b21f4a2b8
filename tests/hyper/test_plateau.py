"""What watches the training: a rate that falls on a plateau, and what follows it."""

import math
import pydoc

import mxnet as mx
import numpy as np
import pytest
from bowl import CURVATURE, bowl, steps

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.hyper import (
    HyperparameterSchedule,
    ReduceOnPlateau,
    RescaleMomentum,
)


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
    assert (
        repr(plateau)
        == "ReduceOnPlateau(ConstantScheduler(base_lr=1.0), factor=0.5, patience=0, threshold=0, least=0.25)"
    )
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


def test_every_observation_uses_up_the_cooldown():
    """As PyTorch's rule does, written out here: an improvement during the cooldown uses it up too."""
    plateau = ReduceOnPlateau(1.0, factor=0.5, patience=1, cooldown=2)
    found = [plateau.observe(value) for value in (3, 3, 3, 2.5, 2.4, 2.4, 2.4, 2.4, 2.4, 2.4)]
    assert found == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_a_least_multiplier_that_would_raise_the_rate_is_refused():
    with pytest.raises(UsageError, match=r"least is 2\.0: expected a number of at least 0 and at most 1"):
        ReduceOnPlateau(0.1, least=2.0)
