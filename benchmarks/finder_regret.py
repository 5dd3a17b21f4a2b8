"""Does the finder's suggestion train well? ``python benchmarks/finder_regret.py``.

Ground truth: every task is trained for a fixed number of updates at every rate of a grid, with several seeds. Beside
it: the finder's curve on the same untrained nets, and each rule's rate from that curve. A rule's regret is the final
loss at its rate, read off the grid's curve between its points in ln(rate), over the grid's least, less one.

The final loss is the mean training loss of the last tenth of the updates. Records and searches are kept in
``benchmarks/finder_regret/``; a second call does only what is missing.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gluon_lr.finder import RULES, LRFinderResult
from gluon_lr.finder.rules import DEFAULT_RULE, suggest
from gluon_lr.records import RunSpec, read_records
from gluon_lr.runs import Ingredients, seed_everything
from gluon_lr.sweep import sweep

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "finder_regret"
PARTS = 10
BY_EYE = 0.05  # the tutorial's reading of the curve


@dataclass(frozen=True)
class Task:
    """A net, its data and optimizer, the updates that it is trained for, and the rates that are tried."""

    net: str
    data: str
    batch_size: int
    optimizer: str
    updates: int
    rates: tuple


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
OPTIMIZERS = {
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {"wd": 1e-4}),
}


def specifications(tasks, seeds):
    """The grid as data, cheap tasks first."""
    return [
        RunSpec("finder-regret", f"{name}@{rate:g}", seed, PARTS, "per-update", None,
                {"task": name, "rate": rate, "updates_per_part": TASKS[name].updates // PARTS})
        for name in tasks for seed in seeds for rate in TASKS[name].rates
    ]  # fmt: skip


def make(name, seed, ctx, data_dir=None):
    """A task's untrained net, its training and test batches, loss, and what is to be recorded of the data."""
    import mxnet as mx
    from mxnet.gluon.model_zoo import vision

    from gluon_lr import nets
    from gluon_lr.data.batches import ArrayBatches, cifar10_arrays, fashion_mnist_arrays, normalize_cifar10, to_unit
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import CIFAR10, FASHION_MNIST

    task = TASKS[name]
    fashion = task.data == "fashion-mnist"
    located = obtain(FASHION_MNIST if fashion else CIFAR10, data_dir)
    train, labels, test, test_labels = (fashion_mnist_arrays if fashion else cifar10_arrays)(located)
    transform = to_unit if fashion else normalize_cifar10
    if task.net == "cifar_resnet20_v1":
        from gluoncv.model_zoo import get_model

        net = get_model(task.net, classes=10)
    else:
        makers = {"lenet": nets.lenet, "mlp": nets.mlp, "resnet18_v2": lambda: vision.resnet18_v2(classes=10)}
        net = makers[task.net]()
    net.initialize(mx.init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    train_iter = ArrayBatches(train, labels, task.batch_size, True, seed, transform)
    test_iter = ArrayBatches(test[:500], test_labels[:500], 100, transform=transform)
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    about = {"name": task.data, "edition": located.edition, "sha1": located.sha1}
    return net, train_iter, test_iter, loss, about


def make_trainer(net, task, rate):
    """The task's optimizer at a rate."""
    from mxnet import gluon

    import gluon_lr.optimizers  # noqa: F401  registers adamw

    rule, numbers = OPTIMIZERS[task.optimizer]
    return gluon.Trainer(net.collect_params(), rule, {**numbers, "learning_rate": rate})


def build(spec, ctx, data_dir=None):
    """What a run of the grid trains."""
    from gluon_lr.tutorial import Parts

    name = spec.settings["task"]
    net, train_iter, test_iter, loss, about = make(name, spec.seed, ctx, data_dir)
    trainer = make_trainer(net, TASKS[name], spec.settings["rate"])
    parts = Parts(train_iter, spec.settings["updates_per_part"])
    return Ingredients(net, parts, test_iter, loss, trainer, about)


def search(name, seed, path):
    """The finder on a task's untrained net, as a user would call it; saved as JSON."""
    import mxnet as mx

    from gluon_lr.finder import Learner, LRFinder

    seed_everything(seed)
    net, train_iter, _, loss, _ = make(name, seed, mx.cpu())
    trainer = make_trainer(net, TASKS[name], 0.001)
    result = LRFinder(Learner(net, train_iter, mx.cpu(), loss, trainer)).find(progress=False)
    result.to_json(path)


def read_searches(tasks):
    """Task → the finder's results, a list entry a seed."""
    return {
        name: [LRFinderResult.from_json(path) for path in sorted((FOLDER / "searches").glob(f"{name}.seed*.json"))]
        for name in tasks
    }


def truth(name):
    """Rates, and the mean final loss over seeds at each; infinite where a training did not stay finite."""
    losses = {rate: [] for rate in TASKS[name].rates}
    for record in read_records(FOLDER):
        if record.complete and record.spec["settings"]["task"] == name:
            whole = record.epochs == PARTS
            losses[record.spec["settings"]["rate"]].append(record.history["train_loss"][-1] if whole else np.inf)
    rates = np.array([rate for rate, values in losses.items() if values])
    return rates, np.array([np.mean(losses[rate]) for rate in rates])


def loss_at(rate, rates, losses):
    """The final loss at any rate, linear in ln(rate) between the grid's points; its end's value beyond the grid."""
    return float(np.interp(np.log(rate), np.log(rates), np.where(np.isfinite(losses), losses, 1e6)))


def regrets(tasks):
    """Task → rule → (rate of each seed's search, regret of each)."""
    found = {}
    for name, results in read_searches(tasks).items():
        rates, losses = truth(name)
        if len(rates) < len(TASKS[name].rates) or not results:
            continue
        best = losses.min()
        found[name] = {"by eye": ([BY_EYE], [loss_at(BY_EYE, rates, losses) / best - 1])}
        for rule in RULES:
            given = [s.lr for s in (suggest(rule, r.lrs, r.losses, r.momentum) for r in results) if s]
            found[name][rule] = (given, [loss_at(lr, rates, losses) / best - 1 for lr in given])
    return found


def left_out(tasks):
    """Task → the mean regret of the default rule with its two numbers chosen anew on all the other tasks.

    The rule is factor · (1 − m)^power · η*; what is chosen on a task flatters it there.
    """
    from gluon_lr.finder.rules import smooth

    def regret(name, factor, power):
        rates, losses = truths[name]
        given = [factor * (1 - r.momentum) ** power * r.lrs[smooth(r.lrs, r.losses).argmin()] for r in searches[name]]
        return np.mean([loss_at(lr, rates, losses) / losses.min() - 1 for lr in given])

    searches, truths = read_searches(tasks), {name: truth(name) for name in tasks}
    choices = [(factor, power) for factor in (0.5, 0.75, 1, 1.25, 1.5, 1.75, 2) for power in (0, 0.25, 0.5, 0.75, 1)]
    table = {name: {choice: regret(name, *choice) for choice in choices} for name in tasks}
    found = {}
    for name in tasks:
        best = min(choices, key=lambda choice: sum(table[other][choice] for other in tasks if other != name))
        found[name] = table[name][best]
    return found


def markdown(found):
    """A line a task: the grid's best, and each rule's median rate and mean regret; the means over tasks below."""
    rules = [DEFAULT_RULE, *(rule for rule in RULES if rule != DEFAULT_RULE), "by eye"]
    others = left_out(list(found))
    head = ["task", "best rate, final loss", DEFAULT_RULE, f"{DEFAULT_RULE}, chosen on the other tasks", *rules[1:]]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    means = {rule: [] for rule in rules}
    for name, by_rule in found.items():
        rates, losses = truth(name)
        row = []
        for rule in rules:
            given, values = by_rule[rule]
            means[rule].append(np.mean(values) if values else np.inf)
            row.append(f"{np.median(given):.2g}: {100 * np.mean(values):.1f} %" if values else "no suggestion")
        row.insert(1, f"{100 * others[name]:.1f} %")
        lines.append(f"| {name} | {rates[losses.argmin()]:g}, {losses.min():.3f} | " + " | ".join(row) + " |")
    told = [f"{100 * np.mean(means[rule]):.1f} %" for rule in rules]
    told.insert(1, f"{100 * np.mean(list(others.values())):.1f} %")
    lines.append("| mean regret | | " + " | ".join(told) + " |")
    return "\n".join(lines)


def draw(found, path):
    """The final loss against the rate, with each rule's rates, a panel a task."""
    from gluon_lr.report.figures import new_figure, save_png

    colors = dict(zip([*RULES, "by eye"], ("#009E73", "#0072B2", "#D55E00", "#CC79A7", "#E69F00", "#000000")))
    marks = dict(zip(colors, "os^Dv*"))
    figure, axes = new_figure(2, 3, width=11, height=3.4)
    for ax, (name, by_rule) in zip(axes.flat, found.items()):
        rates, losses = truth(name)
        finite = np.isfinite(losses)
        ax.plot(rates[finite], losses[finite], "-", marker=".", color="0.5")
        for rule, (given, _) in by_rule.items():
            at = [loss_at(lr, rates, losses) for lr in given]
            ax.plot(given, at, marks[rule], color=colors[rule], ms=6, alpha=0.8, label=rule)
        ax.set_xscale("log")
        ax.set_ylim(0.95 * losses.min(), min(6 * losses.min(), 1.05 * losses[finite].max()))
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("learning rate")
        ax.set_ylabel("final training loss")
        ax.grid(alpha=0.3)
    if found:
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    return save_png(figure, path)


def main():
    """Train, search, tell."""
    from joblib import Parallel, delayed, parallel_config

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS), help="some of " + ",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--report-only", action="store_true", help="train nothing; read what was saved")
    parser.add_argument("--readme", type=Path, help="also rewrite the generated block of this Markdown file")
    options = parser.parse_args()
    tasks = options.tasks.split(",")
    if unknown := [name for name in tasks if name not in TASKS]:
        parser.error(f"unknown task {unknown[0]!r}: expected some of {','.join(TASKS)}")
    if not options.report_only:
        wanted = [(n, s, FOLDER / "searches" / f"{n}.seed{s}.json") for n in tasks for s in range(options.seeds)]
        with parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
            Parallel()(delayed(search)(*each) for each in wanted if not each[2].exists())
        sweep(specifications(tasks, range(options.seeds)), build, FOLDER)
    found = regrets(TASKS)
    text = markdown(found)
    (FOLDER / "results.md").write_text(text + "\n", encoding="utf-8")
    draw(found, FOLDER / "regret.png")
    print(text)
    if options.readme:
        from gluon_lr.report.page import update_readme

        update_readme(options.readme, {"finder-regret": text})


if __name__ == "__main__":
    sys.exit(main())
