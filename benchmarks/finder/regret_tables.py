"""From the records and searches of ``regret.py`` to its tables and figures."""

import numpy as np
from tasks import EVERY, TASKS

from gluon_lr.experiments import Store
from gluon_lr.finder import RULES, LRFinderResult
from gluon_lr.finder.rules import DEFAULT_RULE, smooth, suggest
from gluon_lr.report.figures import new_figure, plain_ticks, save_png
from gluon_lr.report.tables import markdown_table

NOTHING = "Not measured yet."
BY_EYE = 0.05  # the tutorial's reading of the curve


def read_searches(folder, name, how="default"):
    """The finder's results on a task, a list entry a seed."""
    return [
        LRFinderResult.from_json(path)
        for path in sorted((folder / "searches").glob(f"{how.replace(' ', '-')}/{name}.seed*.json"))
    ]


def truths(folder, tasks):
    """Task → (rates, mean final loss over seeds at each); infinite where a training did not stay finite. Tasks whose
    grid is not whole are left out."""
    losses = {name: {rate: [] for rate in task.rates} for name, task in tasks.items()}
    for record in Store(folder).records():
        settings = record.spec["settings"]
        if record.complete and settings["task"] in tasks and settings["rate"] in losses[settings["task"]]:
            whole = record.epochs == record.spec["epochs"]
            losses[settings["task"]][settings["rate"]].append(record.history["train_loss"][-1] if whole else np.inf)
    return {
        name: (np.array(list(by_rate)), np.array([np.mean(values) for values in by_rate.values()]))
        for name, by_rate in losses.items()
        if all(by_rate.values())
    }


def loss_at(rate, rates, losses):
    """The final loss at any rate, linear in ln(rate) between the grid's points; its end's value beyond the grid."""
    return float(np.interp(np.log(rate), np.log(rates), np.where(np.isfinite(losses), losses, 1e6)))


def rounded(rate):
    """A rate as it is trained: to three digits."""
    return float(f"{rate:.3g}")


def between(rates, losses, rate):
    """Whether a grid's curve can be read at a rate: within the grid, and not where it jumps to trainings that
    collapsed, between which and the others there is no middle."""
    if rate in rates:
        return True
    if not rates[0] <= rate <= rates[-1]:
        return False
    place = int(np.searchsorted(rates, rate))
    return max(losses[place - 1 : place + 1]) < 2 * min(losses[place - 1 : place + 1])


def beyond_losses(folder):
    """(task, rate) → the final loss of the trainings beyond the grids; infinite where they did not stay finite."""
    losses = {}
    for record in Store(folder).records():
        settings = record.spec["settings"]
        name, rate = settings["task"], settings["rate"]
        if record.complete and name in EVERY and rate not in EVERY[name].rates:
            whole = record.epochs == record.spec["epochs"]
            losses.setdefault((name, rate), []).append(record.history["train_loss"][-1] if whole else np.inf)
    return {key: float(np.mean(values)) for key, values in losses.items()}


def regret(name, rate, true, beyond):
    """The final loss at a rate over the grid's least, less one; None where the grid cannot be read and it was not
    trained. A rate that was itself trained is not interpolated."""
    rates, losses = true[name]
    if rate not in rates and (name, rate) in beyond:
        return beyond[name, rate] / losses.min() - 1
    if between(rates, losses, rate):
        return loss_at(rate, rates, losses) / losses.min() - 1
    found = beyond.get((name, rounded(rate)))
    return None if found is None else found / losses.min() - 1


def regrets(folder, tasks, by_eye):
    """Task → rule → (rates that its searches suggest and that can be judged, regret of each)."""
    found, beyond = {}, beyond_losses(folder)
    true = truths(folder, tasks)
    for name in true:
        results = read_searches(folder, name)
        if not results:
            raise SystemExit(f"{name}: no search is recorded; run benchmarks/finder/regret.py --tasks {name}")
        found[name] = {"by eye": judged(name, [by_eye], true, beyond)}
        for rule in RULES:
            given = [s.lr for s in (suggest(rule, r.lrs, r.losses, r.momentum) for r in results) if s]
            found[name][rule] = judged(name, given, true, beyond)
    return found


def judged(name, given, true, beyond):
    """(rates, regret of each) of those that the grid shows or that were trained."""
    values = [(rate, regret(name, rate, true, beyond)) for rate in given]
    values = [(rate, value) for rate, value in values if value is not None]
    return [rate for rate, _ in values], [value for _, value in values]


def trained_by_eye(tasks, seeds):
    """(task, rate, seed) of the fixed rate on each task whose grid does not have it: no curve is read for that one."""
    return [(name, BY_EYE, seed) for name in tasks if BY_EYE not in EVERY[name].rates for seed in seeds]


def off_grid(folder, tasks, ways):
    """(task, rate, seed) of what a rule, the default one's numbers chosen elsewhere, or another way to search suggests
    and a grid does not show."""
    wanted = set()
    chosen = {name: task for name, task in tasks.items() if name in TASKS}  # those that the default rule was chosen on
    elsewhere = left_out_rates(folder, chosen) if len(chosen) > 1 else {}
    for name, (rates, losses) in truths(folder, tasks).items():
        given = [*enumerate(elsewhere.get(name, []))]
        for how in ways:
            for seed, result in enumerate(read_searches(folder, name, how)):
                found = [result.suggestion]
                if how == ways[0]:
                    found += [suggest(rule, result.lrs, result.losses, result.momentum) for rule in RULES]
                given += [(seed, s.lr) for s in found if s]
        wanted |= {(name, rounded(rate), seed) for seed, rate in given if not between(rates, losses, rate)}
    return sorted(wanted)


def left_out_rates(folder, tasks):
    """Task → the rates of the default rule, a seed after another, with its two numbers chosen on all other tasks.

    The rule is factor · (1 − m)^power · η*; what is chosen on a task flatters it there.
    """

    def rates_of(name, factor, power):
        return [factor * (1 - r.momentum) ** power * r.lrs[smooth(r.lrs, r.losses).argmin()] for r in searches[name]]

    def interpolated(name, factor, power):
        rates, losses = true[name]
        return np.mean([loss_at(lr, rates, losses) / losses.min() - 1 for lr in rates_of(name, factor, power)])

    true = truths(folder, tasks)
    searches = {name: read_searches(folder, name) for name in tasks}
    choices = [(factor, power) for factor in (0.5, 0.75, 1, 1.25, 1.5, 1.75, 2) for power in (0, 0.25, 0.5, 0.75, 1)]
    table = {name: {choice: interpolated(name, *choice) for choice in choices} for name in true}
    found = {}
    for name in true:
        best = min(choices, key=lambda choice: sum(table[other][choice] for other in true if other != name))
        found[name] = rates_of(name, *best)
    return found


def left_out(folder, tasks):
    """Task → the mean regret of the default rule with its two numbers chosen on all other tasks."""
    true, beyond = truths(folder, tasks), beyond_losses(folder)
    return {
        name: np.mean(judged(name, rates, true, beyond)[1]) for name, rates in left_out_rates(folder, tasks).items()
    }


def regret_table(folder, tasks, found, others=None):
    """A line a task: the grid's best, and each rule's median rate and mean regret; the means over tasks below.

    ``others`` is the default rule's regret with its numbers chosen on the other tasks, for a column of its own.
    """
    if not found:
        return NOTHING
    rules = [DEFAULT_RULE, *(rule for rule in RULES if rule != DEFAULT_RULE), "by eye"]
    head = ["task", "best rate, final loss", *rules]
    means = {rule: [] for rule in rules}
    true, rows = truths(folder, tasks), []
    for name, by_rule in found.items():
        rates, losses = true[name]
        rows.append([name, f"{rates[losses.argmin()]:g}, {losses.min():.3f}"])
        for rule in rules:
            given, values = by_rule[rule]
            means[rule] += [np.mean(values)] if values else []
            rows[-1].append(_cell(given, values, 1 if rule == "by eye" else len(read_searches(folder, name))))
    rows.append(["mean regret", "", *(f"{100 * np.mean(means[rule]):.1f} %" for rule in rules)])
    if others is not None:
        head.insert(3, f"{DEFAULT_RULE}, chosen on the other tasks")
        for row, value in zip(rows, [*others.values(), np.mean(list(others.values()))]):
            row.insert(3, f"{100 * value:.1f} %")
    return markdown_table(head, rows)


def searches_table(folder, tasks, ways):
    """A line a task, a column a way to search: the default rule's median rate and mean regret."""
    true, rows = truths(folder, tasks), []
    if not any(read_searches(folder, name, how) for name in true for how in ways[1:]):
        return NOTHING
    means, beyond = {how: [] for how in ways}, beyond_losses(folder)
    for name in true:
        rows.append([name])
        for how in ways:
            results = read_searches(folder, name, how)
            given, values = judged(name, [s.lr for s in (r.suggestion for r in results) if s], true, beyond)
            means[how].extend([np.mean(values)] if values else [])
            rows[-1].append(_cell(given, values, len(results)) if results else "not searched")
    rows.append(["mean regret", *(f"{100 * np.mean(means[how]):.1f} %" if means[how] else "" for how in ways)])
    return markdown_table(["task", *ways], rows)


def _cell(given, values, searches):
    if not values:
        return "–"
    only = "" if len(given) == searches else f" ({len(given)} of {searches} searches)"
    return f"{np.median(given):.2g}: {100 * np.mean(values):.1f} %{only}"


def draw(folder, tasks, found, path):
    """The final loss against the rate, with each rule's rates, a panel a task."""
    colors = dict(zip([*RULES, "by eye"], ("#009E73", "#0072B2", "#D55E00", "#CC79A7", "#E69F00", "#000000")))
    marks = dict(zip(colors, "os^Dv*"))
    true = truths(folder, tasks)
    figure, axes = new_figure(2, 3, width=11, height=3.4)
    for ax in axes.flat[len(found) :]:
        ax.set_axis_off()
    for ax, (name, by_rule) in zip(axes.flat, found.items()):
        rates, losses = true[name]
        finite = np.isfinite(losses)
        ax.plot(rates[finite], losses[finite], "-", marker=".", color="0.5")
        top = min(6 * losses.min(), 1.05 * losses[finite].max())
        for rule, (given, values) in by_rule.items():
            at = [(1 + value) * losses.min() for value in values]
            edge = 0.97 * top + 0.03 * 0.95 * losses.min()
            inside = [(lr, loss) for lr, loss in zip(given, at) if loss <= edge]
            style = {"color": colors[rule], "zorder": 4 if rule == "by eye" else 3}  # one rate only, so it lies on top
            ax.plot(*zip(*inside) if inside else ([], []), marks[rule], ms=6, alpha=0.8, label=rule, **style)
            above = [lr for lr, loss in zip(given, at) if loss > edge]
            ax.plot(above, [edge] * len(above), marks[rule], ms=7, fillstyle="none", mew=1.5, **style)
        ax.set_xscale("log")
        plain_ticks(ax.xaxis)
        ax.tick_params(axis="x", labelsize=8)
        ax.set_ylim(0.95 * losses.min(), top)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("learning rate")
        ax.set_ylabel("final training loss")
        ax.grid(alpha=0.3)
    if found:
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
        figure.suptitle(
            "open marks at the upper edge lie there or above; a grey curve that leaves a panel goes on above",
            fontsize=9,
        )
    return save_png(figure, path)
