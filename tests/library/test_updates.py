"""The one update in its harder cases: slices, gradients that add up, half precision, several contexts."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from gluon_lr import Learner, evaluate, train
from gluon_lr.data.forms import slices
from gluon_lr.errors import UsageError

L2 = gluon.loss.L2Loss()
CLASSES = gluon.loss.SoftmaxCrossEntropyLoss()


def regression(batches=5):
    draw = np.random.default_rng(0)
    return [(mx.nd.array(draw.normal(size=(8, 2))), mx.nd.array(draw.normal(size=(8, 1)))) for _ in range(batches)]


def dense(units=1, inputs=2, ctx=None):
    net = gluon.nn.Dense(units, in_units=inputs)
    net.initialize(mx.init.One(), ctx=ctx or mx.cpu())
    return net


class Scaled(gluon.loss.Loss):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__(None, 0)
        self.scale = self.params.get("scale", shape=(1,), init=mx.init.One())

    def hybrid_forward(self, F, output, target, scale):
        return F.mean(F.square(F.broadcast_mul(output, scale) - target), axis=0, exclude=True)


def test_slices_give_the_same_update_also_of_what_a_loss_learns():
    def weights(at_once):
        net, loss = dense(), Scaled()
        loss.initialize(mx.init.One())
        parameters = net.collect_params()
        parameters.update(loss.collect_params())
        trainer = gluon.Trainer(parameters, "sgd", {"learning_rate": 0.05})
        train(net, regression(), regression(), 2, loss, trainer, mx.cpu(), at_once=at_once)
        assert {p.grad_req for p in parameters.values()} == {"write"}
        return np.concatenate([net.weight.data().asnumpy().ravel(), loss.scale.data().asnumpy()])

    np.testing.assert_allclose(weights(4), weights(None), rtol=1e-6)


def test_gradients_that_add_up_are_those_of_one_batch_in_training_too():
    def weights(grad_req, by_learner, at_once=None):
        net = dense()
        net.collect_params().setattr("grad_req", grad_req)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.05})
        if by_learner:
            learner = Learner(net, regression(), mx.cpu(), L2, trainer)
            for _ in range(5):
                learner.iteration()
        else:
            train(net, regression(), regression(), 1, L2, trainer, mx.cpu(), at_once=at_once)
        assert net.weight.grad_req == grad_req
        return net.weight.data().asnumpy()

    plain = weights("write", False)
    for found in (weights("add", False), weights("add", True), weights("write", True)):
        np.testing.assert_array_equal(found, plain)
    np.testing.assert_allclose(weights("add", False, at_once=4), plain, rtol=1e-6)


def test_a_net_in_double_precision_is_trained_and_its_accuracy_counted():
    draw, dtype = np.random.default_rng(0), "float64"
    X = draw.normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(dtype)
    batches = [(mx.nd.array(X[i : i + 8], dtype=dtype), mx.nd.array(y[i : i + 8], dtype=dtype)) for i in (0, 8, 16, 32)]
    net = dense(2, 3)
    net.cast(dtype)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    history = train(net, batches, batches, 20, CLASSES, trainer, mx.cpu())
    outputs = np.concatenate([net(a).asnumpy().argmax(axis=1) for a, _ in batches])
    labels = np.concatenate([b.asnumpy() for _, b in batches])
    assert history.test_acc[-1] == np.mean(outputs == labels) > 0.9


class Times(gluon.HybridBlock):
    """Multiplies by its weights: on a CPU, MXNet has no dense layer in half precision."""

    def __init__(self, weights):
        super().__init__()
        self.weight = self.params.get("weight", shape=weights.shape, init=mx.init.Zero())
        self.initialize()
        self.cast("float16")
        self.weight.set_data(mx.nd.array(weights, dtype="float16"))

    def hybrid_forward(self, F, x, weight):
        return F.broadcast_mul(x, weight)


def test_in_half_precision_classes_beyond_2048_are_told_apart():
    weights = np.zeros((1, 4096))
    weights[0, 2049] = 1.0
    X = mx.nd.ones((2, 1), dtype="float16")
    assert evaluate(Times(weights), [(X, mx.nd.array([2049, 2050]))], CLASSES, mx.cpu())[1] == 0.5


def test_in_half_precision_sums_of_losses_do_not_end_at_65504():
    X = mx.nd.ones((1024, 1), dtype="float16") * 12  # losses of 72
    batch, net = [(X, mx.nd.zeros((1024, 1), dtype="float16"))], Times(np.ones((1, 1)))
    assert evaluate(net, batch, L2, mx.cpu())[0] == 72.0
    assert Learner(net, batch, mx.cpu(), L2).iteration(take_step=False) == 72.0


@pytest.mark.parametrize(
    ("examples", "at_once", "least", "sizes"),
    [
        (33, 32, 1, [32, 1]),
        (33, 32, 2, [16, 17]),
        (64, 32, 2, [32, 32]),
        (70, 32, 2, [32, 32, 6]),
        (5, 8, 2, [5]),
        (4, 3, 2, [2, 2]),
    ],
)
def test_slices_are_even_only_where_the_last_would_be_too_small(examples, at_once, least, sizes):
    pieces = slices((np.arange(examples), {"y": np.arange(examples)}), at_once, least)
    assert [len(inputs) for inputs, _ in pieces] == sizes
    np.testing.assert_array_equal(np.concatenate([target["y"] for _, target in pieces]), np.arange(examples))


def test_slices_go_over_several_contexts():
    contexts = [mx.cpu(0), mx.cpu(1)]
    data = [(mx.nd.array(np.random.default_rng(0).normal(size=(33, 3))), mx.nd.array(np.arange(33) % 2))]

    def weights(at_once):
        net = dense(2, 3, contexts)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        train(net, data, data, 2, CLASSES, trainer, contexts, at_once=at_once)
        return net.weight.data(contexts[1]).asnumpy()

    np.testing.assert_allclose(weights(32), weights(None), rtol=1e-5)
    with pytest.raises(UsageError, match="at_once is 2: expected at least 3, so that each slice"):
        weights(2)


def test_sparse_gradients_cannot_be_added_up():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Embedding(20, 4, sparse_grad=True), gluon.nn.Dense(3, in_units=8))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    draw = np.random.default_rng(0)
    data = [(mx.nd.array(draw.integers(0, 20, (8, 2))), mx.nd.array(draw.integers(0, 3, 8)))]
    with pytest.raises(UsageError, match=r"cannot add up sparse gradients, and .*weight has one"):
        train(net, data, data, 1, CLASSES, trainer, mx.cpu(), at_once=4)
    assert {p.grad_req for p in net.collect_params().values()} == {"write"}
    assert len(train(net, data, data, 1, CLASSES, trainer, mx.cpu())) == 1


def test_without_a_context_a_net_is_trained_where_it_is_and_contexts_have_no_order():
    contexts = [mx.cpu(0), mx.cpu(1)]
    data = [(mx.nd.ones((8, 2)), mx.nd.zeros((8, 1)))]
    for ctx in (None, contexts[::-1]):
        net = dense(ctx=contexts)
        assert len(train(net, data, data, 1, L2, gluon.Trainer(net.collect_params(), "sgd"), ctx)) == 1


@pytest.mark.parametrize(("on", "asked"), [([0], [0, 1]), ([0, 1], [0])])
def test_a_net_on_other_contexts_is_named(on, asked):
    net = dense(ctx=[mx.cpu(i) for i in on])
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(UsageError, match=r"the net is on .*, but ctx is .*: give the net's own"):
        train(net, regression(), regression(), 1, L2, trainer, [mx.cpu(i) for i in asked])
