"""The studies' updates and commands as this package does them."""

import itertools
import statistics
import tempfile
import time
from dataclasses import replace

from lockstep import QUICK, in_lockstep, machine_seconds, timed

# study: the module under gluon_lr.studies, and its specifications' arguments
_ARGUMENTS = {
    "lenet": ("chapter", lambda m, seeds, epochs: m.specifications(["cosine"], "as-printed", seeds, epochs)),
    "mlp-sgd": ("article", lambda m, seeds, epochs: m.specifications(["exponential"], seeds, epochs)),
    "mlp-adam": ("article", lambda m, seeds, epochs: m.specifications(["adam"], seeds, epochs)),
    "vit": (
        "talk",
        lambda m, seeds, epochs: [
            spec for spec in m.specifications(["constant"], seeds, m.PRESETS["small"], epochs) if "0.001" in spec.run
        ],
    ),
    "resnet": ("tutorial", lambda m, seeds, epochs: m.specifications(["lr-0.05"], seeds, epochs, limit=2_000)),
}
STUDIES = tuple(_ARGUMENTS)
# Epochs of a run of the command that is measured; of ResNet an epoch is ten updates.
EPOCHS = {"lenet": 4, "mlp-sgd": 8, "mlp-adam": 8, "vit": 3, "resnet": 1}
# Adam's moments of a unit that has died need some 800 updates to become denormal.
EPOCHS_BEFORE = {"mlp-adam": 4}
if QUICK:
    EPOCHS, EPOCHS_BEFORE = dict.fromkeys(EPOCHS, 1), {}


def study(name, seeds=(0,), epochs=1):
    """A study's module, and the specifications of a run for each of these seeds."""
    import importlib

    folder, specifications = _ARGUMENTS[name]
    module = importlib.import_module(f"gluon_lr.studies.{folder}.experiment")
    return module, specifications(module, list(seeds), epochs)


class Some:
    """The first so many batches of an epoch."""

    def __init__(self, batches, count):
        self.batches, self.count, self.epoch = batches, count, 0

    def __iter__(self):
        self.batches.epoch, self.epoch = self.epoch, self.epoch + 1
        return itertools.islice(iter(self.batches), self.count)


def _update(barrier, name, seconds):
    """In one process: seconds of an update's operators alone, and through ``train``, in turn."""
    import mxnet as mx
    from mxnet import autograd

    from gluon_lr.denormals import denormals_as_zero
    from gluon_lr.training import train

    module, specs = study(name)
    parts = module.build(specs[0], mx.cpu())
    net, loss, trainer = parts.net, parts.loss, parts.trainer
    count = 3 if QUICK else {"resnet": 4, "vit": 40, "lenet": 80}.get(name, 300)
    batches = list(Some(parts.train_iter, min(count, 40)))
    stream = itertools.cycle(batches)
    small = [(X[:1], y[:1]) for X, y in batches[:1]]

    def operators():
        X, y = next(stream)
        with autograd.record():
            losses = loss(net(X), y)
        losses.backward()
        trainer.step(len(X))

    def through_train():
        train(net, Some(parts.train_iter, count), small, 1, loss, trainer, mx.cpu())

    times = {"operators": [], "train": []}
    with denormals_as_zero([mx.cpu()]):
        for _ in range(1 + EPOCHS_BEFORE.get(name, 0)):
            through_train()
        for _ in range(3):
            times["operators"].append(timed(barrier, operators, mx.nd.waitall, seconds / 6))
            times["train"].append(timed(barrier, through_train, mx.nd.waitall, seconds / 6, 1) / count)
    return {
        "update": statistics.median(times["operators"]),
        "train": statistics.median(times["train"]),
        "ratios": [whole / alone for whole, alone in zip(times["train"], times["operators"])],
    }


def update(name, seconds=5.0):
    """Seconds of the machine for an update, in two processes of one thread, and what the loop adds."""
    found = in_lockstep(2, 1, _update, name, seconds)
    return {
        "update": machine_seconds(found, ["update"]),
        "train": machine_seconds(found, ["train"]),
        "train_over_operators": statistics.median(ratio for result in found for ratio in result["ratios"]),
    }


def sweep_seconds(name, seeds, epochs, jobs):
    """Seconds of a study's runs through the sweep, its processes started and warm."""
    from gluon_lr.experiments.sweep import sweep

    module, warm = study(name, range(90, 90 + jobs), 1)
    _, specs = study(name, seeds, epochs)
    if name not in ("resnet", "vit"):
        warm = [replace(spec, limit=256) for spec in warm]
    with tempfile.TemporaryDirectory() as folder:
        sweep(warm, module.build, folder, jobs=jobs, progress=False)
        started = time.perf_counter()
        if QUICK and name not in ("resnet", "vit"):
            specs = [replace(spec, limit=256) for spec in specs]
        records = sweep(specs, module.build, folder, jobs=jobs, progress=False)
        seconds = time.perf_counter() - started
    assert all(record.complete for record in records), [record.error for record in records]
    return seconds


def command(name, jobs=2, runs=2, epochs=None):
    """The command's seconds of the machine an epoch of a run: updates, data, evaluation, records, checkpoints."""
    epochs = epochs or EPOCHS[name]
    return {"epoch": sweep_seconds(name, range(runs), epochs, jobs) / (runs * epochs)}
