"""A quadratic bowl, whose updates can be computed by hand."""

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, init

from gluon_lr.finder import AutoLRS

CURVATURE = np.array([1.0, 4.0])


class Bowl(gluon.nn.Block):
    """½·Σ cᵢ·wᵢ²: a quadratic whose gradient is c·w."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(2,), init=init.Constant(mx.nd.array([1.0, -2.0])))

    def forward(self, _):
        return 0.5 * (mx.nd.array(CURVATURE) * self.weight.data() ** 2).sum()


def bowl(optimizer, **rule):
    net = Bowl()
    net.initialize()
    net.weight.set_data(mx.nd.array([1.0, -2.0]))
    return net, gluon.Trainer(net.collect_params(), optimizer, rule)


def steps(net, trainer, count, schedules=(), first=1):
    """The weights after each of ``count`` updates."""
    path = []
    for t in range(first, first + count):
        for schedule in schedules:
            schedule.apply(trainer, t)
        with autograd.record():
            value = net(None)
        value.backward()
        trainer.step(1)
        path.append(net.weight.data().asnumpy().astype(float))
    return np.array(path)


class Nothing:
    """A loader for a net that needs no data."""

    epoch = 0

    def __iter__(self):
        return iter([(mx.nd.zeros((1, 1)), mx.nd.zeros((1,)))])


def search(net, **kwargs):
    return AutoLRS(net, Nothing(), lambda output, y: output, mx.cpu(), **kwargs)
