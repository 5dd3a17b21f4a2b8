"""What the finder is tried on: nets, data, optimizers, and the rates that are tried."""

from dataclasses import dataclass, replace

import numpy as np

from gluon_lr.experiments.spec import Ingredients

PARTS = 10


@dataclass(frozen=True)
class Task:
    """A net, its data and optimizer, the updates that it is trained for, the rates that are tried, and the updates and
    the rate that it was trained at before, and the schedule that the rate is for."""

    net: str
    data: str
    batch_size: int
    optimizer: str
    updates: int
    rates: tuple
    before: tuple = (0, 0.0)
    schedule: str = "constant"


def ladder(low, high):
    """Rates from ``low``, each twice the one before, up to ``high``."""
    return tuple(float(f"{low * 2**i:.4g}") for i in range(round(np.log2(high / low)) + 1))


TASKS = {
    "lenet-sgd": Task("lenet", "fashion-mnist", 256, "sgd", 700, ladder(0.0125, 1.6)),
    "mlp-sgd": Task("mlp", "fashion-mnist", 64, "sgd", 900, ladder(0.0125, 1.6)),
    "lenet-adam": Task("lenet", "fashion-mnist", 256, "adam", 700, ladder(2.5e-4, 0.032)),
    "mlp-adamw": Task("mlp", "fashion-mnist", 64, "adamw", 900, ladder(1.25e-4, 0.016)),
    "resnet18-sgd": Task("resnet18_v2", "cifar10", 128, "sgd", 200, ladder(0.00625, 0.8)),
    "resnet20-momentum": Task("cifar_resnet20_v1", "cifar10", 128, "momentum", 120, ladder(0.00625, 0.8)),
}
# Trained and searched after the rule was settled: nothing was chosen on these.
HELD_OUT = {
    "lenet-momentum": Task("lenet", "fashion-mnist", 256, "momentum", 700, ladder(0.0025, 0.32)),
    "mlp-nag": Task("mlp", "fashion-mnist", 64, "nag", 900, ladder(0.0025, 0.32)),
    "lenet-rmsprop": Task("lenet", "fashion-mnist", 256, "rmsprop", 700, ladder(6.25e-5, 0.008)),
    "mlp-cifar10": Task("mlp", "cifar10", 64, "sgd", 900, ladder(0.003125, 0.4)),
    "lenet-half-trained": Task("lenet", "fashion-mnist", 256, "sgd", 700, ladder(0.0125, 1.6), before=(470, 0.1)),
    "mobilenet-adam": Task("mobilenet0.25", "cifar10", 128, "adam", 150, ladder(5e-4, 0.256)),
}
# For trials; chosen, with their grids, before any of them was trained.
NEW = {
    "lstm-clipped": Task("lstm", "text", 32, "clipped", 600, ladder(0.05, 6.4)),
    "autoencoder": Task("autoencoder", "pixels", 64, "momentum", 700, ladder(0.05, 6.4)),
    "lenet-one-cycle": Task("lenet", "fashion-mnist", 256, "momentum", 700, ladder(0.005, 0.64), schedule="one-cycle"),
    "lenet-adam-half-trained": Task("lenet", "fashion-mnist", 256, "adam", 700, ladder(1.25e-4, 0.016), (470, 0.001)),
}
# Ten times as long as tasks above: what a small share of a long training can find.
LONG = {
    f"{name}-long": replace({**TASKS, **HELD_OUT}[name], updates=9000) for name in ("mlp-sgd", "mlp-nag", "mlp-cifar10")
}
EVERY = {**TASKS, **HELD_OUT, **NEW, **LONG}
OPTIMIZERS = {
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nag": ("nag", {"momentum": 0.9}),
    "rmsprop": ("rmsprop", {}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {"wd": 1e-4}),
    "clipped": ("sgd", {"momentum": 0.9, "clip_gradient": 0.01}),
}


def make_schedule(name):
    """A task's schedule as a function of the rate and the updates; None for a constant rate."""
    from gluon_lr import OneCycleScheduler

    return (lambda lr, updates: OneCycleScheduler(updates, lr)) if EVERY[name].schedule == "one-cycle" else None


def make(name, seed, ctx, data_dir=None):
    """A task's untrained net, its training and test batches, loss, and what is to be recorded of the data."""
    import mxnet as mx

    from gluon_lr.data.batches import ArrayBatches

    task = EVERY[name]
    (train, labels, test, test_labels), transform, about = load(task.data, data_dir)
    net = make_net(task.net)
    net.initialize(mx.init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    train_iter = ArrayBatches(train, labels, task.batch_size, True, seed, transform)
    test_iter = ArrayBatches(test[:500], test_labels[:500], 100, transform=transform)
    loss = mx.gluon.loss.L2Loss() if task.data == "pixels" else mx.gluon.loss.SoftmaxCrossEntropyLoss()
    return net, train_iter, test_iter, loss, about


def load(data, data_dir=None):
    """Training and test arrays, the transform of a batch, and what is to be recorded."""
    from gluon_lr.data.batches import cifar10_arrays, fashion_mnist_arrays, normalize_cifar10, to_unit
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import CIFAR10, FASHION_MNIST

    if data == "text":
        return load_text()
    located = obtain(CIFAR10 if data == "cifar10" else FASHION_MNIST, data_dir)
    arrays = (cifar10_arrays if data == "cifar10" else fashion_mnist_arrays)(located)
    if data == "pixels":  # an image's own pixels are what is to be predicted
        arrays = [pixels for images in arrays[::2] for pixels in (images, to_unit(images).reshape(len(images), -1))]
    transform = normalize_cifar10 if data == "cifar10" else to_unit
    return arrays, transform, located.as_recorded()


def load_text(length=32):
    """Python's own documentation, as this Python comes with it: letters, and the letters that follow them."""
    import hashlib
    from pydoc_data.topics import topics

    text = "".join(topics[name] for name in sorted(topics)).encode("ascii", "replace")
    letters = np.frombuffer(text, np.uint8)
    rows = len(letters) // (length + 1)
    rows = letters[: rows * (length + 1)].reshape(rows, length + 1)
    arrays = rows[1000:, :-1], rows[1000:, 1:], rows[:1000, :-1], rows[:1000, 1:]
    about = {"name": "pydoc_data.topics", "edition": "of this Python", "sha1": hashlib.sha1(text).hexdigest()}
    return arrays, lambda letters: letters.astype(np.float32), about


def make_net(name):
    """A task's net, not initialized."""
    from mxnet.gluon import nn, rnn
    from mxnet.gluon.model_zoo import vision

    from gluon_lr import nets

    net = nn.HybridSequential()
    if name == "lstm":
        net.add(nn.Embedding(128, 32), rnn.LSTM(128, layout="NTC"), nn.Dense(128, flatten=False))
    elif name == "autoencoder":
        net.add(nn.Dense(128, activation="relu"), nn.Dense(32), nn.Dense(128, activation="relu"), nn.Dense(784))
    elif name == "cifar_resnet20_v1":
        from gluoncv.model_zoo import get_model

        return get_model(name, classes=10)
    elif name in ("lenet", "mlp"):
        return getattr(nets, name)()
    else:
        return vision.get_model(name, classes=10)
    return net


def make_learner(name, net, batches, loss, rate):
    """The task's net with its optimizer at a rate, trained before where the task says so."""
    import mxnet as mx

    import gluon_lr.optimizers  # noqa: F401  registers adamw
    from gluon_lr.finder import Learner

    rule, numbers = OPTIMIZERS[EVERY[name].optimizer]
    trainer = mx.gluon.Trainer(net.collect_params(), rule, {**numbers, "learning_rate": rate})
    updates, earlier_rate = EVERY[name].before
    learner = Learner(net, batches, mx.cpu(), loss, trainer)
    for _ in range(updates):
        learner.iteration(earlier_rate)
    learner.close()
    trainer.set_learning_rate(rate)
    return learner


def build(spec, ctx, data_dir=None):
    """What a run of the grid trains."""
    from gluon_lr.studies.tutorial.experiment import Stretches

    name = spec.settings["task"]
    net, train_iter, test_iter, loss, about = make(name, spec.seed, ctx, data_dir)
    learner = make_learner(name, net, train_iter, loss, spec.settings["rate"])
    stretches = Stretches(train_iter, spec.settings["updates_per_part"])
    if make_schedule(name) is not None:
        learner.trainer.optimizer.lr_scheduler = make_schedule(name)(spec.settings["rate"], EVERY[name].updates)
    return Ingredients(net, stretches, test_iter, loss, learner.trainer, about)
