"""From what ``tuning.py`` found to its tables."""

import numpy as np
from regret_tables import BY_EYE, between, beyond_losses, read_searches, regret, rounded, truths
from tasks import EVERY, LONG

from gluon_lr.finder import TuneResult
from gluon_lr.report.tables import markdown_table

BUDGETS = (0.3, 1.0, 3.0)
WAYS = ("tune", "halving", "random")
EVERY_WAY = (*WAYS, "no-curve")
# The numbers in walk.py were chosen on losses of trainings at fixed rates on these.
CHOSEN_ON = (
    "lenet-sgd", "mlp-sgd", "lenet-adam", "mlp-adamw", "lenet-momentum", "mlp-nag", "lenet-rmsprop", "mlp-cifar10",
    "lenet-half-trained", "lstm-clipped", "autoencoder",
)  # fmt: skip


def found_path(folder, name, seed, way, budget):
    """Where a search's result is kept."""
    return folder / "tuned" / f"{way}-{budget:g}" / f"{name}.seed{seed}.json"


def read_found(folder, name, way, budget):
    """Seed → what was found."""
    paths = (folder / "tuned" / f"{way}-{budget:g}").glob(f"{name}.seed*.json")
    return {int(path.stem.rpartition("seed")[2]): TuneResult.from_json(path) for path in sorted(paths)}


def suggested(folder, name):
    """Seed → what the finder's own search suggests."""
    found = {}
    for seed, result in enumerate(read_searches(folder, name)):
        if result.suggestion:
            found[seed] = result.suggestion.lr
    return found


def chosen_rates(folder, name):
    """(seed, rate) of everything that suggested one for a task."""
    rates = [*suggested(folder, name).items()]
    for budget in BUDGETS:
        for way in EVERY_WAY:
            rates += [(seed, found.lr) for seed, found in read_found(folder, name, way, budget).items() if found]
    return rates


def beyond_grid(folder):
    """(task, rate, seed) of the rates at which a task's grid cannot be read, which have to be trained."""
    found = set()
    for name, (rates, losses) in truths(folder, EVERY).items():
        if not any((folder / "tuned").glob(f"*/{name}.seed*.json")):
            continue
        for seed, rate in chosen_rates(folder, name):
            if not between(rates, losses, rate):
                found.add((name, rounded(rate), seed))
    return sorted(found)


def _cell(values, rates, spent=None, searches=0):
    """Median rate, mean regret and cost; how many searches gave a rate, where some did not."""
    if not values:
        return "–"
    cost = "" if spent is None else f", {np.mean(spent):.2f}"
    some = f" ({len(values)} of {searches})" if len(values) < searches else ""
    return f"{np.median(rates):.2g}: {_percent(np.mean(values))}{cost}{some}"


def _percent(value):
    """A regret as text: a hundred times the least loss is a training that diverged."""
    return f"{round(100 * value, 1) + 0.0:.1f} %" if value < 100 else "diverges"  # never −0.0


def _row(folder, name, true, beyond, columns):
    rates, losses = true[name]
    mark = "" if name in CHOSEN_ON else "*"
    row, numbers = [name + mark, f"{rates[losses.argmin()]:g}, {losses.min():.3f}"], []
    for way, budget in columns:
        searches = 0
        if way == "curve":
            given, spent, searches = suggested(folder, name), None, len(read_searches(folder, name))
        elif way == "by eye":
            given, spent = {0: BY_EYE}, None
        else:
            every = read_found(folder, name, way, budget)
            found, searches = {seed: result for seed, result in every.items() if result}, len(every)
            given = {seed: result.lr for seed, result in found.items()}
            spent = [result.updates_spent / result.updates for result in found.values()]
        values = [regret(name, rate, true, beyond) for rate in given.values()]
        values = [value for value in values if value is not None]
        row.append(_cell(values, list(given.values()), spent, searches))
        numbers.append(values)
    return row, numbers


def table(folder, columns, heads):
    """A line a task, a column a way to find a rate: its median rate, mean regret and cost; means and worst below."""
    true, beyond = truths(folder, EVERY), beyond_losses(folder)
    rows, every = [], []
    for name in EVERY:
        if name not in true or not any((folder / "tuned").glob(f"*/{name}.seed*.json")):
            continue
        row, numbers = _row(folder, name, true, beyond, columns)
        rows.append(row)
        if name not in LONG:
            every.append((name, numbers))
    for label, of in (("mean", np.mean), ("worst task", max)):
        for which, names in (("", ()), (" of those with *", CHOSEN_ON)):
            means = [[np.mean(numbers[i]) for name, numbers in every if numbers[i] and name not in names]
                     for i in range(len(columns))]  # fmt: skip
            rows.append([f"{label}{which}", "", *(_percent(of(values)) if values else "–" for values in means)])
    head = ["task", "best rate, final loss", *heads]
    return markdown_table(head, rows)


def mean_regret(folder, name, way, budget, true, beyond):
    """A way's mean regret on a task over its searches that gave a rate; None where none did."""
    if way == "curve":
        rates = suggested(folder, name).values()
    else:
        rates = [found.lr for found in read_found(folder, name, way, budget).values() if found]
    values = [regret(name, rate, true, beyond) for rate in rates]
    values = [value for value in values if value is not None]
    return np.mean(values) if values else None


def compared_means(folder, ways):
    """Budget and tasks, as text → each way's mean regret over the tasks where all of them gave a rate."""
    true, beyond = truths(folder, EVERY), beyond_losses(folder)
    found = {}
    for budget in BUDGETS:
        for which, names in (
            ("", [n for n in true if n not in LONG]),
            ("ten times as long, ", [n for n in true if n in LONG]),
        ):
            means = [[mean_regret(folder, name, way, budget, true, beyond) for way in ways] for name in names]
            whole = [row for row in means if None not in row]
            if whole:
                found[f"{budget:g} ({which}{len(whole)} tasks)"] = np.mean(whole, axis=0)
    return found


def means_table(folder, ways):
    """A line a budget: each way's mean regret over the tasks where all of them gave a rate."""
    rows = [[budget, *map(_percent, means)] for budget, means in compared_means(folder, ways).items()]
    return markdown_table(["budget", *ways], rows)


def aims_table(folder):
    """A line an aim that was set for ``tune``, and whether it was reached."""
    true, beyond = truths(folder, EVERY), beyond_losses(folder)

    def regrets_of(way, budget, long=False):
        values = [mean_regret(folder, name, way, budget, true, beyond) for name in true if (name in LONG) == long]
        return [value for value in values if value is not None]

    def reached(values, mean, worst=None):
        told = [np.mean(values)] if worst is None else [np.mean(values), max(values)]
        met = np.mean(values) <= mean and (worst is None or max(values) <= worst)
        return f"{', '.join(map(_percent, told))}: {'met' if met else 'missed'}"

    curve = np.mean(regrets_of("curve", 0))
    lower = all(tune < min(others) for tune, *others in compared_means(folder, WAYS).values())
    rows = [
        ["0.3", f"no worse than the curve alone ({_percent(curve)})", reached(regrets_of("tune", 0.3), curve)],
        ["0.3, ten times as long", "1.5 %", reached(regrets_of("tune", 0.3, long=True), 0.015)],
        ["1", "2.5 %, 8 %", reached(regrets_of("tune", 1.0), 0.025, 0.08)],
        ["3", "1.5 %, 5 %", reached(regrets_of("tune", 3.0), 0.015, 0.05)],
        ["each", "a lower mean than halving and random search", "met" if lower else "missed"],
    ]
    return markdown_table(["budget", "aim: mean, worst task", "result"], rows)


def blocks(folder):
    """The generated blocks, of what is in the folder."""
    own = [("tune", budget) for budget in BUDGETS]
    peers = [(way, budget) for budget in BUDGETS for way in ("halving", "random")]
    return {
        "finder-tune": table(
            folder, [("curve", 0), ("by eye", 0), *own],
            ["the curve alone (`turn`)", "0.05", *(f"`tune`, budget {budget:g}" for budget in BUDGETS)],
        ),
        "finder-tune-peers": table(
            folder, peers, [f"{way}, {budget:g}" for way, budget in peers],
        ),
        "finder-tune-means": means_table(folder, WAYS),
        "finder-tune-curve": means_table(folder, ("tune", "no-curve")),
        "finder-aims": aims_table(folder),
    }  # fmt: skip
