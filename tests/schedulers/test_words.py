"""What the words of other libraries lead to, and what ``help`` and the command say of a policy."""

import inspect
import pydoc

import numpy as np
import pytest
from conftest import run_module

from gluon_lr import schedulers as s
from gluon_lr.errors import UsageError
from gluon_lr.schedulers.__main__ import NAMES, parse_schedule


@pytest.mark.parametrize(
    ("kind", "word", "ours"),
    [
        (s.CosineScheduler, "eta_min", "final_lr"),
        (s.CosineScheduler, "min_lr", "final_lr"),
        (s.CosineScheduler, "T_max", "max_update"),
        (s.CosineScheduler, "total_steps", "max_update"),
        (s.CosineScheduler, "max_epochs", "max_update"),
        (s.CosineScheduler, "lr", "base_lr"),
        (s.CosineScheduler, "learning_rate", "base_lr"),
        (s.SquareRootScheduler, "base_lr", "lr"),
        (s.OneCycleScheduler, "lr", "max_lr"),
        (s.OneCycleScheduler, "total_steps", "max_update"),
        (s.OneCycleScheduler, "pct_start", "rise"),
        (s.OneCycleScheduler, "div_factor", "initial_divisor"),
        (s.OneCycleScheduler, "final_div_factor", "final_divisor"),
        (s.OneCycleScheduler, "anneal_strategy", "curve"),
        (s.OneCycleMomentumScheduler, "max_momentum", "high"),
        (s.OneCycleMomentumScheduler, "base_momentum", "low"),
        (s.ExponentialScheduler, "gamma", "factor"),
        (s.StepScheduler, "gamma", "factor"),
        (s.StepScheduler, "step_size", "step"),
        (s.StepScheduler, "steps", "step"),
        (s.MultiStepScheduler, "milestones", "steps"),
        (s.MultiStepScheduler, "step", "steps"),
        (s.PiecewiseConstantScheduler, "milestones", "boundaries"),
        (s.PiecewiseConstantScheduler, "values", "rates"),
        (s.FactorScheduler, "min_lr", "stop_factor_lr"),
        (s.CosineWarmRestartsScheduler, "T_0", "first_cycle"),
        (s.CosineWarmRestartsScheduler, "T_mult", "multiplier"),
        (s.CyclicScheduler, "step_size_up", "up"),
        (s.CyclicScheduler, "step_size_down", "down"),
        (s.CyclicScheduler, "step_size", "up"),
        (s.CyclicScheduler, "gamma", "decay"),
        (s.PolynomialScheduler, "pwr", "power"),
        (s.WarmupScheduler, "warmup_steps", "warmup"),
        (s.WarmupScheduler, "warmup_epochs", "warmup"),
        (s.WarmupScheduler, "scheduler", "schedule"),
        (s.WarmupScheduler, "warmup_begin_lr", "begin_lr"),
        (s.WarmupScheduler, "warmup_mode", "mode"),
        (s.WarmupStableDecayScheduler, "warmup_steps", "warmup"),
        (s.InverseSquareRootScheduler, "num_warmup_steps", "warmup"),
        (s.ChainScheduler, "schedulers", "schedules"),
        (s.PerEpochScheduler, "steps_per_epoch", "updates_per_epoch"),
        (s.ClipScheduler, "min_lr", "low"),
        (s.FunctionScheduler, "lr_lambda", "function"),
    ],
)
def test_the_words_of_other_libraries_lead_to_ours(kind, word, ours):
    assert ours in inspect.signature(kind.__init__).parameters
    with pytest.raises(UsageError) as caught:
        kind(**{word: 1})
    text = f"{kind.__name__} has no argument {word!r}: it is called {ours} here"
    assert str(caught.value).split(", in updates")[0] == text
    assert str(caught.value).endswith("within a PerEpochScheduler") == ("epochs" in word)


def test_other_words_are_answered_with_what_there_is():
    with pytest.raises(UsageError, match=r"it takes max_update, base_lr, final_lr$"):
        s.CosineScheduler(10, verbose=True)
    with pytest.raises(UsageError, match=r"has no argument 'mode': it takes step, factor, base_lr$"):
        s.StepScheduler(10, mode="min")
    with pytest.raises(
        UsageError, match=r"around it, as in WarmupScheduler\(CosineScheduler\(\.\.\.\), warmup=\.\.\.\)"
    ):
        s.CosineScheduler(10, warmup_steps=3)


def test_a_subclass_of_ones_own_takes_its_own_arguments():
    class Mine(s.Scheduler):
        def __init__(self, eta_min):
            self.eta_min = eta_min

        def __call__(self, num_update):
            return self.eta_min

    assert Mine(eta_min=0.5)(3) == 0.5

    class Loose(s.CosineScheduler):
        def __init__(self, **kwargs):
            super().__init__(kwargs["T_max"])

    assert Loose(T_max=5).max_update == 5


def test_help_is_about_the_schedule_and_not_about_mxnets():
    for name in [*NAMES, "ForeignScheduler", "FunctionScheduler", "Scheduler"]:
        text = pydoc.plain(pydoc.render_doc(getattr(s, name)))
        for theirs in ("upper bound of the number of updates", "warmup_begin_lr", "Parameters\n", "must override"):
            assert theirs not in text, (name, theirs)
        assert "Methods inherited from mxnet" not in text
        assert "The rate after ``num_update`` updates" in text
    with pytest.raises(UsageError, match="WarmupScheduler around it"):
        s.CosineScheduler(5).get_warmup_lr(1)
    with pytest.raises(TypeError, match="does not say"):
        s.Scheduler()(1)


def test_values_wants_a_count():
    assert s.ConstantScheduler(1).values(np.int64(2)).tolist() == [1.0, 1.0]
    assert s.ConstantScheduler(1).values(0).shape == (0,)
    for wrong in (-1, 2.5, "3", None):
        with pytest.raises(UsageError, match="n is"):
            s.ConstantScheduler(1).values(wrong)


@pytest.mark.parametrize(
    ("name", "arguments", "count"),
    [
        ("one-cycle", ["max_update=4"], 5),
        ("cosine", ["max_update=4.5"], 6),
        ("multi-step", ["steps=[3, 7]"], 8),
        ("warmup", ["schedule=0.5", "warmup=6"], 7),
        ("constant", [], 100),
        ("square-root", [], 100),
    ],
)
def test_a_schedule_is_printed_to_its_end(name, arguments, count):
    schedule, rates = parse_schedule(name, arguments)
    assert rates == schedule.values(count).tolist()
    assert len(parse_schedule(name, arguments, 3)[1]) == 3


def test_the_command_prints_a_whole_cycle_and_refuses_an_endless_one():
    done = run_module("gluon_lr.schedulers", "one-cycle", "max_update=4")
    assert done.stdout.splitlines()[-1] == f"4,{s.OneCycleScheduler(4)(4)!r}"
    assert len(done.stdout.splitlines()) == 6
    for length, ends in (("1e6", True), ("999_999", False)):
        arguments = [f"max_update={length}"]
        if ends:
            with pytest.raises(UsageError, match="--n how many"):
                parse_schedule("linear", arguments)
        else:
            assert len(parse_schedule("linear", arguments)[1]) == 1_000_000
    with pytest.raises(UsageError, match="it is called final_lr here"):
        parse_schedule("cosine", ["max_update=4", "eta_min=0"])
