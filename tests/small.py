"""Small nets with their trainers and data, and plain updates."""

import itertools

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, init

from gluon_lr.data import ArrayBatches


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


OPTIMIZERS = [
    ("sgd", {"momentum": 0.9, "wd": 1e-4}),
    ("nag", {"momentum": 0.9}),
    ("adam", {}),
    ("nadam", {}),
    ("rmsprop", {"centered": True}),
    ("adagrad", {"learning_rate": 0.1}),
    ("adadelta", {}),
    ("ftrl", {}),
    ("lamb", {}),
    ("signum", {}),
]


def made(optimizer="sgd", params=None, contexts=None, hybridize=False, grad_req="write"):
    mx.random.seed(1)
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(6, in_units=4), gluon.nn.BatchNorm(in_channels=6), gluon.nn.Dense(3, in_units=6))
    net.initialize(init.Xavier(), ctx=contexts or mx.cpu())
    net.collect_params().setattr("grad_req", grad_req)
    if hybridize:
        net.hybridize()
    return net, gluon.Trainer(net.collect_params(), optimizer, dict(params or {}))


def work(net, trainer, first, last, contexts=None):
    """Updates ``first`` … ``last`` − 1, each on data of its own; the losses."""
    loss, losses = gluon.loss.SoftmaxCrossEntropyLoss(), []
    for step in range(first, last):
        draw = np.random.default_rng(step)
        X, y = mx.nd.array(draw.normal(size=(8, 4))), mx.nd.array(draw.integers(0, 3, 8))
        pairs = list(
            zip(
                gluon.utils.split_and_load(X, contexts or [mx.cpu()]),
                gluon.utils.split_and_load(y, contexts or [mx.cpu()]),
            )
        )
        with autograd.record():
            values = [loss(net(a), b) for a, b in pairs]
        autograd.backward(values)
        trainer.step(8)
        losses.append(np.concatenate([value.asnumpy() for value in values]))
    return np.array(losses)


def state(net):
    return {k: [a.asnumpy() for a in p.list_data()] for k, p in net._collect_params_with_prefix().items()}


def assert_same(first, second):
    for name in first:
        for a, b in zip(first[name], second[name]):
            np.testing.assert_array_equal(a, b, err_msg=name)
