"""A small net, its data, and plain updates."""

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
