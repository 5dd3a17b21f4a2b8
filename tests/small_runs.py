"""A study of runs that take a moment, for tests and campaigns of many runs."""

import time

import numpy as np
from mxnet import gluon, init

from gluon_lr.data import ArrayBatches
from gluon_lr.experiments import Ingredients, RunSpec
from gluon_lr.nets import mlp


def specs(runs=("a", "b"), seeds=(0,), epochs=3):
    return [RunSpec("test", run, seed, epochs, settings={"lr": 0.1}) for seed in seeds for run in runs]


def build(spec, ctx, data_dir=None):
    """A small net on drawn data; the run ``broken`` raises, ``wild`` explodes, ``slow`` takes a second an epoch."""
    if spec.run == "broken":
        raise ValueError("this run is broken")
    draw = np.random.default_rng(7)
    images, labels = draw.integers(0, 256, (64, 4)).astype(np.uint8), draw.integers(0, 3, 64)
    train_iter = ArrayBatches(images, labels, 16, shuffle=True, seed=spec.seed)
    if spec.run == "slow":
        train_iter.transform = lambda batch: time.sleep(0.25) or batch.astype("float32") / 255
    net = mlp((8,), classes=3)
    net.initialize(init.Xavier(), ctx=ctx)
    rate = 1e30 if spec.run == "wild" else spec.settings["lr"]
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": rate, "momentum": 0.9})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    return Ingredients(net, train_iter, ArrayBatches(images, labels, 64), loss, trainer, {"edition": "drawn"})
