"""The same updates and epochs in PyTorch, as strong as it can be had."""

import os
import sys
import time

from lockstep import QUICK, in_lockstep, machine_seconds, timed

BATCH = {"lenet": 256, "mlp-sgd": 64, "mlp-adam": 64, "vit": 128, "resnet": 128}
UPDATES = {"lenet": 235, "mlp-sgd": 313, "mlp-adam": 313, "vit": 80, "resnet": 10}  # an epoch
TESTED = {"lenet": 10_000, "mlp-sgd": 10_000, "mlp-adam": 10_000, "vit": 7_000, "resnet": 500}  # after it
EPOCHS_BEFORE = {"mlp-adam": 4}  # as for ours
if QUICK:
    UPDATES, EPOCHS_BEFORE = dict.fromkeys(UPDATES, 3), {}
PROCESSES = {"one process, two threads": (1, 2), "two processes, one thread": (2, 1)}

# What is tried. The first four are the peers that the goals name; "fused" is PyTorch's optimizer in one kernel, "flush"
# takes denormal numbers as zero, as this package does. Channels last is for images.
LISTED = ("eager", "channels_last", "compiled", "compiled channels_last")
FURTHER = {
    "lenet": ("compiled channels_last fused",),
    "mlp-sgd": ("eager fused", "compiled fused"),
    "mlp-adam": ("eager fused flush", "compiled fused flush"),
    "vit": ("eager fused", "compiled fused"),
    "resnet": (),
}


def configurations(name):
    """What is tried for a study, in each number of processes."""
    images = name in ("lenet", "resnet")
    return [one for one in LISTED if images or "channels_last" not in one] + list(FURTHER[name])


def _net(name):
    from torch import nn

    if name == "lenet":
        net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
        for layer in net:
            if hasattr(layer, "weight"):
                nn.init.xavier_uniform_(layer.weight)
        return net
    if name.startswith("mlp"):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        )
    import peer_nets

    return peer_nets.ViT(64, 3, 2, 8) if name == "vit" else peer_nets.resnet18_v2()


def _optimizer(name, net, fused):
    import torch

    options = {"fused": True} if fused else {}
    if name == "mlp-adam":
        return torch.optim.Adam(net.parameters(), **options)
    if name == "vit":
        return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, **options)
    return torch.optim.SGD(net.parameters(), lr={"lenet": 0.3}.get(name, 0.05), **options)


def _data(name):
    """Training and test images as float tensors, in 0…1, and labels."""
    import torch

    from gluon_lr.data.batches import cifar10_arrays, fashion_mnist_arrays
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import CIFAR10, FASHION_MNIST

    if name in ("vit", "resnet"):
        arrays, limit = cifar10_arrays(obtain(CIFAR10)), 10_240
    else:
        arrays, limit = fashion_mnist_arrays(obtain(FASHION_MNIST)), 60_000 if name == "lenet" else 20_000
    X, y, test_X, test_y = (torch.from_numpy(a[:limit].copy()) for a in arrays)
    return X, y.long(), test_X[: TESTED[name]], test_y[: TESTED[name]].long()


class Training:
    """A study's training in PyTorch in one configuration."""

    def __init__(self, name, configuration, data):
        import torch

        torch.set_flush_denormal("flush" in configuration)
        torch.manual_seed(0)
        torch._dynamo.reset()
        self.name, (self.X, self.y, self.test_X, self.test_y) = name, data
        self.last = torch.channels_last if "channels_last" in configuration else torch.contiguous_format
        self.net = _net(name).to(memory_format=self.last)
        self.optimizer = _optimizer(name, self.net, "fused" in configuration)
        criterion = torch.nn.CrossEntropyLoss()

        def forward(X, y):
            output = self.net(X)
            return output, criterion(output, y)

        self.forward = torch.compile(forward) if "compiled" in configuration else forward
        self.generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(self.X), generator=self.generator)
        self.kept = [self.batch(chosen) for chosen in order.split(BATCH[name])[:40]]
        self.done = 0

    def batch(self, chosen):
        """A batch from bytes."""
        return (self.X[chosen].float() / 255).contiguous(memory_format=self.last), self.y[chosen]

    def once(self):
        """One update on a batch that is there."""
        X, y = self.kept[self.done % len(self.kept)]
        self.done += 1
        return self.step(X, y)

    def step(self, X, y):
        """One update: output and loss."""
        self.net.train()
        output, loss = self.forward(X, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return output, loss

    def epoch(self):
        """An epoch with the figures that ours keeps, and the evaluation after it."""
        import torch

        size = BATCH[self.name]
        total, hits = torch.zeros(()), torch.zeros(())
        order = torch.randperm(len(self.X), generator=self.generator)[: UPDATES[self.name] * size]
        for chosen in order.split(size):
            X, y = self.batch(chosen)
            output, loss = self.step(X, y)
            total += loss.detach() * len(chosen)
            hits += (output.argmax(1) == y).sum()
        self.net.eval()
        correct = 0
        with torch.no_grad():
            for X, y in zip(self.test_X.split(500), self.test_y.split(500)):
                X = (X.float() / 255).contiguous(memory_format=self.last)
                correct += int((self.net(X).argmax(1) == y).sum())
        return float(total), float(hits), correct


def _measure(barrier, name, chosen, seconds):
    """In one process: configuration → seconds of an update and of an epoch; None where it does not run here."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    data, found = _data(name), {}
    for configuration in chosen:
        try:
            training = Training(name, configuration, data)
            for _ in range(3):
                training.once()
            for _ in range(EPOCHS_BEFORE.get(name, 0)):
                training.epoch()
        except Exception as error:  # a compiler that is not there
            found[configuration] = None
            print(f"{name}, {configuration}: {error!r}"[:300], file=sys.stderr, flush=True)
            continue
        update = timed(barrier, training.once, lambda: None, seconds)
        barrier.wait()
        started = time.perf_counter()
        training.epoch()
        found[configuration] = {"update": update, "epoch": time.perf_counter() - started}
    return found


def update(name, only=None, seconds=2.0):
    """Configuration → seconds of the machine for an update and an epoch, in every number of processes.

    Args:
        only: the configurations to measure; default all.
    """
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no further processes beside those that are timed
    results = {}
    for how, (processes, threads) in PROCESSES.items():
        chosen = [one for one in configurations(name) if only is None or f"{one}, {how}" in only]
        if not chosen:
            continue
        found = in_lockstep(processes, threads, _measure, name, chosen, seconds)
        for configuration in found[0]:
            if all(result[configuration] for result in found):
                results[f"{configuration}, {how}"] = {
                    key: machine_seconds(found, [configuration, key]) for key in ("update", "epoch")
                }
    return results


PLAIN = "eager, one process, two threads"


def contenders(results):
    """Those that could be the fastest in another round, an update or an epoch: not half as slow again as the best."""
    kept = {PLAIN}
    for key in ("update", "epoch"):
        for listed in (True, False):
            least = results[best(results, key, listed)][key]
            kept |= {name for name, found in results.items() if found[key] <= 1.5 * least}
    return sorted(kept)


def best(results, key, listed=True):
    """The configuration with the least seconds, of those that the goals name or of all."""
    names = [name for name in results if not listed or name.split(",")[0] in LISTED]
    return min(names, key=lambda name: results[name][key])
