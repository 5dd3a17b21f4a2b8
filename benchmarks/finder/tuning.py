"""Do the rates that ``tune`` finds train well, and at what cost? ``python benchmarks/finder/tuning.py``.

Ground truth as in ``regret.py``. ``tune`` runs on every task at three budgets; beside it, at the same cost, plain
successive halving and random search over 1e-5 … 10, which know no curve, and ``tune``'s own trials begun at 0.01, the
middle of that range, in place of a curve. A rate beyond a task's grid is trained.
What was found is kept in ``tuned`` beside this file; a second call does only what is missing.
"""

import math
from pathlib import Path

import regret
from regret_tables import trained_by_eye
from tasks import EVERY, LONG, build, make, make_learner, make_schedule
from tuning_tables import BUDGETS, EVERY_WAY, beyond_grid, blocks, found_path

from gluon_lr.cli import Parser, choice_list, positive_int, run
from gluon_lr.experiments.run import seed_everything
from gluon_lr.experiments.sweep import sweep
from gluon_lr.finder import LRFinder, TuneResult
from gluon_lr.finder.tuning import TrialSetup, trial_length, trials_from
from gluon_lr.finder.walk import read_off
from gluon_lr.report.blocks import markdown_file, update_blocks

FOLDER = Path(__file__).resolve().parent
LOWEST, HIGHEST = 1e-5, 10.0
CANDIDATES = 8  # as ``tune`` has by default


def trial_of(learner, name, seed):
    """A function of rate and updates that makes one trial, as ``tune`` does."""
    return TrialSetup(learner, make_schedule(name), None, seed, lambda: None).attempt


def halving(attempt, allowed, seed):
    """Sixteen rates, a factor of 2.5 apart; four rounds of equal cost, each of the better half, begun again."""
    rates = [LOWEST * (HIGHEST / LOWEST) ** (i / 15) for i in range(16)]
    trials = []
    while len(rates) > 1:
        length = max(1, allowed // 4 // len(rates))
        trials += [attempt(rate, length) for rate in rates]
        rates = [t.rate for t in sorted(trials[-len(rates) :], key=lambda t: t.score)[: len(rates) // 2]]
    return rates[0], trials


def random_search(attempt, allowed, seed):
    """Eight rates at random, uniform in their logarithm; the best after an eighth of the cost each."""
    import numpy as np

    draw = np.random.default_rng(seed)
    rates = np.exp(draw.uniform(math.log(LOWEST), math.log(HIGHEST), 8))
    trials = [attempt(float(rate), max(1, allowed // 8)) for rate in rates]
    return min(trials, key=lambda t: t.score).rate, trials


def no_curve(attempt, allowed, updates, constant):
    """The trials of ``tune`` from the middle of the range, on the whole budget."""
    length = trial_length(allowed, updates, CANDIDATES)
    trials = trials_from(attempt, math.sqrt(LOWEST * HIGHEST), length, min(CANDIDATES, allowed // length))
    scores = {trial.rate: trial.score for trial in trials}
    if min(scores.values()) == math.inf:
        return None, trials
    return read_off({trial.rate: trial.losses for trial in trials}, scores, length, updates, constant).rate, trials


def search(name, seed, way, budget):
    """One search, saved as JSON."""
    import mxnet as mx

    seed_everything(seed)
    net, train_iter, _, loss, _ = make(name, seed, mx.cpu())
    learner, updates = make_learner(name, net, train_iter, loss, 0.001), EVERY[name].updates
    if way == "tune":
        found = LRFinder(learner).tune(updates, schedule=make_schedule(name), budget=budget, seed=seed, progress=False)
    else:
        attempt, allowed = trial_of(learner, name, seed), int(budget * updates)
        if way == "no-curve":
            rate, trials = no_curve(attempt, allowed, updates, make_schedule(name) is None)
        else:
            rate, trials = {"halving": halving, "random": random_search}[way](attempt, allowed, seed)
        spent = sum(len(trial.losses) for trial in trials)
        found = TuneResult(rate, None, None, way, trials, updates, spent)
    found.to_json(found_path(FOLDER, name, seed, way, budget))


def makes_sense(name, way, budget):
    """Whether a search is worth its time: the long tasks ask about a small budget, the others without a curve about no
    large one, and without a curve there must be updates enough for trials."""
    if name in LONG and budget >= 1:
        return False
    updates = EVERY[name].updates
    return way != "no-curve" or (budget <= 1 and trial_length(int(budget * updates), updates, CANDIDATES) > 0)


def main(argv=None):
    """Search, train what lies beyond a grid, and report; the exit code."""
    from joblib import Parallel, delayed, parallel_config

    parser = Parser("benchmarks/finder/tuning.py", description=__doc__)
    parser.add_argument(
        "--tasks", type=choice_list(list(EVERY)), default=list(EVERY), help="some of " + ",".join(EVERY)
    )
    parser.add_argument(
        "--ways", type=choice_list(list(EVERY_WAY)), default=list(EVERY_WAY), help="some of " + ",".join(EVERY_WAY)
    )
    parser.add_argument("--budgets", type=float, nargs="+", choices=BUDGETS, default=(1.0, 0.3, 3.0), metavar="BUDGET")
    parser.add_argument("--seeds", type=positive_int, default=3, help="how many, from 0 (default 3)")
    parser.add_argument("--jobs", type=positive_int, default=2)
    parser.add_argument("--report-only", action="store_true", help="train nothing; read what was saved")
    parser.add_argument(
        "--markdown",
        type=markdown_file([f"finder-{name}" for name in ("tune", "tune-peers", "tune-means", "tune-curve", "aims")]),
        help="also rewrite the generated blocks of this Markdown file",
    )
    options = parser.parse_args(argv)
    if not options.report_only:
        seeds = range(options.seeds)
        sweep(regret.specifications(options.tasks, seeds), build, FOLDER, jobs=options.jobs)
        sweep([regret.beyond(*each) for each in trained_by_eye(options.tasks, seeds)], build, FOLDER, jobs=options.jobs)
        wanted = [
            (name, seed, way, budget)
            for budget in options.budgets for way in options.ways for name in options.tasks for seed in seeds
            if makes_sense(name, way, budget)
        ]  # fmt: skip
        curves = [(name, seed, "default") for name in options.tasks for seed in seeds]
        with parallel_config(backend="loky", n_jobs=options.jobs, inner_max_num_threads=1):
            Parallel()(delayed(regret.search)(*each) for each in curves if not regret.search_path(*each).exists())
            Parallel()(delayed(search)(*each) for each in wanted if not found_path(FOLDER, *each).exists())
        sweep([regret.beyond(*each) for each in beyond_grid(FOLDER)], build, FOLDER, jobs=options.jobs)
    found = blocks(FOLDER)
    print("\n\n".join(found.values()))
    if options.markdown:
        update_blocks(options.markdown, found)
    return 0


if __name__ == "__main__":
    run(main, "benchmarks/finder/tuning.py")
