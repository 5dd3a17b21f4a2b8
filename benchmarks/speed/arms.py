"""What is measured, an arm a function; ``python benchmarks/speed/arms.py NAME`` runs one in this process and prints
JSON.

Every arm is a process of its own, so that threads, caches and array modes of one library do not touch another's.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import ours
import peak
import peers
import scaling

BATCH = 256


def d2l_loop():
    """The same work through d2l's own loop and loaders, worker processes and all: seconds an epoch of one run."""
    import contextlib
    import io

    from mxnet.gluon import nn
    from mxnet.gluon.data.vision import datasets

    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import FASHION_MNIST

    # MXNet's host is gone and its digests are of the earlier edition: hand its reader the files that there are.
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
        d2l.train_ch6(net, train_iter, test_iter, 1, 0.3, d2l.try_gpu())
    return {"epoch": time.perf_counter() - started}


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
    **{f"{name}: ours": (lambda name=name: ours.update(name)) for name in ours.STUDIES},
    **{f"{name}: PyTorch": (lambda only=None, name=name: peers.update(name, only)) for name in ours.STUDIES},
    **{f"{name}: command": (lambda name=name: ours.command(name)) for name in ours.STUDIES},
    # As many runs as with two jobs, so that what is compared is two cores against one and not a core left over.
    "lenet: command in one job": lambda: ours.command("lenet", jobs=1),
    "d2l": d2l_loop,
    "imports": imports,
    "first-update": first_update,
    "memory": memory,
    "finder": finder,
    "scheduler-calls": scheduler_calls,
    "peak": peak.shares,
    "scaling": scaling.table,
}
# Like a sweep's workers: arms that do our work in their own process get one thread.
ONE_THREAD = ("peak", "memory")

if __name__ == "__main__":
    name = sys.argv[1]
    if name in ONE_THREAD:
        os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(ARMS[name](*map(json.loads, sys.argv[2:]))))
