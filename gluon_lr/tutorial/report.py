"""The tutorial's report: the finder's curves and the three rates, published beside reproduced."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from ..errors import RecordError
from ..files import write_text
from ..finder import LRFinderResult
from ..records import Record, read_comparable, results_csv
from ..report.comparison import spread, verdict_table
from ..report.figures import by_run, new_figure, save_png, stamp
from ..report.page import Section, Table, environments, write_page
from ..stats import Claim, judge, mean_interval, prediction_interval
from . import RATES, RUNS

log = logging.getLogger(__name__)

# Source: MXNet's "Learning Rate Finder" tutorial; run: loss at update 0, 100, 200, 300, 400 and the last.
PUBLISHED: Dict[str, Tuple[float, ...]] = {
    "lr-0.05": (2.785, 1.6653, 1.4891, 1.0846, 1.0633, 1.1812),
    "lr-0.5": (2.6469, 1.9666, 1.6919, 1.3643, 1.4743, 1.366),
    "lr-0.005": (2.605, 1.8621, 1.6316, 1.6295, 1.4019, 1.2919),
}
NOTES = (
    "1. The tutorial reads the loss of single batches of 128, once. Here three seeds are read at the same updates; the "
    "rates of one seed start from the same parameters and see the same batches.",
    "2. Its three trainings start from one saved initialization, without a seed; its loss before any update (2.6 to "
    "2.8) is that of its own draw.",
    "3. Its reading of the finder's curve, by eye: flat below 0.001, falling up to about 0.1, then diverging; it "
    "picks 0.05. Our suggestion is the default rule's, marked in the figure.",
    "4. A loss of the last hundred updates' mean is steadier than a single batch's and is compared as well.",
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
            mean, one_more = mean_interval(values), prediction_interval(values)
            around = "" if mean.n < 2 else f" ± {mean.half_width:.3f}"
            inside = "needs two seeds"
            if mean.n > 1:
                inside = f"{'yes' if published in one_more else 'no'} ({one_more.low:.2f} … {one_more.high:.2f})"
            rows.append([run, label, f"{published:.4g}", f"{mean.mean:.3f}{around}", str(mean.n), inside])
    columns = ["run", "loss at", "published", "reproduced (mean ± 95 %)", "seeds", "published inside 95 % prediction"]
    return Table("ResNet-18 v2 on CIFAR-10, batch 128, plain SGD, 500 updates", columns, rows)


def summary_table(records: Sequence[Record]) -> Table:
    """The same in short, a line a rate: published (reproduced ± 95 %) at each update."""
    rows = []
    for run, published in PUBLISHED.items():
        curves = [losses_at(r) for r in records if r.spec["run"] == run and r.status == "finished"]
        columns = list(zip(*(curve for curve in curves if len(curve) == len(LABELS))))
        cells = [f"{value:.4g} ({spread(values, 2)})" for value, values in zip(published, columns)]
        inside = sum(value in prediction_interval(values) for value, values in zip(published, columns))
        rows.append([f"{RATES[run]:g}", *cells, f"{inside} of {len(columns)}"])
    return Table("published (reproduced)", ["rate", *LABELS, "inside 95 % prediction"], rows)


def claims(records: Sequence[Record]) -> List[Claim]:
    """The tutorial's claim that the rate read off the finder's curve trains best."""
    last = {
        run: {r.spec["seed"]: r.last("train_loss") for r in records if r.spec["run"] == run and r.epochs}
        for run in RUNS
    }

    def less(other: str) -> List[float]:
        common = sorted(set(last["lr-0.05"]) & set(last[other]))
        return [last[other][seed] - last["lr-0.05"][seed] for seed in common]

    measure = "mean loss of the last 100 updates, {} less 0.05"
    return [
        Claim("0.05 trains better than a rate ten times greater", measure.format("0.5"), less("lr-0.5")),
        Claim("0.05 trains better than a rate ten times smaller", measure.format("0.005"), less("lr-0.005")),
    ]


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
    looks = {"lr-0.05": ("#009E73", "o", "-"), "lr-0.5": ("#D55E00", "^", "--"), "lr-0.005": ("#0072B2", "s", ":")}
    figure, ((ax,),) = new_figure(1, 1, width=7, height=4)
    for run, group in by_run(records).items():
        color, marker, dash = looks[run]
        for i, record in enumerate(group):
            means = record.history.get("train_loss", [])
            size = record.spec["settings"]["updates_per_part"]
            middles = [size * (e + 0.5) for e in range(len(means))]
            ax.plot(middles, means, dash, color=color, marker=marker, ms=4, label=None if i else f"rate {RATES[run]:g}")
        ax.plot([0, 100, 200, 300, 400, 499], PUBLISHED[run], "x", color=color, mew=2)
    ax.plot([], [], "x", color="0.4", mew=2, label="published, single batches")
    ax.set_xlabel("updates")
    ax.set_ylabel("training loss (mean of 100 updates)")
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from what is in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    searches = read_searches(folder)
    write_text(folder / "results.csv", results_csv(records))
    pictures = []
    if searches:
        figure, axes = new_figure(1, len(searches), width=4.5 * len(searches), height=4.5)
        for ax, (seed, result) in zip(axes[0], searches.items()):
            result.plot(ax)
            ax.set_title(f"seed {seed}: {len(result)} updates, {result.stop_reason}", fontsize=10)
        stamp(figure, "QUICK RUN" if quick else None)
        pictures.append(save_png(figure, folder / "figures" / "finder.png"))
    figure = draw_losses(records)
    stamp(figure, "QUICK RUN" if quick else None)
    rates = save_png(figure, folder / "figures" / "rates.png")
    found = [
        [str(seed), *(f"{s.lr:.3g}" if s else f"none: {s.reason}" for s in result.suggestions.values())]
        for seed, result in searches.items()
    ]
    rules = list(next(iter(searches.values())).suggestions) if searches else []
    sections = [
        Section(
            "The finder",
            ["One update at each of ever greater rates; nothing of it is left in the net."],
            [Table("Each rule's suggestion", ["seed", *rules], found)],
            pictures,
        ),
        Section("Three rates", tables=[results_table(records)], pictures=[rates]),
        Section(
            "Does the rate that was read off train best?",
            tables=[verdict_table(judge(claims(records)), "Paired over seeds")],
        ),
        Section("Notes", [*NOTES, *left_out, *environments(records)]),
    ]
    mark = "QUICK RUN: a slice of the data, few updates; not comparable with the published figures" if quick else ""
    return write_page(folder / "report.html", "Learning-rate finder: the tutorial, reproduced", sections, mark)
