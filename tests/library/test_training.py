"""The one loop: the same mathematics as the plain one, the same bits every time, the rates really used."""

import math
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, init

from gluon_lr.data import ArrayBatches
from gluon_lr.errors import UsageError
from gluon_lr.experiments.run import seed_everything
from gluon_lr.nets import FoldedConvPool, lenet, mlp, plain_lenet
from gluon_lr.schedulers import CosineScheduler, SquareRootScheduler
from gluon_lr.training import History, evaluate, train, try_context

CPU = mx.cpu()


def made(net, seed=0, **trainer):
    seed_everything(seed)
    net.initialize(init.Xavier(), ctx=CPU)
    net.hybridize(static_alloc=True, static_shape=True)
    rule = trainer or {"learning_rate": 0.1}
    return net, gluon.loss.SoftmaxCrossEntropyLoss(), gluon.Trainer(net.collect_params(), "sgd", rule)


def loaders(fashion, n=1024, batch_size=256, seed=0):
    return (
        ArrayBatches(fashion[0][:n], fashion[1][:n], batch_size, shuffle=True, seed=seed),
        ArrayBatches(fashion[2][:500], fashion[3][:500], 250),
    )


def plain_losses(net, batches, lr, updates):
    """The book's loop without anything of ours: each batch's mean loss."""
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": lr})
    values = []
    while len(values) < updates:
        for X, y in batches:
            with autograd.record():
                value = loss(net(X), y)
            value.backward()
            trainer.step(len(X))
            values.append(value.mean().asnumpy().item())
    return values[:updates]


def gradients(net, loss, X, y):
    with autograd.record():
        value = loss(net(X), y)
    value.backward()
    return value.asnumpy(), [parameter.grad().asnumpy() for parameter in net.collect_params().values()]


def equally_initialized(X, seed=3):
    """The book's net and ours, hybridized, with the same parameters."""
    seed_everything(seed)
    nets = [plain_lenet(), lenet()]
    for net in nets:
        net.initialize(init.Xavier())
        net.hybridize()
        net(X)
    for ours, theirs in zip(nets[1].collect_params().values(), nets[0].collect_params().values()):
        ours.set_data(theirs.data())
    return nets


def test_the_fast_net_computes_the_books_function_exactly(fashion, front_end):
    """Pixels in fourths and filters in eighths: no sum within a convolution is rounded, whatever its order, so what
    the dense layers are given is equal to the last bit, and the many ties that pooling meets have to be decided alike.
    Gradients of filters are sums of 200,000 numbers in single precision: 2e-5 of the largest."""
    X, y = next(iter(loaders(fashion)[0]))
    nets = equally_initialized(X)
    for net in nets:
        for parameter in list(net.collect_params().values())[:4]:
            parameter.set_data((parameter.data() * 16).round() / 8)
    X = (X * 4).round() / 4
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    given = [net[:4](X).asnumpy().reshape(len(X), -1) for net in nets]
    assert given[0].max() > 1
    np.testing.assert_array_equal(given[1], given[0])
    (_, plain), (_, fast) = [gradients(net, loss, X, y) for net in nets]
    for ours, theirs in zip(fast, plain):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("side", [24, 28, 32])
def test_the_fast_net_is_the_books_in_double_precision(fashion, side):
    """Where a tie of rounded numbers is as good as impossible, real images give the same gradients."""
    X, y = next(iter(loaders(fashion, batch_size=64)[0]))
    X = mx.nd.random.uniform(shape=(64, 1, side, side)) if side != 28 else X
    nets = equally_initialized(X)
    found = []
    for net in nets:
        net.cast("float64")
        value, grads = gradients(net, gluon.loss.SoftmaxCrossEntropyLoss(), X.astype("float64"), y.astype("float64"))
        found.append([value, *grads])
    for ours, theirs in zip(found[1], found[0]):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


def test_what_cannot_be_folded_is_refused():
    for geometry in ({"in_channels": 3}, {"in_channels": 6, "fold_out": 2}, {"in_channels": 6, "fold_in": 3}):
        with pytest.raises(UsageError, match="use Gluon's Conv2D"):
            FoldedConvPool(16, kernel_size=5, **geometry)


def test_the_fast_net_computes_the_books_function(fashion, front_end):
    """At each of 16 updates of the plain loop, from the same parameters: losses to 1e-6. Only the order of sums within
    a convolution differs. The parameters are set equal before each update because training itself amplifies a last
    bit. (Gradients are compared above, where nothing is rounded: two pixels that tie to rounding send theirs to the one
    or the other.)"""
    batches = loaders(fashion, n=4096)[0]
    plain, fast = equally_initialized(next(iter(batches))[0])
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(plain.collect_params(), "sgd", {"learning_rate": 0.1})
    for X, y in batches:
        for ours, theirs in zip(fast.collect_params().values(), plain.collect_params().values()):
            ours.set_data(theirs.data())
        expected, _ = gradients(plain, loss, X, y)
        np.testing.assert_allclose(loss(fast(X), y).mean().asnumpy(), expected.mean(), rtol=1e-6)
        trainer.step(len(X))


def test_the_fast_net_has_the_books_parameters():
    shapes = []
    for build in (plain_lenet, lenet):
        net = build()
        net.initialize()
        net(mx.nd.zeros((1, 1, 28, 28)))
        shapes.append({k: p.shape for k, p in net._collect_params_with_prefix().items()})
    assert sorted(shapes[0].values()) == sorted(shapes[1].values())
    assert sum(math.prod(shape) for shape in shapes[1].values()) == 61706


def test_the_loop_has_the_plain_loops_losses_to_the_last_bit(fashion):
    net, loss, trainer = made(lenet())
    train_iter, test_iter = loaders(fashion, n=1000)
    history = train(net, train_iter, test_iter, 2, loss, trainer, CPU)
    again, _, _ = made(lenet())
    plain_iter, _ = loaders(fashion, n=1000)
    losses = np.array(plain_losses(again, plain_iter, 0.1, 8))
    sizes = np.array([256, 256, 256, 232] * 2)
    # A mean of float32 losses times its size is the sum to one rounding.
    expected = (losses * sizes).reshape(2, 4).sum(1) / 1000
    np.testing.assert_allclose(history.train_loss, expected, rtol=1e-6)
    for ours, theirs in zip(net.collect_params().values(), again.collect_params().values()):
        assert np.array_equal(ours.data().asnumpy(), theirs.data().asnumpy())


def test_the_same_seed_gives_the_same_bits(fashion, front_end):
    histories = []
    for _ in range(2):
        net, loss, trainer = made(lenet(), seed=5)
        history = train(net, *loaders(fashion, seed=5), 2, loss, trainer, CPU, seed=5).as_dict()
        del history["seconds"]
        histories.append(history)
    assert histories[0] == histories[1]


def test_the_history_holds_the_rates_really_used(fashion):
    net, loss, trainer = made(mlp((8,)), lr_scheduler=SquareRootScheduler(0.1))
    history = train(net, *loaders(fashion), 3, loss, trainer, CPU)
    rates = 0.1 * (np.arange(1, 13) + 1.0) ** -0.5
    np.testing.assert_allclose(history.lr_first, rates[::4], rtol=1e-15)
    np.testing.assert_allclose(history.lr_last, rates[3::4], rtol=1e-15)
    np.testing.assert_allclose(history.lr_mean, rates.reshape(3, 4).mean(1), rtol=1e-15)
    assert history.updates == [4, 4, 4]


def test_accuracy_and_loss_are_those_counted_by_hand(fashion):
    net, loss, _ = made(mlp((8,)))
    _, test_iter = loaders(fashion)
    scores = np.concatenate([net(X).asnumpy() for X, _ in test_iter]).astype(np.float64)
    labels = fashion[3][:500].astype(int)
    shifted = scores - scores.max(1, keepdims=True)
    by_hand = (np.log(np.exp(shifted).sum(1)) - shifted[np.arange(500), labels]).mean()
    value, accuracy = evaluate(net, test_iter, loss, CPU)
    assert accuracy == np.mean(scores.argmax(1) == labels)
    assert value == pytest.approx(by_hand, rel=1e-6)


def test_gluons_data_loader_is_accepted(fashion):
    net, loss, trainer = made(mlp((8,)))
    data = gluon.data.ArrayDataset(fashion[0][:300].astype("float32") / 255, fashion[1][:300].astype("float32"))
    loader = gluon.data.DataLoader(data, 100)
    history = train(net, loader, loader, 2, loss, trainer, CPU)
    assert history.train_loss[1] < history.train_loss[0]
    assert history.updates == [3, 3]


def test_two_contexts_train_as_one(fashion):
    """Halves of each batch on two contexts: equal to rounding."""
    histories = []
    for contexts in ([mx.cpu(0)], [mx.cpu(0), mx.cpu(1)]):
        seed_everything(0)
        net = mlp((8,))
        net.initialize(init.Xavier(), ctx=contexts)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        histories.append(train(net, *loaders(fashion), 2, loss, trainer, contexts).train_loss)
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)


def test_a_history_is_gone_on_with(fashion):
    net, loss, trainer = made(mlp((8,)))
    whole = train(net, *loaders(fashion), 3, loss, trainer, CPU)
    net, loss, trainer = made(mlp((8,)))
    batches = loaders(fashion)
    part = train(net, *batches, 1, loss, trainer, CPU)
    seen = []
    train(net, *batches, 3, loss, trainer, CPU, history=part, on_epoch=lambda h: seen.append(len(h)))
    assert part.train_loss == whole.train_loss
    assert seen == [2, 3]


@pytest.mark.parametrize("first", ["with", "without"])
def test_validation_does_not_begin_or_end_within_a_history(fashion, first):
    net, loss, trainer = made(mlp((8,)))
    batches = loaders(fashion)
    before, after = (batches[1], None) if first == "with" else (None, batches[1])
    history = train(net, *batches, 1, loss, trainer, CPU, valid_iter=before)
    with pytest.raises(UsageError, match="valid_iter is " + ("missing" if first == "with" else "new")):
        train(net, *batches, 2, loss, trainer, CPU, history=history, valid_iter=after)
    train(net, *batches, 2, loss, trainer, CPU, history=history, valid_iter=before)
    assert len(history.valid_loss) == (2 if first == "with" else 0)


def test_a_training_that_explodes_ends_there(fashion):
    net, loss, trainer = made(mlp((8,)), learning_rate=1e30)
    history = train(net, *loaders(fashion), 5, loss, trainer, CPU)
    assert not math.isfinite(history.train_loss[-1])
    assert len(history) < 5


def test_what_cannot_be_trained_is_refused(fashion):
    net, loss, trainer = made(mlp((8,)))
    batches, tests = loaders(fashion)
    with pytest.raises(UsageError, match="num_epochs is 0"):
        train(net, batches, tests, 0, loss, trainer, CPU)
    with pytest.raises(UsageError, match="training loader is empty"):
        train(net, [], tests, 1, loss, trainer, CPU)
    with pytest.raises(UsageError, match="test loader is empty"):
        train(net, batches, [], 1, loss, trainer, CPU)


def test_contexts_by_name():
    assert try_context("auto") == try_context("cpu") == mx.cpu()
    with pytest.raises(UsageError, match="mxnet-cu112"):
        try_context("gpu:7")
    with pytest.raises(UsageError, match="tpu"):
        try_context("tpu")


def test_an_empty_history_has_no_epochs():
    assert len(History()) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"schedules": [CosineScheduler(10)]}, "belongs to the trainer, as its lr_scheduler"),
        ({"trainer": "sgd"}, "expected a gluon.Trainer"),
        ({"test_iter": None}, "test_iter is None"),
    ],
)
def test_common_mistakes_are_named_before_the_first_batch(arguments, says):
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize()
    given = {"test_iter": [], "trainer": gluon.Trainer(net.collect_params(), "sgd"), **arguments}
    with pytest.raises(UsageError, match=says):
        train(net, [], num_epochs=1, loss=gluon.loss.L2Loss(), ctx=None, **given)


def test_a_net_is_evaluated_where_it_is():
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize(ctx=mx.cpu(1))
    batches = [(mx.nd.ones((4, 3)), mx.nd.zeros((4, 2)))]
    assert evaluate(net, batches, gluon.loss.L2Loss(), None) == evaluate(net, batches, gluon.loss.L2Loss(), mx.cpu(1))
    both = gluon.nn.Dense(2, in_units=3)
    both.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert evaluate(both, batches, gluon.loss.L2Loss(), None) == evaluate(both, batches, gluon.loss.L2Loss(), mx.cpu(0))


def test_gradients_of_numpys_front_end_are_added_up():
    """MXNet's own ``zero_grad`` fails for them."""
    script = """
import mxnet as mx
from mxnet import gluon
from gluon_lr import LRFinder, Learner, train
mx.npx.set_np()
ends = []
for at_once in (None, 2):
    mx.random.seed(0)
    net = gluon.nn.Dense(2, in_units=3)
    net.initialize()
    if at_once is None:
        net.collect_params().setattr("grad_req", "add")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    batches = [(mx.np.ones((4, 3)), mx.np.ones((4, 2)))] * 3
    train(net, batches, batches, 2, gluon.loss.L2Loss(), trainer, None, at_once=at_once)
    ends.append(net.weight.data().asnumpy())
    LRFinder(Learner(net, batches, mx.cpu(), gluon.loss.L2Loss(), trainer)).find(max_updates=3, progress=False)
assert abs(ends[0] - ends[1]).max() < 1e-6, ends
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
