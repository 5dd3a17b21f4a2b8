"""The finder leaves no trace, always stops, and says what it found and why."""

import itertools
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, lr_scheduler
from small import drawn, everything, net_with_batchnorm, updates

from gluon_lr.errors import UsageError
from gluon_lr.finder import RULES, Learner, LRFinder, LRFinderStoppingCriteria
from gluon_lr.finder.rules import momentum_of
from gluon_lr.optimizers import AdamW
from gluon_lr.schedulers import CosineScheduler
from gluon_lr.state import load

RULES_OF_STEP = [("sgd", {"learning_rate": 0.05, "momentum": 0.9}), ("adam", {}), (AdamW.__name__.lower(), {"wd": 0.1})]


def train_search_train(front_end, rule, scheduled, hybridize, contexts, disturb):
    """Train 4, let ``disturb`` happen, train 4: every loss and the whole end state."""
    net = net_with_batchnorm(contexts, hybridize)
    name, params = rule
    if scheduled:
        params = {**params, "lr_scheduler": CosineScheduler(20, 0.05)}
        params.pop("learning_rate", None)
    trainer = gluon.Trainer(net.collect_params(), name, dict(params))
    batches = drawn()
    first = updates(net, trainer, batches, 4, contexts)
    references = trainer.optimizer, trainer.optimizer.lr_scheduler
    disturb(net, trainer, batches)
    assert references == (trainer.optimizer, trainer.optimizer.lr_scheduler)
    second = updates(net, trainer, batches, 4, contexts)
    return [*first, *second], everything(net, trainer)


def assert_identical(one, other):
    for a, b in zip(one[0], other[0]):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one[1][0], other[1][0]):
        np.testing.assert_array_equal(a, b)
    assert one[1][1:] == other[1][1:]


@pytest.mark.parametrize("rule", RULES_OF_STEP, ids=[r[0] for r in RULES_OF_STEP])
@pytest.mark.parametrize("scheduled", [False, True], ids=["plain", "scheduled"])
@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize("count", [1, 2], ids=["one", "two"])
def test_a_search_leaves_no_trace(front_end, rule, scheduled, hybridize, count):
    contexts = [mx.cpu(i) for i in range(count)]

    def search(net, trainer, batches):
        found = LRFinder(Learner(net, batches, contexts, trainer=trainer)).find(1e-4, 1.3, progress=False)
        assert len(found) >= 20

    case = (front_end, rule, scheduled, hybridize, contexts)
    assert_identical(train_search_train(*case, disturb=search), train_search_train(*case, disturb=lambda *_: None))


def cut_short(raised, where, at, contexts):
    """What a search does to a training when its loader or loss raises at call ``at``."""
    calls = itertools.count()

    def raise_in_time(place):
        if place == where and next(calls) == at:
            raise raised("cut short")

    def disturb(net, trainer, batches):
        plain = gluon.loss.SoftmaxCrossEntropyLoss()

        def loss(output, label):
            raise_in_time("loss")
            return plain(output, label)

        class Loader:
            def __iter__(self):
                for batch in batches:
                    raise_in_time("loader")
                    yield batch

        with pytest.raises(raised, match="cut short"):
            LRFinder(Learner(net, Loader(), contexts, loss, trainer)).find(1e-4, 1.3, max_updates=12, progress=False)
        batches.epoch = 1

    return disturb


@pytest.mark.fault
@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["loader", "loss"])
@pytest.mark.parametrize("at", range(12))
def test_neither_does_one_that_is_cut_short(raised, where, at):
    contexts = [mx.cpu()]
    case = ("nd", RULES_OF_STEP[1], True, False, contexts)
    assert_identical(
        train_search_train(*case, disturb=cut_short(raised, where, at, contexts)),
        train_search_train(*case, disturb=lambda *_: None),
    )


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("rule", RULES_OF_STEP, ids=[r[0] for r in RULES_OF_STEP])
@pytest.mark.parametrize("scheduled", [False, True], ids=["plain", "scheduled"])
@pytest.mark.parametrize("hybridize", [False, True], ids=["eager", "hybrid"])
@pytest.mark.parametrize("count", [1, 2], ids=["one", "two"])
def test_nor_in_any_other_configuration(front_end, rule, scheduled, hybridize, count):
    contexts = [mx.cpu(i) for i in range(count)]
    case = (front_end, rule, scheduled, hybridize, contexts)
    undisturbed = train_search_train(*case, disturb=lambda *_: None)
    for at in range(12):
        assert_identical(
            train_search_train(*case, disturb=cut_short(KeyboardInterrupt, "loss", at, contexts)), undisturbed
        )


def test_nor_does_ctrl_c_inside_mxnets_own_bookkeeping(monkeypatch):
    """An interrupt between the two switches of ``autograd.record()`` leaves the first one on."""
    calls, original = itertools.count(), autograd.set_training

    def interrupted(training):
        if training and next(calls) == 12:
            raise KeyboardInterrupt
        return original(training)

    def search(net, trainer, batches):
        learner = Learner(net, batches, mx.cpu(), None, trainer)
        with monkeypatch.context() as patch:
            patch.setattr(autograd, "set_training", interrupted)
            with pytest.raises(KeyboardInterrupt):
                LRFinder(learner).find(1e-3, 1.5, progress=False)
        assert not autograd.is_recording()
        assert not autograd.is_training()

    case = ("nd", RULES_OF_STEP[0], False, False, [mx.cpu()])
    assert_identical(train_search_train(*case, disturb=search), train_search_train(*case, disturb=lambda *_: None))


def test_gradients_that_add_up_are_those_of_one_batch():
    def searched(grad_req):
        net = net_with_batchnorm()
        for parameter in net.collect_params().values():
            if parameter.grad_req != "null":
                parameter.grad_req = grad_req
        return LRFinder(Learner(net, drawn(), mx.cpu())).find(1e-3, 1.3, progress=False)

    assert searched("add") == searched("write")


def test_what_a_loss_learns_is_put_back_too():
    plain, factor = gluon.loss.SoftmaxCrossEntropyLoss(), gluon.Parameter("factor", shape=(1,), init=mx.init.One())
    factor.initialize()
    net, moved = net_with_batchnorm(), []

    def loss(output, label):
        moved.append(factor.data().asscalar())
        return plain(output, label) * factor.data()

    trainer = gluon.Trainer({**net.collect_params(), "factor": factor}, "sgd", {"learning_rate": 0.1})
    LRFinder(Learner(net, drawn(), mx.cpu(), loss, trainer)).find(1e-3, 1.5, progress=False)
    assert moved[-1] != 1
    assert factor.data().asscalar() == 1


def test_the_learner_goes_on_where_it_was_in_its_data():
    def losses(searching):
        learner = Learner(net_with_batchnorm(), drawn(), mx.cpu())
        first = [learner.iteration(0.1) for _ in range(2)]
        if searching:
            LRFinder(learner).find(1e-3, 1.5, progress=False)
        return first + [learner.iteration(0.1) for _ in range(6)]

    assert losses(True) == losses(False)


def test_a_search_keeps_the_state_on_disk_where_asked(tmp_path):
    """Also for whoever comes after a kill: in mid-search the file restores the net."""
    path, contexts, restored = tmp_path / "state.npz", [mx.cpu()], []

    def search(net, trainer, batches):
        plain = gluon.loss.SoftmaxCrossEntropyLoss()
        expected = everything(net, trainer)

        def loss(output, label):
            if len(restored) < 12:
                other = net_with_batchnorm(seed=9)
                other_trainer = gluon.Trainer(other.collect_params(), "adam", {"learning_rate": 0.3})
                with autograd.pause():  # the loss is called where MXNet records
                    load(path, other, other_trainer)
                restored.append(everything(other, other_trainer))
                for a, b in zip(restored[-1][0], expected[0]):
                    np.testing.assert_array_equal(a, b)
            return plain(output, label)

        learner = Learner(net, batches, contexts, loss, trainer)
        assert len(LRFinder(learner).find(1e-4, 1.3, snapshot_file=path, progress=False)) >= 20
        assert not path.exists()

    case = ("nd", RULES_OF_STEP[1], False, True, contexts)
    assert_identical(train_search_train(*case, disturb=search), train_search_train(*case, disturb=lambda *_: None))
    assert len(restored) == 12
    path.write_text("of another search")
    with pytest.raises(UsageError, match="is there already"):
        LRFinder(Learner(net_with_batchnorm(), drawn(), mx.cpu())).find(snapshot_file=path, progress=False)
    assert path.read_text() == "of another search"


def test_a_search_ends_at_its_limits_and_at_a_loss_that_is_not_finite():
    learner = Learner(net_with_batchnorm(), drawn(), mx.cpu(), loss=lambda output, label: 0 * output.sum(axis=1))
    flat = LRFinder(learner).find(1e-3, 2.0, lr_stop=1.0, progress=False)
    assert (len(flat), flat.stop_reason) == (10, "lr_stop reached")
    assert not flat.suggestion
    assert "never falls" in flat.suggestion.reason
    few = LRFinder(learner).find(1e-3, 1.1, max_updates=5, progress=False)
    assert (len(few), few.stop_reason) == (5, "max_updates reached")
    assert "too few" in few.suggestion.reason
    nan = Learner(net_with_batchnorm(), drawn(), mx.cpu(), loss=lambda output, label: output.sum(axis=1) * math.nan)
    found = LRFinder(nan).find(progress=False)
    assert (len(found), found.stop_reason) == (1, "loss not finite")
    assert "no suggestion" in repr(found)
    with pytest.raises(UsageError, match="lower lr_start"):
        found.plot()
    with pytest.raises(UsageError, match=r"find\(\) first"):
        LRFinder(nan).plot()


def test_the_default_rule_takes_the_optimizers_momentum_into_account():
    def found(optimizer, **numbers):
        net = net_with_batchnorm()
        trainer = gluon.Trainer(net.collect_params(), optimizer, numbers)
        return LRFinder(Learner(net, drawn(), mx.cpu(), trainer=trainer)).find(1e-4, 1.3, progress=False)

    for optimizer, numbers, momentum in (("sgd", {}, 0.0), ("sgd", {"momentum": 0.5}, 0.5), ("adam", {}, 0.9)):
        result = found(optimizer, **numbers)
        assert result.momentum == momentum
        least = result.lrs[result.smoothed.argmin()]
        assert result.suggestion.lr == pytest.approx(1.5 * math.sqrt(1 - momentum) * least)
    assert momentum_of(mx.optimizer.RMSProp()) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "nag"])
def test_momentum_gathered_at_another_rate_does_not_move_the_net_in_the_search(optimizer):
    """MXNet's SGD keeps the rate inside its momentum: old updates would go on at their old size, whatever the rung."""
    net = net_with_batchnorm()
    trainer = gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.5, "momentum": 0.9})
    updates(net, trainer, drawn(), 6, [mx.cpu()])
    one_batch = [next(iter(drawn()))]
    found = LRFinder(Learner(net, one_batch, mx.cpu(), trainer=trainer)).find(1e-8, 1.1, max_updates=20, progress=False)
    # Twenty updates at rates below 1e-7, always on the same batch.
    np.testing.assert_allclose(found.losses, found.losses[0], rtol=1e-5)


def test_repeats_are_combined_over_other_batches():
    net = net_with_batchnorm()
    learner = Learner(net, drawn(), mx.cpu())
    before = everything(net, learner.trainer)
    found = LRFinder(learner).find(1e-4, 1.2, repeats=3, progress=False)
    assert len(found.repeats) == 3
    assert found.repeats[0] is found
    assert found.losses[0] != found.repeats[1].losses[0]
    for rule, (median, low, high) in found.combined.items():
        assert low <= median <= high
        assert rule in RULES
    assert found.rules_agree in (True, False)
    assert found.suggestion.lr == found.combined[found.suggestion.rule][0]
    for a, b in zip(before[0], everything(net, learner.trainer)[0]):
        np.testing.assert_array_equal(a, b)
    assert "3 repeats" in repr(found)


def test_a_stopping_rule_begins_anew_with_each_search():
    net = net_with_batchnorm()
    finder = LRFinder(Learner(net, drawn(), mx.cpu()))
    stopping = LRFinderStoppingCriteria(smoothing=0.1, min_iter=5)
    ends = {len(finder.find(1e-4, 1.4, stopping=stopping, progress=False)) for _ in range(3)}
    assert min(ends) > 5
    assert (stopping.running_mean, stopping.reason) == (None, None)


def test_generators_and_the_loaders_epoch_are_put_back():
    dataset = gluon.data.ArrayDataset(drawn().images.astype("float32"), drawn().labels.astype("float32"))
    loader = gluon.data.DataLoader(dataset, 16, shuffle=True)
    state = np.random.get_state()[1].copy()
    LRFinder(Learner(net_with_batchnorm(), loader, mx.cpu())).find(1e-3, 1.5, progress=False)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    batches = drawn()
    LRFinder(Learner(net_with_batchnorm(), batches, mx.cpu())).find(1e-3, 1.5, progress=False, seed=3)
    assert batches.epoch == 0


def test_mxnets_own_scheduler_is_set_aside_and_put_back():
    net = net_with_batchnorm()
    scheduler = lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.1)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": scheduler})
    LRFinder(Learner(net, drawn(), mx.cpu(), trainer=trainer)).find(1e-4, 1.3, progress=False)
    assert trainer.optimizer.lr_scheduler is scheduler
    assert (scheduler.base_lr, scheduler.count) == (0.1, 0)
