"""How much do the numbers in ``tune``'s method flatter it? ``python benchmarks/finder/chosen.py``.

The loss of every update was recorded once, at every rate of a task's grid, with the finder's curve. On these losses
``tune`` can be replayed with other numbers: a trial is the beginning of a recorded training, and between two recorded
rates it is their mean, weighted in ln(rate). So each task can be judged with the numbers that are best on all the
others. What is recorded is kept in ``losses`` beside this file; a second call records only what is missing.
"""

import math
from itertools import product
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np
from tasks import EVERY, make, make_learner
from tuning_tables import CHOSEN_ON

from gluon_lr.cli import Parser, positive_int, run
from gluon_lr.experiments.run import seed_everything
from gluon_lr.finder import tuning, walk
from gluon_lr.finder.tuned import Trial
from gluon_lr.report.blocks import markdown_file, update_blocks
from gluon_lr.report.tables import markdown_table

LOSSES = Path(__file__).resolve().parent / "losses"
BLOCK = "finder-chosen"
BUDGETS = (1.0, 3.0)  # with less there are no trials in these tasks
# The walks say which trials are made, the readings how a rate is read off them.
WALKS = [{"FACTOR": factor, "TRIALS": trials} for factor, trials in product((2.0, 2.5, 3.0), (3, 4, 5))]
READINGS = [
    {"USUAL_DRIFT": usual, "_OWN_SHARE": own, "_LEAST_WEIGHT": least}
    for usual, own, least in product((0.0, 0.1, 0.2), (0.0, 0.5, 1.0), (0.2, 0.4, 0.6, 1.0))
]
SHIPPED = (
    {"FACTOR": walk.FACTOR, "TRIALS": tuning.TRIALS},
    {name: getattr(walk, name) for name in ("USUAL_DRIFT", "_OWN_SHARE", "_LEAST_WEIGHT")},
)


def record(name, seed):
    """Record a task's losses: a row a rate, a column an update, not a number after a loss that is none."""
    import mxnet as mx

    from gluon_lr import LRFinder
    from gluon_lr.finder.trials import batches_from_the_start, losses_at, training_undone

    task = EVERY[name]
    seed_everything(seed)
    net, batches, _, loss, _ = make(name, seed, mx.cpu())
    learner = make_learner(name, net, batches, loss, 0.001)
    curve = LRFinder(learner).find(progress=False, lr_multiplier=tuning.LADDER)
    rates = list(task.rates)
    if task.net in ("mlp", "autoencoder"):  # cheap enough for half steps
        rates = sorted({*rates, *(rate * math.sqrt(2) for rate in rates[:-1])})
    losses = np.full((len(rates), task.updates), np.nan, np.float32)
    for row, rate in zip(losses, rates):
        with batches_from_the_start(learner), training_undone(learner):
            seen, _ = losses_at(learner, [rate] * task.updates, lambda value: not math.isfinite(value))
        row[: len(seen)] = seen
    start = curve.suggestion.lr or tuning.start_without_suggestion(curve)
    LOSSES.mkdir(exist_ok=True)
    np.savez_compressed(
        LOSSES / f"{name}.seed{seed}.npz", rates=rates, losses=losses, curve_updates=len(curve), start=start,
        suggested=bool(curve.suggestion),
    )  # fmt: skip


class Recorded:
    """A task's recorded losses, to replay trials on."""

    def __init__(self, path):
        with np.load(path) as file:
            self.rates, self.losses = file["rates"], file["losses"].astype(float)
            self.curve_updates, self.start = int(file["curve_updates"]), float(file["start"])
            self.suggestion = self.start if file["suggested"] else None
        self.updates = self.losses.shape[1]
        last = self.losses[:, -max(1, self.updates // 10) :].mean(1)
        self.finals = np.where(np.isfinite(last), last, 1e3)

    def _between(self, rate):
        """The recorded rates around one, and the upper one's weight; no middle between a training and a collapse."""
        x = np.log(self.rates)
        upper = int(np.clip(np.searchsorted(x, math.log(rate)), 1, len(x) - 1))
        weight = float(np.clip((math.log(rate) - x[upper - 1]) / (x[upper] - x[upper - 1]), 0, 1))
        pair = self.finals[upper - 1 : upper + 1]
        return upper, float(round(weight)) if pair.max() > 2 * pair.min() else weight

    def attempt(self, rate, updates):
        """A trial, replayed."""
        upper, weight = self._between(rate)
        below, above = self.losses[upper - 1, :updates], self.losses[upper, :updates]
        losses = below if weight == 0 else above if weight == 1 else (1 - weight) * below + weight * above
        bad = np.flatnonzero(~np.isfinite(losses))
        seen = tuple(losses[: bad[0] + 1] if len(bad) else losses)
        return Trial(rate, updates, seen, walk.end_of(seen, updates))

    def regret(self, rate):
        """The final loss at a rate over the least, less one; beyond the grid the grid's end."""
        upper, weight = self._between(rate)
        final = (1 - weight) * self.finals[upper - 1] + weight * self.finals[upper]
        return final / self.finals.min() - 1

    def trials(self, budget):
        """What ``tune`` tries at a budget; nothing where it is too small."""
        left = int(budget * self.updates) - self.curve_updates
        length = tuning.trial_length(left, self.updates, 8)
        return tuning.trials_from(self.attempt, self.start, length, min(8, left // length)) if length else []

    def rate(self, trials):
        """What ``tune`` reads off; None where neither a trial nor the curve shows a rate."""
        scores = {trial.rate: trial.score for trial in trials}
        if not scores or min(scores.values()) == math.inf:
            return self.suggestion
        curves = {trial.rate: trial.losses for trial in trials}
        return walk.read_off(curves, scores, trials[0].updates, self.updates, True, self.suggestion).rate


def regrets(name):
    """(walk, reading) by their places → budget → a task's mean regret; ``"shipped"`` likewise."""
    worlds = [Recorded(path) for path in sorted(LOSSES.glob(f"{name}.seed*.npz"))]
    settings = {"shipped": SHIPPED}
    settings.update({(i, j): (w, r) for i, w in enumerate(WALKS) for j, r in enumerate(READINGS)})
    found, tried = {}, {}
    for key, (walking, reading) in settings.items():
        factor, count = made = tuple(walking.values())
        with patch.multiple(walk, FACTOR=factor, **reading), patch.object(tuning, "TRIALS", count):
            if made not in tried:
                tried[made] = [(world, budget, world.trials(budget)) for world in worlds for budget in BUDGETS]
            values = {budget: [] for budget in BUDGETS}
            for world, budget, trials in tried[made]:
                if rate := world.rate(trials):
                    values[budget].append(world.regret(rate))
        found[key] = {budget: fmean(each) if each else math.nan for budget, each in values.items()}
    return found


def table(names):
    """A line a task: the regret with the numbers as shipped, and with those that are best on the other tasks."""
    found = {name: regrets(name) for name in names}
    choices = [key for key in found[names[0]] if key != "shipped"]

    def total(choice, tasks):
        return np.nanmean([found[name][choice][budget] for name in tasks for budget in BUDGETS])

    rows, columns = [], []
    for name in names:
        best = min(choices, key=lambda choice: total(choice, [other for other in names if other != name]))
        numbers = [found[name][key][budget] for budget in BUDGETS for key in ("shipped", best)]
        columns.append(numbers)
        rows.append([name, *map(_percent, numbers), _words(best)])
    rows.append(["mean", *(_percent(np.nanmean(values)) for values in zip(*columns)), ""])
    rows.append(["worst task", *(_percent(np.nanmax(values)) for values in zip(*columns)), ""])
    heads = [f"budget {budget:g}: {how}" for budget in BUDGETS for how in ("as shipped", "chosen on the others")]
    return markdown_table(["task", *heads, "step, trials; usual drift, own share, least weight chosen"], rows)


def _percent(value):
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def _words(choice):
    walking, reading = WALKS[choice[0]], READINGS[choice[1]]
    return f"{walking['FACTOR']:g}, {walking['TRIALS']}; " + ", ".join(f"{value:g}" for value in reading.values())


def main(argv=None):
    """Record what is missing, replay, and report; the exit code."""
    from joblib import Parallel, delayed

    parser = Parser("benchmarks/finder/chosen.py", description=__doc__)
    parser.add_argument("--seeds", type=positive_int, default=1, help="how many, from 0 (default 1)")
    parser.add_argument("--jobs", type=positive_int, default=2)
    parser.add_argument("--markdown", type=markdown_file([BLOCK]), help="also rewrite the block of this Markdown file")
    options = parser.parse_args(argv)
    wanted = [(name, seed) for name in CHOSEN_ON for seed in range(options.seeds)]
    wanted = [each for each in wanted if not (LOSSES / "{}.seed{}.npz".format(*each)).exists()]
    Parallel(n_jobs=options.jobs)(delayed(record)(*each) for each in wanted)
    found = table(CHOSEN_ON)
    print(found)
    if options.markdown:
        update_blocks(options.markdown, {BLOCK: found})
    return 0


if __name__ == "__main__":
    run(main, "benchmarks/finder/chosen.py")
