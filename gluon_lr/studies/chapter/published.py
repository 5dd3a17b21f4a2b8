"""The chapter's fifteen figures among our trainings: where each lies, and which reading could have made them.

A published figure is one training. So it is held against the trainings themselves and not against their mean. Nothing
is assumed of how they are spread: n trainings span an interval from the least to the greatest that holds one more with
a chance of (n − 1)/(n + 1).
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from ...analysis.places import log_density, p_of_place, place
from ...analysis.selection import by_run
from ...experiments.record import Record
from ...report.figures import look, new_figure
from ...report.tables import Table, spread
from .claims import PUBLISHED, QUANTITIES, UNPUBLISHED
from .experiment import READINGS, RUNS, place_of

SAME_PER_UPDATE = tuple(run for run in RUNS if run != "multi-factor")
ALL = "all three"
FEWEST = 5  # trainings: fewer say nothing about how likely a figure is


def select(records: Sequence[Record], reading: str) -> List[Record]:
    """The records of a reading, runs in the chapter's order.

    Per update, four of the five schedules do what they do as printed, since drawing changes multi-factor alone. So
    their trainings as printed stand for them there.
    """
    chosen = [r for r in records if r.spec["reading"] == reading]
    if reading == "per-update" and chosen:
        own = {r.spec["run"] for r in chosen}
        as_printed = [r for r in records if r.spec["reading"] == "as-printed"]
        chosen += [r for r in as_printed if r.spec["run"] in SAME_PER_UPDATE and r.spec["run"] not in own]
    return sorted(chosen, key=lambda r: (place_of(r.spec["run"]), r.spec["seed"]))


def results_table(records: Sequence[Record], reading: str = "as-printed") -> Table:
    """Published beside reproduced, a line a run and quantity."""
    rows = []
    for run, group in by_run(select(records, reading)).items():
        complete = [r for r in group if r.complete]
        finished = [r for r in complete if r.status == "finished"]
        for (quantity, label), published in zip(QUANTITIES, PUBLISHED.get(run, UNPUBLISHED)):
            values = [r.last(quantity) for r in finished]
            known = not math.isnan(published) and len(values) > 1
            rows.append(
                [
                    run,
                    label,
                    "–" if math.isnan(published) else f"{published:.3f}",
                    spread(values, 3),
                    f"{min(values):.3f} … {max(values):.3f}" if values else "–",
                    f"{len(complete) - len(finished)} of {len(complete)}",
                    place(published, values) if known else "–",
                    f"{p_of_place(published, values):.2f}" if known else "–",
                ]
            )
    columns = [
        *("run", "after the last epoch", "published", "reproduced (mean ± 95 %)", "least … greatest", "collapsed"),
        *("published lies", "chance of lying as far out"),
    ]
    return Table(f"Reading: {reading}", columns, rows)


def count_within(records: Sequence[Record]) -> Tuple[int, int]:
    """How many published figures lie within the range of these trainings of one reading, and of how many there is a
    range: two trainings that did not collapse."""
    inside = figures = 0
    for run, group in by_run(records).items():
        finished = [r for r in group if r.status == "finished"]
        if run not in PUBLISHED or len(finished) < 2:
            continue
        for (quantity, _), published in zip(QUANTITIES, PUBLISHED[run]):
            values = [r.last(quantity) for r in finished]
            figures += 1
            inside += min(values) <= published <= max(values)
    return inside, figures


def earlier_words(records: Sequence[Record], earlier: Sequence[Record], reading: str, version: str) -> str:
    """How many published figures lie within the range of the earlier draw, of the same seeds now, and of both."""
    earlier = [r for r in earlier if r.spec["reading"] == reading]
    seeds, runs = {r.spec["seed"] for r in earlier}, {r.spec["run"] for r in earlier}
    now = [r for r in select(records, reading) if r.spec["seed"] in seeds and r.spec["run"] in runs]
    counts = [count_within(sample) for sample in (earlier, now, [*earlier, *now])]
    then, today, both = (f"{inside} of {figures}" for inside, figures in counts)
    return (
        f"Seeds {min(seeds)} to {max(seeds)}, {reading}: {then} published figures lie within the range of those "
        f"by {version}, {today} within that of the same seeds now, {both} within that of both together."
    )


def earlier_table(records: Sequence[Record], earlier: Sequence[Record], reading: str, version: str) -> Table:
    """A line a published figure: the same seeds in a reading, by an earlier version that rounds otherwise and by ours.

    Args:
        records: ours.
        earlier: those by ``version``, of any reading.
        reading: which is compared.
        version: that made the earlier ones.
    """
    earlier = [r for r in earlier if r.spec["reading"] == reading]
    seeds, runs = {r.spec["seed"] for r in earlier}, {r.spec["run"] for r in earlier}
    now = [r for r in select(records, reading) if r.spec["seed"] in seeds]
    rows = []
    for run, published in PUBLISHED.items():
        if run not in runs:
            continue
        for i, (quantity, label) in enumerate(QUANTITIES):
            cells = []
            for sample in (earlier, now):
                group = [r for r in sample if r.spec["run"] == run]
                values = [r.last(quantity) for r in group if r.status == "finished"]
                among = f"{np.mean(values):.3f} ({min(values):.3f} … {max(values):.3f})" if values else "–"
                cells += [among, f"{len(group) - len(values)} of {len(group)}", place(published[i], values)]
            rows.append([run, label, f"{published[i]:.3f}", *cells])
    columns = ["run", "after the last epoch", "published"]
    for which in (f"by {version}", "now"):
        columns += [f"{which}: mean (least … greatest)", f"{which}: collapsed", f"{which}: published lies"]
    return Table(f"Seeds {min(seeds)} to {max(seeds)}, {reading}, by {version} and now", columns, rows)


def likelihoods(records: Sequence[Record]) -> Dict[str, Dict[Tuple[str, str], float]]:
    """Reading → (run, quantity or "all three") → the natural logarithm of how likely a published figure is there.

    A training that did not collapse has the density of :func:`log_density`; that it did not has the chance
    (finished + 1)/(all + 2). Left out where fewer than :data:`FEWEST` trainings finished.
    """
    found: Dict[str, Dict[Tuple[str, str], float]] = {}
    for reading in READINGS:
        for run, group in by_run(select(records, reading)).items():
            complete = [r for r in group if r.complete]
            finished = [r for r in complete if r.status == "finished"]
            if run not in PUBLISHED or len(finished) < FEWEST:
                continue
            values = np.array([[r.last(quantity) for quantity, _ in QUANTITIES] for r in finished])
            published = np.array(PUBLISHED[run])
            uncollapsed = math.log((len(finished) + 1) / (len(complete) + 2))
            by_figure = found.setdefault(reading, {})
            for i, (_, label) in enumerate(QUANTITIES):
                by_figure[run, label] = uncollapsed + log_density(values[:, [i]], published[[i]])
            by_figure[run, ALL] = uncollapsed + log_density(values, published)
    return found


def likelihood_table(records: Sequence[Record]) -> Table:
    """A line a run and figure that can be said: by what power of ten it is likelier in a reading than as printed."""
    found = likelihoods(records)
    base = found.get("as-printed", {})
    others = [reading for reading in found if reading != "as-printed" and set(found[reading]) & set(base)]
    rows = [
        [*figure, *(_power(found[reading].get(figure, math.nan) - base[figure]) for reading in others)]
        for figure in base
    ]
    rows = [row for row in rows if set(row[2:]) - {"–", "the same"}]  # the others say nothing
    return Table(
        "How much likelier the published figures are in a reading than as printed, in powers of ten",
        ["run", "after the last epoch", *others],
        rows,
    )


def _power(logarithm: float) -> str:
    return "–" if math.isnan(logarithm) else f"{logarithm / math.log(10):+.1f}" if logarithm else "the same"


def outside_notes(records: Sequence[Record]) -> List[str]:
    """A note on each published figure that lies beyond all our trainings of the reading as printed.

    What was tried: whether single epochs of our trainings come that low or high, since a published figure is of
    the last epoch alone.
    """
    notes = []
    for run, group in by_run(select(records, "as-printed")).items():
        good = [r for r in group if r.status == "finished"]
        for (quantity, label), published in zip(QUANTITIES, PUBLISHED.get(run, ())):
            values = [r.last(quantity) for r in good]
            if len(values) < 2 or min(values) <= published <= max(values):
                continue
            late = np.concatenate([r.history[quantity][len(r.history[quantity]) // 2 :] for r in good])
            below = published < min(values)
            share = float(np.mean(late <= published if below else late >= published))
            notes.append(
                f"Outside: {run}'s {label}, published {published:.3f}, lies {place(published, values)} of ours "
                f"({min(values):.3f} … {max(values):.3f}). Tried: {len(group)} seeds, other epochs than the last. In "
                f"the second half of these trainings {100 * share:.1f} % of {len(late)} epochs are as "
                f"{'low' if below else 'high'} as published (the {'least' if below else 'greatest'} is "
                f"{late.min() if below else late.max():.3f})."
            )
    if notes:
        notes.append(
            "Not tried: the edition of the data that the book was made with. No mirror that we reached has it."
        )
    return notes


def draw_finals(records: Sequence[Record]) -> Any:
    """A panel a published figure: every training's as a dot, a line a reading; the published one across all of them."""
    readings = [reading for reading in READINGS if select(records, reading)]
    groups = {reading: by_run(select(records, reading)) for reading in readings}
    figure, axes = new_figure(len(RUNS), len(QUANTITIES), width=11, height=0.36 * len(readings) + 0.6)
    for row, run in zip(axes, RUNS):
        of_run = [
            reading for reading in readings if any(r.spec["reading"] == reading for r in groups[reading].get(run, []))
        ]
        names = [_with_collapses(reading, groups[reading][run]) for reading in of_run]
        for ax, (quantity, label), published in zip(row, QUANTITIES, PUBLISHED[run]):
            for y, reading in enumerate(of_run):
                finished = [r for r in groups[reading][run] if r.status == "finished"]
                _draw_row(ax, y, [r.last(quantity) for r in finished], look(run))
            ax.axvline(published, color="red", lw=1.2)
            ax.set_ylim(len(of_run) - 0.4, -0.6)
            ax.set_yticks(range(len(of_run)), names if ax is row[0] else [""] * len(of_run), fontsize=8)
            ax.tick_params(axis="x", labelsize=8)
            ax.locator_params(axis="x", nbins=6)
            ax.grid(alpha=0.3, axis="x")
            ax.set_title(f"{run}: {label}", fontsize=9)
    figure.suptitle(
        "after the last epoch; a dot a training, the line from the least to the greatest, a tick at the mean; "
        "red: as published\ncollapsed trainings (an accuracy of 0.1) are off these axes and counted at the left; "
        "per update the four without a row are as printed",
        fontsize=10,
    )
    return figure


def _with_collapses(reading: str, group: Sequence[Record]) -> str:
    """A reading's name, and how many of its trainings have no dot because they collapsed."""
    collapsed = sum(r.status == "collapsed" for r in group)
    return f"{reading}\n({collapsed} of {sum(r.complete for r in group)} collapsed)" if collapsed else reading


def _draw_row(ax: Any, y: int, values: Sequence[float], style: Dict[str, Any]) -> None:
    if not values:
        return
    ax.plot([min(values), max(values)], [y, y], color=style["color"], lw=0.8, alpha=0.6)
    ax.plot(values, [y] * len(values), style["marker"], color=style["color"], ms=4, alpha=0.55)
    ax.plot([np.mean(values)], [y], "|", color=style["color"], ms=12, mew=2)
