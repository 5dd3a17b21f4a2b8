"""The finder leaves no trace, always stops, and says what it found and why."""

import itertools
import math

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, gluon, init, lr_scheduler

from gluon_lr.data import ArrayBatches, ContinuousBatchSampler
from gluon_lr.data.batches import normalize_cifar10
from gluon_lr.errors import UsageError
from gluon_lr.finder import RULES, Learner, LRFinder, LRFinderStoppingCriteria
from gluon_lr.finder.rules import momentum_of
from gluon_lr.finder.search import _rungs
from gluon_lr.optimizers import AdamW
from gluon_lr.schedulers import CosineScheduler

RULES_OF_STEP = [("sgd", {"learning_rate": 0.05, "momentum": 0.9}), ("adam", {}), (AdamW.__name__.lower(), {"wd": 0.1})]


def net_with_batchnorm(contexts=None, hybridize=False, deferred=False, seed=1):
    mx.random.seed(seed)
    net = gluon.nn.HybridSequential()
    sizes = [{}, {}, {}] if deferred else [{"in_units": 5}, {"in_channels": 8}, {"in_units": 8}]
    net.add(
        gluon.nn.Dense(8, activation="relu", **sizes[0]), gluon.nn.BatchNorm(**sizes[1]), gluon.nn.Dense(3, **sizes[2])
    )
    net.initialize(init.Xavier(), ctx=contexts or mx.cpu())
    if hybridize:
        net.hybridize()
    return net


def drawn(n=64, batch_size=16, shuffle=True):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (n, 5)).astype(np.uint8)
    labels = (images[:, 0] // 86).astype(int)
    return ArrayBatches(images, labels, batch_size, shuffle=shuffle)


def updates(net, trainer, batches, count, contexts):
    """``count`` plain updates; every loss."""
    loss, losses = gluon.loss.SoftmaxCrossEntropyLoss(), []
    stream = itertools.chain.from_iterable(itertools.repeat(batches))
    for X, y in itertools.islice(stream, count):
        pairs = list(zip(*[gluon.utils.split_and_load(a, contexts, even_split=False) for a in (X, y)]))
        with autograd.record():
            values = [loss(net(a), b) for a, b in pairs]
        autograd.backward(values)
        trainer.step(len(X))
        losses.append(np.concatenate([v.asnumpy() for v in values]))
    return losses


def everything(net, trainer):
    arrays = [a.asnumpy() for p in net.collect_params().values() for a in p.list_data()]
    optimizer = trainer.optimizer
    return arrays, optimizer.num_update, trainer.learning_rate, optimizer.rescale_grad


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


@pytest.mark.parametrize("raised", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["loader", "loss"])
@pytest.mark.parametrize("at", range(12))
def test_neither_does_one_that_is_cut_short(raised, where, at):
    calls = itertools.count()

    def interrupted(net, trainer, batches):
        plain = gluon.loss.SoftmaxCrossEntropyLoss()

        def loss(output, label):
            if where == "loss" and next(calls) == at:
                raise raised("cut short")
            return plain(output, label)

        def served():
            for batch in batches:
                if where == "loader" and next(calls) == at:
                    raise raised("cut short")
                yield batch

        class Loader:
            def __iter__(self):
                return served()

        with pytest.raises(raised, match="cut short"):
            LRFinder(Learner(net, Loader(), mx.cpu(), loss, trainer)).find(1e-4, 1.3, progress=False)
        batches.epoch = 1

    case = ("nd", RULES_OF_STEP[1], True, False, [mx.cpu()])
    assert_identical(
        train_search_train(*case, disturb=interrupted),
        train_search_train(*case, disturb=lambda net, trainer, batches: None),
    )


def test_the_tutorials_words_work_on_a_deferred_net(front_end):
    dataset = gluon.data.ArrayDataset(drawn().images.astype("float32"), drawn().labels.astype("float32"))
    sampler = ContinuousBatchSampler(gluon.data.RandomSampler(64), batch_size=16)
    loader = gluon.data.DataLoader(dataset, batch_sampler=sampler)
    learner = Learner(net=net_with_batchnorm(deferred=True), data_loader=loader, ctx=mx.cpu())
    assert float(learner.net[1].running_mean.data().asnumpy().sum()) == 0, "giving shapes moved BatchNorm's statistics"
    finder = LRFinder(learner)
    results = finder.find(lr_start=1e-6)
    assert isinstance(results, list)
    assert all(isinstance(lr, float) and isinstance(loss, float) for lr, loss in results)
    ax = finder.plot()
    assert ax.get_xscale() == "log"
    before = learner.iteration(lr=0.01)
    for _ in range(20):
        after = learner.iteration()
    assert after < before
    assert learner.trainer.learning_rate == 0.01
    held = learner.net[0].weight.data().asnumpy()
    learner.iteration(lr=0.5, take_step=False)
    np.testing.assert_array_equal(learner.net[0].weight.data().asnumpy(), held)
    learner.close()


def test_an_initialized_net_is_not_reinitialized():
    net = net_with_batchnorm()
    before = net[0].weight.data().asnumpy()
    Learner(net, drawn(), mx.cpu())
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), before)
    bare = gluon.nn.Dense(3)
    Learner(bare, drawn(), mx.cpu())
    assert np.abs(bare.weight.data().asnumpy()).sum() > 0


def test_an_estimators_parts_are_taken():
    from mxnet.gluon.contrib.estimator import Estimator

    net = net_with_batchnorm()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    estimator = Estimator(net, loss, trainer=trainer, context=mx.cpu())
    learner = Learner.from_estimator(estimator, drawn())
    assert (learner.net, learner.loss, learner.trainer) == (net, loss, trainer)
    assert len(LRFinder(learner).find(1e-4, 1.3, progress=False)) >= 20


@given(st.floats(1e-8, 1e-2), st.floats(1.01, 3.0), st.floats(1.5, 1e6))
def test_every_rung_is_exact(start, multiplier, span):
    rungs = _rungs(start, multiplier, start * span, 10_000, "exponential")
    assert rungs == [start * multiplier**i for i in range(len(rungs))]
    assert rungs[-1] <= start * span * (1 + 1e-8)
    assert rungs[-1] * multiplier > start * span * (1 - 1e-8) or len(rungs) == 10_000


def test_a_linear_ladder_is_even():
    np.testing.assert_allclose(np.diff(_rungs(0.1, 1.1, 1.0, 10, "linear")), 0.1)


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
    assert stopped([1.0, 9.0, 9.0, 9.0] + [9.0] * 30) is None or stopped([1.0] + [9.0] * 30)[0] >= 19


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


ZOO = [
    ("mxnet", "resnet18_v2"),
    ("mxnet", "mobilenet0.25"),
    ("mxnet", "mobilenetv2_0.25"),
    ("gluoncv", "cifar_resnet20_v1"),
    ("gluoncv", "cifar_wideresnet16_10"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("zoo", "name"), ZOO, ids=[n for _, n in ZOO])
def test_model_zoo_nets_are_searched_unchanged(cifar, zoo, name):
    if zoo == "gluoncv":
        from gluoncv.model_zoo import get_model
    else:
        from mxnet.gluon.model_zoo.vision import get_model
    net = get_model(name, classes=10)
    size = 8
    images = cifar[0][:64]
    if name == "cifar_wideresnet16_10":
        images = images[:, :, ::4, ::4]
    batches = ArrayBatches(images, cifar[1][:64], size, transform=normalize_cifar10)
    learner = Learner(net, batches, mx.cpu())
    before = {k: p.data().asnumpy() for k, p in net.collect_params().items()}
    found = LRFinder(learner).find(1e-3, 2.0, max_updates=4, progress=False)
    assert len(found) >= 1
    for key, parameter in net.collect_params().items():
        np.testing.assert_array_equal(parameter.data().asnumpy(), before[key], err_msg=key)


def test_bad_arguments_and_data_are_said_clearly_and_the_net_stays():
    net = net_with_batchnorm()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    before = everything(net, trainer)
    images, labels = drawn().images, drawn().labels
    once = iter(list(drawn()))

    def find(loader=None, ctx=None, **kwargs):
        learner = Learner(net, drawn() if loader is None else loader, ctx or mx.cpu(), trainer=trainer)
        return LRFinder(learner).find(progress=False, **kwargs)

    for act, says in (
        (lambda: find(loader=[]), "loader is empty"),
        (lambda: find(loader=once), "cannot be begun again"),
        (lambda: find(loader=[1, 2, 3]), "expected .data, label. batches"),
        (lambda: find(loader=ArrayBatches(images, labels + 7, 16)), "but the net has 3 outputs"),
        (lambda: find(loader=ArrayBatches(images, labels - 5, 16)), "a label is -[345]"),
        (lambda: find(lr_start=0), "lr_start is 0"),
        (lambda: find(lr_start=-1.0), "lr_start is -1"),
        (lambda: find(lr_start=math.nan), "lr_start is nan"),
        (lambda: find(lr_multiplier=1.0), "lr_multiplier is 1.0"),
        (lambda: find(lr_multiplier=0.5), "lr_multiplier is 0.5"),
        (lambda: find(lr_stop=1e-9), "lr_stop"),
        (lambda: find(lr_stop=math.inf), "lr_stop is inf"),
        (lambda: find(max_updates=1), "max_updates is 1"),
        (lambda: find(ladder="cubic"), "ladder"),
        (lambda: find(repeats=0), "repeats is 0"),
        (lambda: find(smoothing=1.0), "smoothing is 1.0"),
        (lambda: find(ctx=mx.cpu(3)), "the net is on"),
    ):
        with pytest.raises(UsageError, match=says):
            act()
        after = everything(net, trainer)
        for a, b in zip(before[0], after[0]):
            np.testing.assert_array_equal(a, b)
        assert before[1:3] == after[1:3]


def test_amp_scaled_losses_are_supported():
    """On the CPU AMP's scaler still multiplies the loss and divides the gradient: the search sees plain losses."""
    from mxnet.contrib.amp.loss_scaler import LossScaler

    results = []
    for scaled in (False, True):
        net = net_with_batchnorm()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        if scaled:
            trainer._amp_loss_scaler = LossScaler()
            trainer._amp_original_scale = trainer._scale
            trainer._optimizer_params = {}
        learner = Learner(net, drawn(), mx.cpu(), trainer=trainer)
        results.append(LRFinder(learner).find(1e-3, 1.5, max_updates=8, progress=False).losses)
        if scaled:
            assert trainer._scale == 1.0
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4)
