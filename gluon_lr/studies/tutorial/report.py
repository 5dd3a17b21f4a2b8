"""The tutorial's report: the finder's curves and the three rates, published beside reproduced."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Dict, List, Sequence

from ...analysis.places import p_of_place, place
from ...analysis.selection import by_run, read_comparable
from ...analysis.verdicts import judge
from ...errors import RecordError
from ...experiments.record import Record
from ...finder import LRFinderResult
from ...report.figures import looks, new_figure, save_figures
from ...report.page import Section, made_by
from ...report.page import write_report as write_report_page
from ...report.tables import Table, spread
from ...report.verdicts import delta_words, means_words, verdict_table, verdict_words
from .claims import PUBLISHED, claims, final_losses
from .experiment import RATES, RUNS

log = logging.getLogger(__name__)

NOTES = (
    "1. The tutorial reads the loss of single batches of 128, once. Here every seed is read at the same updates; the "
    "rates of one seed start from the same parameters and see the same batches.",
    "2. Its three trainings start from one saved initialization, without a seed; its loss before any update (2.6 to "
    "2.8) is that of its own draw.",
    "3. Its reading of the finder's curve, by eye: flat below 0.001, falling up to about 0.1, then diverging; it "
    "picks 0.05. Our suggestion is the default rule's, marked in the figure.",
    "4. In the picture of the three rates a line is a seed.",
    "5. A loss of the last hundred updates' mean is steadier than a single batch's and is compared as well.",
)
LABELS = ("update 0", "100", "200", "300", "400", "last")


def losses_at(record: Record) -> List[float]:
    """The single batches' losses that the tutorial reads: at the beginning of each part, and the last."""
    return [*record.history["first_loss"], record.history["last_loss"][-1]] if record.epochs else []


def results_table(records: Sequence[Record]) -> Table:
    """Published beside reproduced, a line a rate and update."""
    rows = []
    for run, group in by_run(sorted(records, key=lambda r: RUNS.index(r.spec["run"]))).items():
        curves = [losses_at(r) for r in group if r.status == "finished"]
        for i, (label, published) in enumerate(zip(LABELS, PUBLISHED[run])):
            values = [curve[i] for curve in curves if len(curve) == len(LABELS)]
            if not values:
                continue
            known = len(values) > 1
            rows.append(
                [
                    run,
                    label,
                    f"{published:.4g}",
                    spread(values, 3),
                    f"{min(values):.3f} … {max(values):.3f}",
                    str(len(values)),
                    place(published, values) if known else "–",
                    f"{p_of_place(published, values):.2f}" if known else "–",
                ]
            )
    columns = [
        *("run", "loss at", "published", "reproduced (mean ± 95 %)", "least … greatest", "seeds"),
        *("published lies", "chance of lying as far out"),
    ]
    return Table("ResNet-18 v2 on CIFAR-10, batch 128, plain SGD, 500 updates", columns, rows)


def summary_table(records: Sequence[Record]) -> Table:
    """The same in short, a line a rate: published (reproduced ± 95 %) at each update.

    Of n seeds, the range from the least to the greatest holds one more training with a chance of (n − 1)/(n + 1).
    """
    rows = []
    for run, published in PUBLISHED.items():
        curves = [losses_at(r) for r in records if r.spec["run"] == run and r.status == "finished"]
        columns = list(zip(*(curve for curve in curves if len(curve) == len(LABELS))))
        cells = [f"{value:.4g} ({spread(values, 2)})" for value, values in zip(published, columns)]
        inside = sum(min(values) <= value <= max(values) for value, values in zip(published, columns))
        rows.append([f"{RATES[run]:g}", *cells, f"{inside} of {len(columns)}"])
    return Table("published (reproduced)", ["rate", *LABELS, "within our range"], rows)


def read_searches(folder: Path) -> Dict[int, LRFinderResult]:
    """Seed → the finder's result, as the command saved it; a damaged one is named in the log and left out."""
    found = {}
    for path in sorted((Path(folder) / "finder").glob("seed*.json")):
        try:
            found[int(path.stem[4:])] = LRFinderResult.from_json(path)
        except RecordError as error:
            log.warning("left out: %s", error)
    return found


def draw_losses(records: Sequence[Record]) -> Any:
    """The mean loss of each hundred updates, a line a seed and rate, with the published single losses as crosses."""
    styles = looks(RATES)  # of their own: a rate is no schedule
    figure, ((ax,),) = new_figure(1, 1, width=7, height=4)
    for run, group in by_run(records).items():
        for i, record in enumerate(group):
            means = record.history.get("train_loss", [])
            size = record.spec["settings"]["updates_per_part"]
            middles = [size * (e + 0.5) for e in range(len(means))]
            ax.plot(middles, means, ms=4, label=None if i else f"rate {RATES[run]:g}", **styles[run])
        ax.plot([0, 100, 200, 300, 400, 499], PUBLISHED[run], "x", color=styles[run]["color"], mew=2)
    ax.plot([], [], "x", color="0.4", mew=2, label="published, single batches")
    ax.set_xlabel("updates")
    ax.set_ylabel("training loss (mean of 100 updates)")
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def draw_searches(searches: Dict[int, LRFinderResult]) -> Any:
    """The finder's curves, a panel a seed."""
    columns = min(3, len(searches))
    figure, axes = new_figure(-(-len(searches) // columns), columns, width=4 * columns, height=3.2)
    for ax, (seed, result) in zip(axes.flat, searches.items()):
        result.plot(ax)
        ax.set_title(f"seed {seed}: {len(result)} updates, {result.stop_reason}", fontsize=10)
        ax.legend(fontsize=7)
    for ax in axes.flat[len(searches) :]:
        ax.set_axis_off()
    return figure


def suggestions_table(searches: Dict[int, LRFinderResult]) -> Table:
    """A line a seed, a column a rule: the rate that it reads off the curve."""
    rows = [
        [str(seed), *(f"{s.lr:.3g}" if s else f"none: {s.reason}" for s in result.suggestions.values())]
        for seed, result in searches.items()
    ]
    rules = list(next(iter(searches.values())).suggestions) if searches else []
    return Table("Each rule's suggestion", ["seed", *rules], rows)


def suggestions_words(searches: Dict[int, LRFinderResult]) -> List[str]:
    """Between which rates the finder's suggestions lie, in one line; none where it gave none."""
    found = [result.suggestion.lr for result in searches.values() if result.suggestion]
    if not found:
        return []
    given = "a rate" if len(found) == len(searches) else f"{len(found)} rates"
    counted = "1 search" if len(searches) == 1 else f"{len(searches)} searches"
    return [
        f"The finder gave {given} in {counted}, from {min(found):.2g} to {max(found):.2g}; the tutorial reads 0.05."
    ]


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from what is in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    searches = read_searches(folder)
    verdicts = judge(claims(records))
    losses = {f"{RATES[run]:g}": list(final_losses(records, run).values()) for run in RUNS}
    sections = [
        Section(
            "What was found",
            [
                *means_words("Loss, the mean of the last hundred updates", losses, lower_is_better=True),
                *suggestions_words(searches),
                verdict_words(verdicts, " of the tutorial"),
            ],
            pictures=save_figures({"rates": draw_losses(records)}, folder, quick),
        ),
        Section(
            "The finder",
            ["One update at each of ever greater rates; nothing of it is left in the net."],
            [suggestions_table(searches)],
            save_figures({"finder": draw_searches(searches)} if searches else {}, folder, quick),
        ),
        Section("Three rates", tables=[results_table(records)]),
        Section(
            "Does the rate that was read off train best?",
            tables=[verdict_table(verdicts, "Paired over seeds")],
        ),
    ]
    title = "Learning-rate finder: the tutorial, reproduced"
    return write_report_page(folder, title, records, sections, [*NOTES, *left_out], quick)


def tutorial_block(records: Sequence[Record]) -> str:
    """Published and reproduced losses, a line a rate, as the docs show them."""
    return "\n\n".join([summary_table(records).markdown(), *made_by(records)])


def claims_block(records: Sequence[Record]) -> str:
    """The tutorial's conclusion with its verdicts, as the docs show it."""
    judged = claims(records)
    return "\n\n".join([verdict_table(judge(judged), "").markdown(), *delta_words(judged)])
