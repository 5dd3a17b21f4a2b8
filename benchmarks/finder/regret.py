"""Does the finder's suggestion train well? ``python benchmarks/finder/regret.py``.

Ground truth: every task is trained for a fixed number of updates at every rate of a grid, with several seeds. Beside
it: the finder's curve on the same nets before that, and each rule's rate from that curve. A rule's regret is the final
loss at its rate, over the grid's least, less one. Between the grid's points the loss is read off its curve in ln(rate);
a rate beyond the grid, or between a training and one that collapsed, is trained, and so is the fixed rate 0.05.

The final loss is the mean training loss of the last tenth of the updates. The rule was chosen on six tasks; others,
and other ways to search, came after that. Records and searches are kept in ``runs`` and ``searches`` beside this file;
a second call does only what is missing.
"""

from pathlib import Path

from regret_tables import (
    BY_EYE,
    draw,
    left_out,
    off_grid,
    regret_table,
    regrets,
    searches_table,
    trained_by_eye,
)
from tasks import EVERY, HELD_OUT, PARTS, TASKS, build, make, make_learner

from gluon_lr.cli import Parser, choice_list, positive_int, run
from gluon_lr.experiments.run import seed_everything
from gluon_lr.experiments.spec import RunSpec
from gluon_lr.experiments.sweep import sweep
from gluon_lr.report.blocks import markdown_file, update_blocks

FOLDER = Path(__file__).resolve().parent


# How else one may search.
SEARCHES = {
    "default": {},
    "from 1e-5": {"lr_start": 1e-5},
    "times 1.05": {"lr_multiplier": 1.05},
    "times 1.3": {"lr_multiplier": 1.3},
    "5 repeats": {"repeats": 5},
}
BLOCKS = ("finder-regret", "finder-held-out", "finder-searches")
SLOW = ("times 1.05", "5 repeats")  # for the small nets only; half an hour of ResNets otherwise


def specifications(tasks, seeds):
    """The grid as data, cheap tasks first."""
    return [
        RunSpec("finder-regret", f"{name}@{rate:g}", seed, PARTS, "per-update", None,
                {"task": name, "rate": rate, "updates_per_part": EVERY[name].updates // PARTS})
        for name in tasks for seed in seeds for rate in EVERY[name].rates
    ]  # fmt: skip


def beyond(name, rate, seed):
    """The training at a rate that no grid has, as data."""
    settings = {"task": name, "rate": rate, "updates_per_part": EVERY[name].updates // PARTS}
    return RunSpec("finder-regret", f"{name}@{rate:g}", seed, PARTS, "per-update", None, settings)


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
    """The generated blocks of docs/results/finder.md, of what is in the folder."""
    chosen, held_out = regrets(FOLDER, TASKS, BY_EYE), regrets(FOLDER, HELD_OUT, BY_EYE)
    tables = (
        regret_table(FOLDER, TASKS, chosen, left_out(FOLDER, TASKS)),
        regret_table(FOLDER, HELD_OUT, held_out),
        searches_table(FOLDER, {**TASKS, **HELD_OUT}, list(SEARCHES)),
    )
    return dict(zip(BLOCKS, tables))


def main(argv=None):
    """Train, search and report; return the exit code."""
    from joblib import Parallel, delayed, parallel_config

    parser = Parser("benchmarks/finder/regret.py", description=__doc__)
    parser.add_argument(
        "--tasks", type=choice_list(list(EVERY)), default=list(EVERY), help="some of " + ",".join(EVERY)
    )
    parser.add_argument("--seeds", type=positive_int, default=3, help="how many, from 0 (default 3)")
    parser.add_argument("--report-only", action="store_true", help="train nothing; read what was saved")
    parser.add_argument(
        "--markdown", type=markdown_file(BLOCKS), help="also rewrite the generated blocks of this Markdown file"
    )
    options = parser.parse_args(argv)
    tasks = options.tasks
    if not options.report_only:
        chosen = {name: EVERY[name] for name in tasks if name in {**TASKS, **HELD_OUT}}
        wanted = [
            (name, seed, how) for how in SEARCHES for name in chosen for seed in range(options.seeds)
            if how not in SLOW or EVERY[name].data == "fashion-mnist"
        ]  # fmt: skip
        with parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
            Parallel()(delayed(search)(*each) for each in wanted if not search_path(*each).exists())
        sweep(specifications(tasks, range(options.seeds)), build, FOLDER)
        sweep([beyond(*each) for each in trained_by_eye(tasks, range(options.seeds))], build, FOLDER)
        sweep([beyond(*each) for each in off_grid(FOLDER, chosen, list(SEARCHES))], build, FOLDER)
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
