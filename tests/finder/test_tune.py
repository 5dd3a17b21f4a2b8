"""``LRFinder.tune`` leaves no trace, keeps to its budget, tries the whole schedule, and says what it found."""

import itertools
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon, lr_scheduler
from small import drawn, everything, net_with_batchnorm, updates
from test_finder import RULES_OF_STEP, assert_identical, train_search_train

from gluon_lr import CosineScheduler, Learner, LRFinder, OneCycleScheduler, StepScheduler
from gluon_lr.errors import UsageError
from gluon_lr.finder.trials import losses_at
from gluon_lr.finder.tuning import LADDER, TrialSetup, checked, rates_of

T = 320  # updates: enough for a curve and four trials of sixty


def tuned(net, trainer, batches, contexts=None, **arguments):
    learner = Learner(net, batches, contexts or mx.cpu(), trainer=trainer)
    return LRFinder(learner).tune(T, progress=False, **arguments)


def sgd(net, **params):
    return gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05, **params})


def whole(front_end, rule, scheduled, hybridize, count):
    contexts = [mx.cpu(i) for i in range(count)]

    def search(net, trainer, batches):
        found = tuned(net, trainer, batches, contexts)
        assert len(found.trials) >= 3

    case = (front_end, rule, scheduled, hybridize, contexts)
    assert_identical(train_search_train(*case, disturb=search), train_search_train(*case, disturb=lambda *_: None))


@pytest.mark.parametrize("rule", RULES_OF_STEP, ids=[r[0] for r in RULES_OF_STEP])
def test_tuning_leaves_no_trace(front_end, rule):
    whole(front_end, rule, rule[0] != "adam", rule[0] == "adam", 1 + (rule[0] == "sgd"))


@pytest.mark.slow
@pytest.mark.parametrize("rule", [*RULES_OF_STEP, ("rmsprop", {})], ids=["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("scheduled", [False, True], ids=["plain", "scheduled"])
@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize("count", [1, 2], ids=["one", "two"])
def test_tuning_leaves_no_trace_in_any_configuration(front_end, rule, scheduled, hybridize, count):
    whole(front_end, rule, scheduled, hybridize, count)


@pytest.mark.fault
@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [0, 1, 7, 25, 60, 61, 100, 150, 200])
def test_neither_does_one_that_is_cut_short(raised, at):
    """In the curve, between it and the trials, and within each of them."""

    def disturb(net, trainer, batches):
        plain, calls = gluon.loss.SoftmaxCrossEntropyLoss(), itertools.count()

        def loss(output, label):
            if next(calls) == at:
                raise raised("cut short")
            return plain(output, label)

        with pytest.raises(raised, match="cut short"):
            LRFinder(Learner(net, batches, mx.cpu(), loss, trainer)).tune(T, progress=False)

    case = ("nd", RULES_OF_STEP[1], True, False, [mx.cpu()])
    assert_identical(train_search_train(*case, disturb=disturb), train_search_train(*case, disturb=lambda *_: None))


def test_with_a_seed_what_follows_does_not_depend_on_the_dropout_of_the_trials():
    def train(search):
        mx.random.seed(1)
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(16, activation="relu"), gluon.nn.Dropout(0.5), gluon.nn.Dense(3))
        net.initialize(mx.init.Xavier())
        batches = drawn()
        net(next(iter(batches))[0])
        batches.epoch = 0
        trainer = sgd(net)
        before = updates(net, trainer, batches, 3, [mx.cpu()])
        if search:
            tuned(net, trainer, batches, seed=5)
        else:
            mx.random.seed(5)
        return [*before, *updates(net, trainer, batches, 3, [mx.cpu()])], everything(net, trainer)

    assert_identical(train(True), train(False))


def counted(learner):
    """The learner, and a list to which every update's rate is added."""
    rates, original = [], learner.iteration

    def iteration(lr=None, take_step=True):
        rates.append(lr)
        return original(lr, take_step)

    learner.iteration = iteration
    return learner, rates


@pytest.mark.parametrize(
    ("budget", "candidates"), [(0.1, 8), (0.3, 8), (0.65, 8), (1.0, 2), (1.0, 3), (1.3, 8), (3.0, 8), (9.0, 3)]
)
def test_it_never_spends_more_than_its_budget_and_says_what_it_spent(budget, candidates):
    net = net_with_batchnorm()
    learner, rates = counted(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)))
    found = LRFinder(learner).tune(T, budget=budget, candidates=candidates, progress=False)
    assert len(rates) == found.updates_spent <= budget * T
    assert len(found.trials) <= candidates
    assert all(trial.updates <= T for trial in found.trials), "no trial is longer than the training"
    if budget >= 1:
        assert len(found.trials) >= 2
        assert found.low <= found.lr <= found.high
    else:
        assert not found.trials
        assert "updates is too small for trials" in found.how


@pytest.mark.parametrize(("budget", "steps", "searches"), [(0.1, 1.3, 1), (0.4, 1.2, 1), (0.65, 1.2, 2), (1.0, 1.3, 1)])
def test_a_budget_too_small_for_trials_buys_a_better_curve(budget, steps, searches):
    net = net_with_batchnorm()
    learner, rates = counted(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)))
    found = LRFinder(learner).tune(T, budget=budget, progress=False)
    of_curve = rates[: found.updates_spent - sum(len(trial.losses) for trial in found.trials)]
    assert of_curve[1] / of_curve[0] == pytest.approx(steps)
    assert of_curve.count(of_curve[0]) == searches, "each search begins at the same rate"


def test_trials_are_made_from_the_same_state_on_the_same_batches():
    net = net_with_batchnorm()
    found = tuned(net, sgd(net), drawn())
    assert len({trial.losses[0] for trial in found.trials}) == 1, "the first loss is before any update"
    assert len({trial.rate for trial in found.trials}) == len(found.trials)
    again = tuned(net, sgd(net), drawn())
    assert [trial.losses for trial in again.trials] == [trial.losses for trial in found.trials]


def test_a_trial_runs_the_whole_schedule_in_its_own_length():
    net = net_with_batchnorm()
    learner, rates = counted(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)))
    found = LRFinder(learner).tune(T, schedule=lambda lr, n: CosineScheduler(n, lr), progress=False)
    begin = len(rates) - sum(len(trial.losses) for trial in found.trials)
    for trial in found.trials:
        n = trial.updates
        wanted = [CosineScheduler(n, trial.rate)(t) for t in range(1, n + 1)]
        done = len(trial.losses)  # fewer where it exploded
        assert rates[begin : begin + done] == wanted[:done]
        begin += done
    assert "Longer trainings" not in found.how, "nothing is allowed for where the whole schedule was tried"
    assert rates_of(lambda lr, n: lr, 0.3, 4) == [0.3] * 4, "a number is a schedule too"


def test_updates_may_be_named_and_everything_else_has_to_be():
    net = net_with_batchnorm()
    finder = LRFinder(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)))
    assert finder.tune(updates=T, budget=0.2, progress=False).updates == T
    with pytest.raises(TypeError):
        finder.tune(T, None)


def test_validation_decides_where_it_is_given():
    def pick(validation):
        net = net_with_batchnorm()
        return tuned(net, sgd(net), drawn(), validation=validation)

    found = pick(None)
    aim, rates = found.lr / 3, []

    def near(net):
        return (math.log(rates.pop() / aim)) ** 2

    net = net_with_batchnorm()
    learner, seen = counted(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)))
    rates = seen  # the last one is the trial's
    by_function = LRFinder(learner).tune(T, validation=near, progress=False)
    scores = {trial.rate: trial.score for trial in by_function.trials}
    assert min(scores, key=scores.get) < found.lr / 1.5, "whatever the losses say"
    batches = drawn()
    by_batches = pick(list(batches))
    for trial in by_batches.trials:
        net = net_with_batchnorm()
        learner = Learner(net, drawn(), mx.cpu(), trainer=sgd(net))
        losses_at(learner, [trial.rate] * trial.updates, math.isnan)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        values = np.concatenate([loss(net(X), y).asnumpy() for X, y in batches])
        assert trial.score == pytest.approx(values.mean(), rel=1e-5)


class Explodes:
    """A learner whose loss falls with the rate up to an edge, above which it explodes."""

    def __init__(self, edge, first=2.0):
        self.net = net_with_batchnorm()
        self.trainer = sgd(self.net)
        self.edge, self.first, self.t, self.calls = edge, first, 0, 0

    def batches_of_its_own(self):
        self.t = 0
        return mx.AttrScope()  # any context manager that does nothing

    def iteration(self, lr=None, take_step=True):
        self.t, self.calls = self.t + 1, self.calls + 1
        if lr > self.edge and self.t > 3:
            return math.inf
        return self.first / (1 + lr * self.t)


def test_an_exploded_trial_ends_at_once_and_counts_as_worst():
    learner = Explodes(0.1)
    found = LRFinder(learner).tune(2000, progress=False)
    lost = [trial for trial in found.trials if trial.outcome == "exploded"]
    assert lost
    assert all(len(trial.losses) < 10 for trial in lost)
    assert found.updates_spent == learner.calls, "updates that were not made are not spent"
    assert found.lr <= max(trial.rate for trial in found.trials if trial.outcome == "finished") < 0.2


def test_where_every_trial_explodes_there_is_no_rate():
    found = LRFinder(Explodes(1e-9)).tune(2000, progress=False)
    assert not found
    assert found.lr is None
    assert "look at the net" in found.reason


@pytest.mark.parametrize(
    ("updates_", "arguments", "says"),
    [
        (9, {}, "updates is 9: expected a whole number of at least 10"),
        (20.5, {}, "updates is 20.5"),
        (T, {"budget": 0}, "budget is 0: expected a finite number above 0"),
        (T, {"budget": math.inf}, "budget is inf"),
        (T, {"budget": 0.001}, "expected at least 2"),
        (T, {"candidates": 1}, "candidates is 1"),
        (T, {"seed": -1}, "seed is -1"),
        (T, {"schedule": CosineScheduler(T, 0.1)}, "expected a function of a rate and a number of updates"),
        (T, {"schedule": "cosine"}, "expected a function of a rate"),
        (T, {"schedule": CosineScheduler}, "expected a function of a rate and a number of updates"),
        (T, {"schedule": StepScheduler}, "expected a function of a rate and a number of updates"),
        (T, {"schedule": lr_scheduler.CosineScheduler}, "expected a function of a rate and a number of updates"),
        (T, {"schedule": lambda lr, n: OneCycleScheduler(lr, n)}, "the same rates for 0.1 and 0.2 over 320 updates"),
        (T, {"schedule": lambda lr, n: CosineScheduler(lr, n)}, "no rate above 0 for a rate of 0.1 over 320 updates"),
        (T, {"schedule": lambda lr: lr}, "schedule does not give a scheduler"),
        (T, {"schedule": lambda lr, n: "cosine"}, "is no schedule: expected a scheduler"),
        (T, {"validation": 3}, "validation is int: expected a function of the net that gives a loss, or batches"),
        (T, {"validation": lambda net: "good"}, "the validation loss is 'good'"),
    ],
)
def test_bad_input_is_refused_and_the_net_is_as_it_was(updates_, arguments, says):
    net = net_with_batchnorm()
    trainer = sgd(net)
    learner = Learner(net, drawn(), mx.cpu(), trainer=trainer)
    before = everything(net, trainer)
    with pytest.raises(UsageError, match=says):
        LRFinder(learner).tune(updates_, progress=False, **arguments)
    assert_identical(([], before), ([], everything(net, trainer)))


def test_a_loss_that_is_nan_from_the_first_update_and_a_loader_that_ends_are_told():
    net = net_with_batchnorm()
    trainer = sgd(net)
    before = everything(net, trainer)
    plain = gluon.loss.SoftmaxCrossEntropyLoss()
    broken = Learner(net, drawn(), mx.cpu(), lambda output, y: plain(output, y) * math.nan, trainer)
    with pytest.raises(UsageError, match="the loss of the first update is not finite"):
        LRFinder(broken).tune(T, progress=False)
    ends = Learner(net, (batch for batch in list(drawn()) * 20), mx.cpu(), trainer=trainer)
    with pytest.raises(UsageError, match="the loader is empty, or a generator"):
        LRFinder(ends).tune(T, progress=False)
    assert_identical(([], before), ([], everything(net, trainer)))


def test_the_state_is_on_disk_while_it_runs(tmp_path):
    net = net_with_batchnorm()
    path, there = tmp_path / "state.npz", []
    plain = gluon.loss.SoftmaxCrossEntropyLoss()

    def loss(output, label):
        there.append(path.exists())
        return plain(output, label)

    LRFinder(Learner(net, drawn(), mx.cpu(), loss, sgd(net))).tune(T, snapshot_file=path, progress=False)
    assert all(there)
    assert not path.exists()


def test_a_rate_for_one_cycle_is_not_the_rate_for_a_constant():
    """One-cycle is at its rate for an instant only."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(64, 20)).astype("float32") * np.logspace(0, -1, 20, dtype="float32")
    y = X @ draw.normal(size=(20, 1)).astype("float32")

    def best(schedule):
        mx.random.seed(0)
        net = gluon.nn.Dense(1, use_bias=False, in_units=20)
        net.initialize(mx.init.Zero())
        batches = [(mx.nd.array(X), mx.nd.array(y))]
        learner = Learner(net, batches, mx.cpu(), gluon.loss.L2Loss(), sgd(net))
        return LRFinder(learner).tune(400, schedule=schedule, budget=3.0, progress=False).lr

    assert best(lambda lr, n: OneCycleScheduler(n, lr)) > 1.1 * best(None)


class Told:
    """A learner whose losses were said beforehand; its net learns nothing."""

    def __init__(self, losses):
        self.net = net_with_batchnorm()
        self.trainer = sgd(self.net)
        self.losses, self.rates = list(losses), []

    def iteration(self, lr=None, take_step=True):
        self.rates.append(lr)
        return self.losses[len(self.rates) - 1]


def attempted(losses, validation=None, updates_=None):
    ticks = []
    task = TrialSetup(Told(losses), None, validation, 0, lambda: ticks.append(1))
    trial = task.attempt(0.5, updates_ or len(losses))
    assert len(ticks) == len(trial.losses)
    return trial


def test_a_trial_explodes_where_its_loss_rises_by_more_than_a_hundred_times_the_first():
    assert attempted([2.0, 202.0, 3.0]).score == 3.0
    assert attempted([2.0, 202.1, 3.0]).losses == (2.0, 202.1)
    assert attempted([-2.0, 198.0, 3.0]).score == 3.0
    assert attempted([-2.0, 198.1, 3.0]).outcome == "exploded"
    assert attempted([0.0, 100.0, 3.0]).score == 3.0, "of a loss that begins at 0 by more than a hundred"
    assert attempted([0.0, 100.1, 3.0]).score == math.inf
    assert attempted([2.0, 201.0, 202.1]).outcome == "exploded", "the first loss counts, and not the one before"
    assert attempted([2.0, -math.inf, 3.0]).losses == (2.0, -math.inf)


def test_validation_judges_a_trial_that_came_to_its_end_and_only_such_a_one():
    asked = []

    def judge(net):
        asked.append(net)
        return math.nan if len(asked) == 2 else 7.0

    assert attempted([2.0, 1.0, 3.0], judge).score == 7.0
    assert attempted([2.0, 1.0, 3.0], judge).score == math.inf, "a loss that is not a number is as bad as can be"
    assert attempted([2.0, math.inf, 3.0], judge).score == math.inf
    assert len(asked) == 2


def test_without_a_suggestion_the_trials_begin_at_a_tenth_of_the_last_rate():
    learner = Explodes(1e-9)
    found = LRFinder(learner).tune(2000, progress=False)
    assert found.trials[0].rate == LRFinder(Explodes(1e-9)).find(lr_multiplier=LADDER, progress=False)[-1][0] / 10
    assert found.trials[1].rate == found.trials[0].rate / 2
    assert f"all {len(found.trials)} trials exploded, the least rate was" in found.reason
    assert found.how == "nothing to read off"
    assert (found.low, found.high) == (None, None)


def test_the_least_that_is_allowed_is_taken():
    asked = checked(None, 10, None, 0.25, 2, None, None)
    assert (asked.updates, asked.allowed, asked.candidates, asked.seed) == (10, 2, 2, None)
    assert checked(None, 10, None, 1, 2, None, 0).seed == 0
    assert checked(None, 1000, None, 1.5, 2, None, None).allowed == 1500


def test_a_first_batch_with_hardly_any_loss_does_not_make_the_others_explosions():
    net = gluon.nn.Dense(1, in_units=2)
    net.initialize(mx.init.Zero())
    X = [mx.nd.random.normal(shape=(8, 2)) for _ in range(20)]
    batches = [(x, 0.001 * x[:, :1] if i == 0 else x[:, :1] - x[:, 1:]) for i, x in enumerate(X)]
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    found = LRFinder(Learner(net, batches, mx.cpu(), gluon.loss.L2Loss(), trainer)).tune(600, progress=False)
    assert found.lr is not None
    assert {trial.outcome for trial in found.trials} == {"finished"}


def test_a_class_that_takes_a_rate_and_a_number_of_updates_is_such_a_function():
    class Falling(lr_scheduler.LRScheduler):
        def __init__(self, lr, updates):
            super().__init__(lr)
            self.updates = updates

        def __call__(self, num_update):
            return self.base_lr * (1 - num_update / (2 * self.updates))

    net = net_with_batchnorm()
    request = checked(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)), T, Falling, 1, 4, None, None)
    assert rates_of(request.schedule, 0.5, 2) == [0.375, 0.25]
    held = lambda lr, n: CosineScheduler(n, min(lr, 0.05))  # noqa: E731
    assert checked(Learner(net, drawn(), mx.cpu(), trainer=sgd(net)), T, held, 1, 4, None, None).schedule is held
