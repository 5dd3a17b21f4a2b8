"""How the cost of the commands grows with seeds, jobs, images and parameters: two or three points each."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path

from lockstep import QUICK

HERE = Path(__file__).resolve().parent


def exponent(sizes, costs):
    """The power of the size with which the cost grows: the slope of a line through the logarithms."""
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def _point(kind, size):
    """Seconds and peak memory, in MiB, of one point in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "scaling.py"), kind, str(size)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{kind} {size}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


SIZES = {
    "seeds of the chapter's command": (1, 2, 4),
    "jobs of the chapter's command": (1, 2),
    "images of the article's training": (5_000, 20_000, 60_000),
    "parameters of the article's net": (64, 256, 1024),
}


def table():
    """kind → sizes, seconds, memory, and both exponents."""
    found = {}
    for kind, sizes in SIZES.items():
        sizes = sizes[:2] if QUICK else sizes
        points = [_point(kind, size) for size in sizes]
        sizes = [point.get("size", size) for point, size in zip(points, sizes)]
        found[kind] = {
            "sizes": sizes,
            "seconds": [point["seconds"] for point in points],
            "mebibytes": [point["mebibytes"] for point in points],
            "exponent": exponent(sizes, [point["seconds"] for point in points]),
            "memory_exponent": exponent(sizes, [point["mebibytes"] for point in points]),
        }
    return found


def _measure(kind, size):
    import resource
    from dataclasses import replace

    import ours

    if kind.startswith(("seeds", "jobs")):
        seeds, jobs = (size, 1) if kind.startswith("seeds") else (2, size)
        # A sixth of an epoch's images, two epochs: what a run costs beside its updates counts as well.
        module, specs = ours.study("lenet", range(seeds), 2)
        specs = [replace(spec, limit=256 if QUICK else 10_240) for spec in specs]
        return _swept(module, specs, jobs)
    import mxnet as mx

    from gluon_lr.training import train

    module, specs = ours.study("mlp-sgd", (0,), 1)
    spec = specs[0]
    if kind.startswith("images"):
        spec = replace(spec, limit=size)
    parts = module.build(spec, mx.cpu())
    net, trainer = parts.net, parts.trainer
    batches = ours.Some(parts.train_iter, 3) if QUICK else parts.train_iter
    if kind.startswith("parameters"):
        from gluon_lr.nets import mlp

        net = mlp((size, size))
        net.initialize(mx.init.Xavier())
        net.hybridize(static_alloc=True, static_shape=True)
        trainer = mx.gluon.Trainer(net.collect_params(), "plainsgd", {"learning_rate": 0.1})
    train(net, ours.Some(parts.train_iter, 3), parts.test_iter, 1, parts.loss, trainer, mx.cpu())
    started = time.perf_counter()
    train(net, batches, parts.test_iter, 1, parts.loss, trainer, mx.cpu())
    seconds = time.perf_counter() - started
    found = {"seconds": seconds, "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if kind.startswith("parameters"):
        found["size"] = sum(p.data().size for p in net.collect_params().values())
    return found


def _swept(module, specs, jobs):
    """Seconds of a sweep, and the peak memory of one of its processes times the number of those at work."""
    import resource
    import tempfile

    from gluon_lr.experiments.sweep import sweep

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        records = sweep(specs, module.build, folder, jobs=jobs, progress=False)
        seconds = time.perf_counter() - started
    assert all(record.complete for record in records)
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)  # only of processes that have ended the peak is known
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"seconds": seconds, "mebibytes": memory * jobs}


if __name__ == "__main__":
    import os

    os.environ["OMP_NUM_THREADS"] = "1"
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
