"""One update at a time: of any net, on any loader, and what is wrong with them said clearly."""

import itertools
import math

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from small import drawn, everything, net_with_batchnorm

from gluon_lr.data import ArrayBatches, ContinuousBatchSampler
from gluon_lr.data.batches import normalize_cifar10
from gluon_lr.errors import UsageError
from gluon_lr.finder import AutoLRS, Learner, LRFinder
from gluon_lr.training import evaluate


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


def test_giving_shapes_takes_no_batch_from_the_search():
    batches = drawn()
    state = np.random.get_state()[1].copy()
    learner = Learner(net_with_batchnorm(deferred=True), batches, mx.cpu())
    assert batches.epoch == 0
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    seen = []
    learner.loss = lambda output, label: seen.append(label.asnumpy()) or output.sum(axis=1)
    for _ in range(4):
        learner.iteration(1e-6)
    np.testing.assert_array_equal(seen, [y.asnumpy() for _, y in drawn()])
    shuffled = gluon.data.DataLoader(
        gluon.data.ArrayDataset(batches.images.astype("float32"), batches.labels), 16, True
    )
    Learner(net_with_batchnorm(deferred=True), shuffled, mx.cpu())
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_what_a_generator_gave_for_the_shapes_is_not_lost():
    learner = Learner(net_with_batchnorm(deferred=True), itertools.chain.from_iterable([list(drawn())]), mx.cpu())
    assert [math.isfinite(learner.iteration(1e-6)) for _ in range(4)] == [True] * 4


def test_an_endless_generator_goes_on_after_a_search():
    endless = (batch for epoch in itertools.repeat(drawn()) for batch in epoch)
    learner = Learner(net_with_batchnorm(), endless, mx.cpu())
    assert len(LRFinder(learner).find(1e-4, 1.3, progress=False)) >= 20
    assert math.isfinite(learner.iteration(0.1))
    assert next(endless)


def test_classes_are_counted_along_the_losss_axis():
    def learner(label):
        net = gluon.nn.Conv1D(5, 1, in_channels=2)  # to (16, 5 classes, 3 places)
        batch = (mx.nd.ones((16, 2, 3)), mx.nd.full((16, 3), label))
        return Learner(net, [batch], mx.cpu(), gluon.loss.SoftmaxCrossEntropyLoss(axis=1))

    assert math.isfinite(learner(4).iteration(0.1))
    with pytest.raises(UsageError, match="a label is 5, but the net has 5 outputs"):
        learner(5).iteration(0.1)


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_data_of_another_type_than_the_nets_is_named(dtype, deferred):
    batch = (mx.nd.ones((16, 5), dtype=dtype), mx.nd.zeros(16))
    with pytest.raises(UsageError, match=rf"\(\d+, 5\) of {dtype}"):
        LRFinder(Learner(net_with_batchnorm(deferred=deferred), [batch], mx.cpu())).find(progress=False)


def test_numpy_batches_are_taken(front_end):
    batches = [tuple(a.asnumpy() for a in batch) for batch in drawn()]
    losses = [Learner(net_with_batchnorm(), b, mx.cpu()).iteration(0.1) for b in (batches, drawn())]
    assert losses[0] == losses[1]


def test_a_deferred_net_may_give_several_outputs():
    class Two(gluon.nn.HybridSequential):
        def forward(self, X):
            return super().forward(X), X

    net = Two()
    net.add(gluon.nn.Dense(3))
    plain = gluon.loss.SoftmaxCrossEntropyLoss()
    learner = Learner(net, drawn(), mx.cpu(), lambda outputs, label: plain(outputs[0], label))
    assert math.isfinite(learner.iteration(0.1))


def test_a_trainer_of_other_parameters_is_named():
    other = net_with_batchnorm(seed=2)
    trainer = gluon.Trainer(other.collect_params(), "sgd", {"learning_rate": 0.1})
    with pytest.raises(UsageError, match="give the trainer of this net"):
        LRFinder(Learner(net_with_batchnorm(), drawn(), mx.cpu(), trainer=trainer)).find(progress=False)


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
        (lambda: find(loader=[1, 2, 3]), "expected a pair .data, label.. Say what the net takes"),
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
        (lambda: find(max_updates=20.5), "max_updates is 20.5: expected a whole"),
        (lambda: find(repeats=1.5), "repeats is 1.5: expected a whole"),
        (lambda: find(lr_start="a"), "lr_start is 'a'"),
        (lambda: find(lr_stop=None), "lr_stop is None"),
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


def test_what_is_not_said_is_the_nets_own_or_the_tutorials():
    contexts = [mx.cpu(0), mx.cpu(1)]
    learner = Learner(net_with_batchnorm(contexts), drawn())
    assert learner.ctx == mx.cpu(0)
    assert Learner(net_with_batchnorm(contexts), drawn(), contexts).ctx == contexts
    assert learner.iteration_loss is None
    before = [parameter.data(contexts[1]).asnumpy() for parameter in learner.net.collect_params().values()]
    assert learner.iteration(0.1) == learner.iteration_loss
    for parameter, old in zip(learner.net.collect_params().values(), before):
        if parameter.grad_req != "null":
            assert (parameter.data(contexts[1]).asnumpy() != old).any(), "each batch is split over both"
    assert learner.loss_fn is learner.loss
    assert isinstance(learner.loss, gluon.loss.SoftmaxCrossEntropyLoss)
    assert isinstance(learner.trainer.optimizer, mx.optimizer.SGD)
    assert learner.trainer.optimizer.momentum == 0
    bare = gluon.nn.Dense(3)
    assert Learner(bare, drawn()).trainer.learning_rate == 0.001
    assert bare.weight.list_ctx() == [mx.cpu()]


@pytest.mark.parametrize("wrong", ["cpu", gluon.loss.L2Loss(), [mx.cpu(), None]], ids=["name", "loss", "none"])
def test_what_is_no_context_is_named_and_the_net_can_still_be_used(wrong):
    net = gluon.nn.Dense(2)
    batches = [(mx.nd.ones((4, 3)), mx.nd.zeros((4,)))]
    with pytest.raises(UsageError, match=r"ctx is .*: expected a context, such as mx\.cpu\(\)"):
        Learner(net, batches, wrong)
    assert Learner(net, batches, mx.cpu()).iteration() > 0
    with pytest.raises(UsageError, match="expected a context"):
        evaluate(net, batches, gluon.loss.SoftmaxCrossEntropyLoss(), wrong)
    with pytest.raises(UsageError, match="expected a context"):
        AutoLRS(net, batches, gluon.loss.SoftmaxCrossEntropyLoss(), wrong)
