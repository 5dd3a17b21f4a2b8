"""Measure one thing per function, an arm; ``python benchmarks/arms.py NAME`` runs one in this process and prints JSON.

Every arm is a process of its own, so that threads, caches and array modes of one library do not touch another's.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 4
# Of ours, starting up included: the chapter has 40, this is what there is time for.
OUR_EPOCHS = 12
BATCH = 256


def ours(jobs, runs=5, epochs=OUR_EPOCHS):
    """The chapter's first runs through the sweep: seconds an epoch of one run, all jobs at work."""
    from gluon_lr.experiments.sweep import sweep
    from gluon_lr.studies.chapter.experiment import RUNS, build, specifications

    warm = specifications(["constant"], "as-printed", [99], 1, limit=BATCH)
    specs = specifications(RUNS[:runs], "as-printed", [0], epochs)
    with tempfile.TemporaryDirectory() as folder:
        sweep(
            [*warm, *specifications(["cosine"], "as-printed", [99], 1, limit=BATCH)],
            build,
            folder,
            jobs=jobs,
            progress=False,
        )
        started = time.perf_counter()
        records = sweep(specs, build, folder, jobs=jobs, progress=False)
        seconds = time.perf_counter() - started
    assert all(record.complete for record in records)
    return {"seconds_per_epoch": seconds / (epochs * len(specs))}


def d2l_loop():
    """The same work through d2l's own loop and loaders, worker processes and all: seconds an epoch of one run."""
    import contextlib
    import io

    from mxnet.gluon import nn
    from mxnet.gluon.data.vision import datasets

    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import FASHION_MNIST

    # MXNet's host has disappeared, and its digests belong to the earlier edition: give its reader the files we have.
    folder = obtain(FASHION_MNIST).folder
    datasets.download = lambda url, **_: str(folder / url.rsplit("/", 1)[-1])
    from d2l import mxnet as d2l
    from mxnet import npx

    npx.set_np()
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(channels=6, kernel_size=5, padding=2, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Conv2D(channels=16, kernel_size=5, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Dense(120, activation="relu"),
        nn.Dense(84, activation="relu"),
        nn.Dense(10),
    )
    net.hybridize()
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=BATCH)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        d2l.train_ch6(net, train_iter, test_iter, 2, 0.3, d2l.try_gpu())
    return {"seconds_per_epoch": (time.perf_counter() - started) / 2}


def pytorch(compiled):
    """The same work in PyTorch: tensors in memory, default threads; seconds an epoch of one run."""
    import torch
    from torch import nn

    from gluon_lr.data.batches import fashion_mnist_arrays
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import FASHION_MNIST

    arrays = fashion_mnist_arrays(obtain(FASHION_MNIST))
    X, y, test_X, test_y = (torch.from_numpy(a.copy()) for a in arrays)
    X, test_X, y, test_y = X.float() / 255, test_X.float() / 255, y.long(), test_y.long()
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    for layer in net:
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
    step = torch.compile(net) if compiled else net
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
    loss = nn.CrossEntropyLoss()

    def epoch():
        order = torch.randperm(len(X))
        total, hits = torch.zeros(()), torch.zeros(())
        for chosen in order.split(BATCH):
            target = y[chosen]
            output = step(X[chosen])
            value = loss(output, target)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.detach() * len(chosen)
            hits += (output.argmax(1) == target).sum()
        with torch.no_grad():
            accuracy = sum((net(part).argmax(1) == t).sum() for part, t in zip(test_X.split(1000), test_y.split(1000)))
        return float(total), float(hits), int(accuracy)

    epoch() if compiled else None  # compilation is not counted
    started = time.perf_counter()
    for _ in range(EPOCHS):
        epoch()
    return {"seconds_per_epoch": (time.perf_counter() - started) / EPOCHS}


def floor():
    """The heavy operators of one update alone, forward and backward, on one thread: seconds an update."""
    import mxnet as mx
    from mxnet import autograd

    def timed(make, *inputs):
        """Seconds of ``make(*inputs)`` and its backward pass; gradients for all inputs but the images."""
        for array in inputs:
            if array.shape[-1] != 28:
                array.attach_grad()

        def once():
            with autograd.record():
                output = make(*inputs)
            output.backward()
            mx.nd.waitall()

        times = []
        for _ in range(30):
            started = time.perf_counter()
            once()
            times.append(time.perf_counter() - started)
        return statistics.median(times[5:])

    draw = mx.nd.random.normal

    def convolution(x, w, b, stride, padding):
        """With its pooling: between the two oneDNN keeps a layout of its own, which either alone would have to make."""
        y = mx.nd.Convolution(x, w, b, kernel=w.shape[2:], stride=stride, pad=padding, num_filter=16)
        return mx.nd.Pooling(y, kernel=(1, 2, 2), stride=(1, 2, 2), pool_type="max")

    # Rows folded into channels, as gluon_lr.nets.lenet computes them.
    parts = {
        "convolution and pooling 1": timed(
            lambda x, w, b: convolution(x, w, b, (4, 1, 1), (2, 1, 2)),
            draw(shape=(BATCH, 1, 28, 1, 28)), draw(shape=(16, 1, 8, 2, 5)), draw(shape=(16,)),
        ),
        "convolution and pooling 2": timed(
            lambda x, w, b: convolution(x, w, b, (1, 1, 1), (0, 1, 0)),
            draw(shape=(BATCH, 16, 7, 1, 14)), draw(shape=(16, 16, 3, 2, 5)), draw(shape=(16,)),
        ),
        "dense": sum(
            timed(
                lambda x, w, b, n=n: mx.nd.FullyConnected(x, w, b, num_hidden=n),
                draw(shape=(BATCH, k)), draw(shape=(n, k)), draw(shape=(n,)),
            )
            for k, n in ((400, 120), (120, 84), (84, 10))
        ),
    }  # fmt: skip
    from gluon_lr.nets import lenet, plain_lenet

    plain, ours = _update(plain_lenet), _update(lenet)
    return {
        "parts": parts,
        "seconds_per_update": sum(parts.values()),
        "our_seconds_per_update": ours,
        "plain_seconds_per_update": plain,
    }


def _update(make_net):
    """Median seconds of an update of the chapter's loop with this net, in this process."""
    import mxnet as mx

    from gluon_lr import load_data_fashion_mnist
    from gluon_lr.update import update

    net, loss = make_net(), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(mx.init.Xavier())
    for block in (net, loss):
        block.hybridize(static_alloc=True, static_shape=True)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    pair = next(iter(load_data_fashion_mnist(BATCH, limit=BATCH)[0]))
    times = []
    for _ in range(60):
        started = time.perf_counter()
        update(net, loss, trainer, pair, [mx.cpu()])
        mx.nd.waitall()
        times.append(time.perf_counter() - started)
    return statistics.median(times[10:])


def finder(updates=25):
    """A search of n updates against n plain updates of the same loop, in turn: their ratio, on ResNet-18 v2."""
    import mxnet as mx
    from mxnet import gluon

    from gluon_lr import Learner, LRFinder
    from gluon_lr.data import ArrayBatches
    from gluon_lr.data.batches import cifar10_arrays, normalize_cifar10
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import CIFAR10
    from gluon_lr.update import mean_loss, update

    images, labels, _, _ = cifar10_arrays(obtain(CIFAR10))
    batches = ArrayBatches(images[:4096], labels[:4096], 128, shuffle=True, transform=normalize_cifar10)
    net = gluon.model_zoo.vision.resnet18_v2(classes=10)
    net.initialize(mx.init.Xavier())
    net.hybridize(static_alloc=True, static_shape=True)
    learner = Learner(net, batches, mx.cpu())
    search = LRFinder(learner)

    def plain():
        stream = iter(batches)
        for _ in range(updates):
            mean_loss(update(net, learner.loss, learner.trainer, next(stream), [mx.cpu()]))

    plain()
    ratios = []
    for _ in range(3):
        started = time.perf_counter()
        plain()
        middle = time.perf_counter()
        search.find(1e-6, 1.1, max_updates=updates, progress=False)
        ratios.append((time.perf_counter() - middle) / (middle - started))
    return {"ratios": ratios}


def imports():
    """Seconds that importing gluon_lr, with the names a user takes from it, adds to importing MXNet."""
    started = time.perf_counter()
    import mxnet  # noqa: F401

    middle = time.perf_counter()
    import gluon_lr

    bare = time.perf_counter() - middle
    _ = gluon_lr.LRFinder, gluon_lr.train, gluon_lr.CosineScheduler
    return {"mxnet": middle - started, "gluon_lr": bare, "with_names": time.perf_counter() - middle}


def first_update():
    """Seconds from the command to the record of a training of one single update and its evaluation."""
    import subprocess

    code = (
        "import sys; from gluon_lr.experiments import sweep\n"
        "from gluon_lr.studies.chapter.experiment import build, specifications\n"
        f"sweep(specifications(['constant'], 'as-printed', [0], 1, limit={BATCH}), build, sys.argv[1], progress=False)"
    )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "one.py"
        script.write_text("if __name__ == '__main__':\n    " + code.replace("\n", "\n    "))
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-W", "ignore", str(script), folder])
        while not any(b'"status": "finished"' in p.read_bytes() or b'"status": "collapsed"' in p.read_bytes()
                      for p in Path(folder).glob("runs/*.json")):  # fmt: skip
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        process.wait()
    return {"seconds": seconds}


def memory():
    """Peak resident memory of a process that does one of the chapter's runs, in MiB."""
    from gluon_lr.experiments import Store
    from gluon_lr.experiments.run import execute
    from gluon_lr.studies.chapter.experiment import build, specifications

    with tempfile.TemporaryDirectory() as folder:
        execute(specifications(["cosine"], "as-printed", [0], 1)[0], build, Store(Path(folder)))
    return {"mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def scheduler_calls():
    """Microseconds of a call of a policy and of three nested combinators."""
    import timeit

    from gluon_lr import schedulers as s

    policy = s.CosineScheduler(9400, 0.5)
    nested = s.PerEpochScheduler(s.ClipScheduler(s.WarmupScheduler(policy, 5), 0.0, 1.0), 235)

    def cost(schedule):
        return min(timeit.repeat(lambda: schedule(500), number=20_000, repeat=5)) / 20_000 * 1e6

    return {"policy": cost(policy), "three_nested": cost(nested)}


ARMS = {
    "ours": lambda: ours(None),
    # An even number of runs, so that what is compared is two cores against one and not a core left over.
    "ours-two-jobs": lambda: ours(2, runs=4, epochs=EPOCHS),
    "ours-one-job": lambda: ours(1, runs=4, epochs=EPOCHS),
    "d2l": d2l_loop,
    "pytorch": lambda: pytorch(False),
    "pytorch-compiled": lambda: pytorch(True),
    "floor": floor,
    "finder": finder,
    "imports": imports,
    "first-update": first_update,
    "memory": memory,
    "scheduler-calls": scheduler_calls,
}
# Like a sweep's workers: arms that do our work in their own process get one thread.
ONE_THREAD = ("floor", "memory")

if __name__ == "__main__":
    name = sys.argv[1]
    if name in ONE_THREAD:
        os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(ARMS[name]()))
