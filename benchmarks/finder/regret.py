"""Does the finder's suggestion train well? ``python benchmarks/finder/regret.py``.

Ground truth: every task is trained for a fixed number of updates at every rate of a grid, with several seeds. Beside
it: the finder's curve on the same nets before that, and each rule's rate from that curve. A rule's regret is the final
loss at its rate, read off the grid's curve between its points in ln(rate), over the grid's least, less one.

The final loss is the mean training loss of the last tenth of the updates. The rule was chosen on six tasks; others,
and other ways to search, came after that. Records and searches are kept in ``runs`` and ``searches`` beside this file;
a second call does only what is missing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from regret_tables import draw, left_out, regret_table, regrets, searches_table

from gluon_lr.cli import Parser, choice_list, positive_int, run
from gluon_lr.experiments.run import seed_everything
from gluon_lr.experiments.spec import Ingredients, RunSpec
from gluon_lr.experiments.sweep import sweep
from gluon_lr.report.blocks import markdown_file, update_blocks

HERE = Path(__file__).resolve().parent
FOLDER = HERE
PARTS = 10
BY_EYE = 0.05  # the tutorial's reading of the curve


@dataclass(frozen=True)
class Task:
    """A net, its data and optimizer, the updates that it is trained for, the rates that are tried, and the updates and
    the rate that it was trained at before."""

    net: str
    data: str
    batch_size: int
    optimizer: str
    updates: int
    rates: tuple
    before: tuple = (0, 0.0)


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
EVERY = {**TASKS, **HELD_OUT}
# How else one may search; neither were these looked at before.
SEARCHES = {
    "default": {},
    "from 1e-5": {"lr_start": 1e-5},
    "times 1.05": {"lr_multiplier": 1.05},
    "times 1.3": {"lr_multiplier": 1.3},
    "5 repeats": {"repeats": 5},
}
BLOCKS = ("finder-regret", "finder-held-out", "finder-searches")
SLOW = ("times 1.05", "5 repeats")  # for the small nets only; half an hour of ResNets otherwise
OPTIMIZERS = {
    "sgd": ("sgd", {}),
    "momentum": ("sgd", {"momentum": 0.9}),
    "nag": ("nag", {"momentum": 0.9}),
    "rmsprop": ("rmsprop", {}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {"wd": 1e-4}),
}


def specifications(tasks, seeds):
    """The grid as data, cheap tasks first."""
    return [
        RunSpec("finder-regret", f"{name}@{rate:g}", seed, PARTS, "per-update", None,
                {"task": name, "rate": rate, "updates_per_part": EVERY[name].updates // PARTS})
        for name in tasks for seed in seeds for rate in EVERY[name].rates
    ]  # fmt: skip


def make(name, seed, ctx, data_dir=None):
    """A task's untrained net, its training and test batches, loss, and what is to be recorded of the data."""
    import mxnet as mx
    from mxnet.gluon.model_zoo import vision

    from gluon_lr import nets
    from gluon_lr.data.batches import ArrayBatches, cifar10_arrays, fashion_mnist_arrays, normalize_cifar10, to_unit
    from gluon_lr.data.fetch import obtain
    from gluon_lr.data.sources import CIFAR10, FASHION_MNIST

    task = EVERY[name]
    fashion = task.data == "fashion-mnist"
    located = obtain(FASHION_MNIST if fashion else CIFAR10, data_dir)
    train, labels, test, test_labels = (fashion_mnist_arrays if fashion else cifar10_arrays)(located)
    transform = to_unit if fashion else normalize_cifar10
    if task.net == "cifar_resnet20_v1":
        from gluoncv.model_zoo import get_model

        net = get_model(task.net, classes=10)
    else:
        own = {"lenet": nets.lenet, "mlp": nets.mlp}
        net = own[task.net]() if task.net in own else vision.get_model(task.net, classes=10)
    net.initialize(mx.init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    train_iter = ArrayBatches(train, labels, task.batch_size, True, seed, transform)
    test_iter = ArrayBatches(test[:500], test_labels[:500], 100, transform=transform)
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    about = {"name": task.data, "edition": located.edition, "sha1": located.sha1}
    return net, train_iter, test_iter, loss, about


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
    return Ingredients(net, stretches, test_iter, loss, learner.trainer, about)


def search_path(name, seed, how):
    """Where a search's result is kept."""
    return FOLDER / "searches" / how.replace(" ", "-") / f"{name}.seed{seed}.json"


def search(name, seed, how):
    """The finder on a task's net, as a user would call it; saved as JSON."""
    import mxnet as mx

    from gluon_lr.finder import LRFinder

    seed_everything(seed)
    net, train_iter, _, loss, _ = make(name, seed, mx.cpu())
    result = LRFinder(make_learner(name, net, train_iter, loss, 0.001)).find(**SEARCHES[how], progress=False)
    result.to_json(search_path(name, seed, how))


def blocks():
    """The README's generated blocks, of what is in the folder."""
    chosen, held_out = regrets(FOLDER, TASKS, BY_EYE), regrets(FOLDER, HELD_OUT, BY_EYE)
    tables = (
        regret_table(FOLDER, TASKS, chosen, left_out(FOLDER, TASKS)),
        regret_table(FOLDER, HELD_OUT, held_out),
        searches_table(FOLDER, EVERY, list(SEARCHES)),
    )
    return dict(zip(BLOCKS, tables))


def main(argv=None):
    """Train, search and report; return the exit code."""
    from joblib import Parallel, delayed, parallel_config

    parser = Parser("benchmarks/finder/regret.py", description=__doc__)
    parser.add_argument(
        "--tasks", type=choice_list(list(EVERY)), default=list(EVERY), help="some of " + ",".join(EVERY)
    )
    parser.add_argument("--seeds", type=positive_int, default=2, help="how many, from 0 (default 2)")
    parser.add_argument("--report-only", action="store_true", help="train nothing; read what was saved")
    parser.add_argument(
        "--markdown", type=markdown_file(BLOCKS), help="also rewrite the generated blocks of this Markdown file"
    )
    options = parser.parse_args(argv)
    tasks = options.tasks
    if not options.report_only:
        wanted = [
            (name, seed, how) for how in SEARCHES for name in tasks for seed in range(options.seeds)
            if how not in SLOW or EVERY[name].data == "fashion-mnist"
        ]  # fmt: skip
        with parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
            Parallel()(delayed(search)(*each) for each in wanted if not search_path(*each).exists())
        sweep(specifications(tasks, range(options.seeds)), build, FOLDER)
    found = blocks()
    (FOLDER / "results.md").write_text("\n\n".join(found.values()) + "\n", encoding="utf-8")
    draw(FOLDER, TASKS, regrets(FOLDER, TASKS, BY_EYE), FOLDER / "regret.png")
    if held_out := regrets(FOLDER, HELD_OUT, BY_EYE):
        draw(FOLDER, HELD_OUT, held_out, FOLDER / "held_out.png")
    print("\n\n".join(found.values()))
    if options.markdown:
        update_blocks(options.markdown, found)
    return 0


if __name__ == "__main__":
    run(main, "benchmarks/finder/regret.py")
