"""The chapter's report: its table, its pictures, its claims with verdicts, made of nothing but the run records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from ...analysis.comparisons import compare_collapses
from ...analysis.selection import read_comparable
from ...analysis.verdicts import KINDS, Verdict, judge
from ...experiments.record import Record
from ...experiments.store import Store
from ...report.figures import draw_training, look, looks, new_figure, plain_ticks, save_figures
from ...report.page import BANDS, Section
from ...report.page import write_report as write_report_page
from ...report.tables import Table, collapse_table
from ...report.verdicts import unjudged, verdict_table
from .answer import EVIDENCE, answer_table, answer_words, as_the_book, draw_answer, own_and_committed
from .claims import claims, ramped_claim
from .experiment import EPOCHS, READINGS, RUNS, WITH_WARMUP, drawn_rates, trained_scheduler
from .published import (
    ALL,
    count_within,
    draw_finals,
    earlier_table,
    earlier_words,
    likelihood_table,
    likelihoods,
    outside_notes,
    results_table,
    select,
)

READINGS_IN_WORDS = (
    "Gluon's trainer calls a scheduler with the number of updates, 235 an epoch, while the chapter draws it against "
    "40 epochs, so that its milestones at 15 and 30 and its cosine's end at 40 are over within the first epoch.",
    "The chapter also draws the very object that it then trains with, and MXNet's schedulers change when they are "
    "called: after the drawing, multi-factor's rate of 0.5 has already become 0.125.",
    "So each schedule has three readings: as printed (drawn first, then counted in updates: what made the chapter's "
    "figures), per update (a fresh object, counted in updates), and per epoch (what the text means).",
    "Per epoch, the warmup's first epoch has the rate 0 and trains nothing, since MXNet's warmup begins there. A "
    "fourth reading, per epoch and ramped, lets the rate of the schedule with warmup rise with every update instead, "
    "so that the claim about warmup is also judged without an idle epoch.",
)
NOTES = (
    "1. The book's figures were made on Fashion-MNIST's edition of 26 August 2017; five days later duplicate images "
    "were removed, and every mirror that answers today carries the later edition. Each record says which one it used.",
    "2. The chapter trained once, without a seed. Here each seed fixes initialization and batch order, the same for "
    "every schedule, so that schedules are compared in pairs.",
    "3. A constant 0.5 is on the edge of divergence: some trainings fall to ten per cent in their first epochs and "
    "never recover. They are counted as collapsed and stay out of means and intervals.",
    "4. A published figure is one training, so the question is where it lies among ours, not whether it is our mean. "
    "Of n trainings, the interval from the least to the greatest holds one more with a chance of (n − 1)/(n + 1), "
    "however they are spread; the p-value of a place is how often one more would lie as far out.",
    "5. How likely a published figure is in a reading: Student's density for one more training that did not collapse, "
    "times the chance that it does not. The three figures of a run hang together, so the line that counts is the one "
    "of all three.",
    "6. Per update, only multi-factor differs from the reading as printed, since drawing changes no other schedule "
    "here. So the trainings as printed stand for the other four there.",
)


ON_CLAIMS = (
    "Differences over common seeds whose trainings did not collapse, Student's test, Holm's correction over the eight "
    "claims of a reading. The fourth reading answers one claim, so its p-value is not corrected."
)
ON_COLLAPSE = (
    "A collapsed training is an outcome, not a missing value. It has no figure that could be averaged with the others, "
    "so means, intervals and paired differences leave its seed out; here the counts themselves are compared, by "
    "Fisher's exact test."
)


def found_words(records: Sequence[Record]) -> List[str]:
    """What was found, in words: of the published figures, of the readings, of the claims, of what collapsed."""
    parts = (_figures_words(records), _readings_words(records), _claims_words(records), _collapses_words(records))
    return [text for text in parts if text]


def _figures_words(records: Sequence[Record]) -> str:
    counts = {reading: count_within(select(records, reading)) for reading in READINGS}
    parts = [f"{inside} of {figures} {reading}" for reading, (inside, figures) in counts.items() if figures]
    if not parts:
        return ""
    return (
        "The chapter prints three figures for each schedule, of one training each. They lie within the range of our "
        f"trainings: {', '.join(parts)} (collapsed trainings have no range)."
    )


def _readings_words(records: Sequence[Record]) -> str:
    likely = likelihoods(records)
    base = likely.pop("as-printed", {})
    clear = []
    for reading, found in likely.items():
        for run in [run for run, part in found if part == ALL and (run, ALL) in base]:
            power = (base[run, ALL] - found[run, ALL]) / math.log(10)
            if power > 1:
                times = f"10^{power:.0f}" if power >= 3 else f"{10**power:.0f}"
                clear.append(f"those of {run} about {times} times likelier than {reading}")
    if not clear:
        return ""
    return (
        "The page's figures fit best to trainings as printed, whose schedules count updates although they are drawn "
        f"against epochs: {'; '.join(clear)}, if trainings are spread as Student's density assumes."
    )


def _claims_words(records: Sequence[Record]) -> str:
    parts = []
    for reading in READINGS:
        kinds = [verdict.kind for verdict in judged(records, reading) if verdict.test.difference.n > 1]
        if kinds:
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in KINDS if kind in kinds)
            parts.append(f"{reading} {counts}")
    few = "At a rate of 0.5 many trainings of this net collapse, and the others differ much by their seed. "
    return f"{few}Of what the chapter says of its schedules: {'; '.join(parts)}." if parts else ""


def _collapses_words(records: Sequence[Record]) -> str:
    clear = []
    for reading in READINGS:
        found = {name: rest for name, *rest in compare_collapses(_cosines(records, reading), "cosine")}
        collapsed, of, p = found.get(WITH_WARMUP, (0, 0, None))
        if p is not None and p < 0.05:
            without, of_those, _ = found["cosine"]
            clear.append(f"{reading} {without} of {of_those} without, {collapsed} of {of} with (p {p:.2g})")
    return f"Warmup changes how many cosines collapse: {'; '.join(clear)}." if clear else ""


def claims_table(records: Sequence[Record], reading: str) -> Table:
    """The chapter's claims with their verdicts in a reading, those that can be judged."""
    return verdict_table(judged(records, reading), f"The chapter's claims, reading: {reading}")


def judged(records: Sequence[Record], reading: str) -> List[Verdict]:
    """Verdicts of a reading; a ramped warmup is judged beside the cosine per epoch, on the claim about warmup alone."""
    if reading == "per-epoch-ramped":
        return judge(ramped_claim(records))
    return judge(claims(select(records, reading)))


def claims_left_out(records: Sequence[Record], reading: str) -> List[str]:
    """One line on the claims that a reading's trainings cannot judge, where there are any."""
    return [f"Reading {reading}: {line}" for line in unjudged(judged(records, reading))]


def draw_schedules() -> Any:
    """The chapter's six drawings: the five schedules it trains with, and the factor scheduler it only draws."""
    from ...schedulers import FactorScheduler

    figure, axes = new_figure(2, 3, height=2.5)
    panels = [(name, drawn_rates(name)) for name in RUNS]
    panels.append(("factor", FactorScheduler(factor=0.9, stop_factor_lr=1e-2, base_lr=2.0).values(50).tolist()))
    for ax, (name, rates) in zip(axes.flat, panels):
        style = look(name)
        ax.plot(range(len(rates)), rates, ms=4, markevery=5, **style)
        ax.set_title(name if name in RUNS else f"{name} (drawn, never trained)", fontsize=10)
        ax.set_xlabel("calls (the chapter's 'epoch')")
        ax.set_ylabel("learning rate")
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.3)
    return figure


def draw_readings(records: Sequence[Record]) -> Any:
    """The rates actually used at every epoch, in each reading, over the ones that the chapter draws."""
    figure, axes = new_figure(2, 3, height=2.6)
    styles = looks(READINGS)  # of their own: a reading is no schedule
    above = {"as-printed": 5, "per-update": 3}  # where both are the same, the one that made the page is seen
    for ax, run in zip(axes.flat, RUNS):
        drawn, off = [rate or math.nan for rate in drawn_rates(run)], ""
        ax.plot(range(1, EPOCHS + 1), drawn, color="0.6", lw=5, alpha=0.6, label="drawn in the chapter")
        for i, (reading, style) in enumerate(styles.items()):
            group = [r for r in select(records, reading) if r.spec["run"] == run and r.epochs]
            if group:
                used = [rate or math.nan for rate in group[0].history["lr_mean"]]  # a rate of 0 has no logarithm
                alternating = (2 * i, 8)  # where lines coincide, each one's markers are seen
                width = 3.5 if reading == "per-update" else 1.2
                line = {"lw": width, "ms": 4, "markevery": alternating, "zorder": above.get(reading, 4)}
                ax.plot(range(1, len(used) + 1), used, label=reading, **line, **style)
                if 0 in group[0].history["lr_mean"]:
                    off = f"; {reading}: 0 in epoch {group[0].history['lr_mean'].index(0) + 1}"
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
        ax.set_title(run + off, fontsize=9)
        ax.set_xlabel("epoch")
        ax.set_ylabel("mean learning rate")
        ax.grid(alpha=0.3)
    axes.flat[-1].axis("off")
    handles: Dict[str, Any] = {}
    for ax in axes.flat[:-1]:
        handles.update({label: handle for handle, label in zip(*ax.get_legend_handles_labels())})
    axes.flat[-1].legend(handles.values(), handles.keys(), loc="center", fontsize=9)
    return figure


def draw_warmup(updates_per_epoch: int = 235) -> Any:
    """The rate at every update of the first seven epochs: the schedule with warmup, per epoch and ramped."""
    figure, ((ax,),) = new_figure(1, 1, width=7, height=2.8)
    t = range(1, 7 * updates_per_epoch + 1)
    styles = looks(READINGS)
    for reading in ("per-epoch", "per-epoch-ramped"):
        schedule = trained_scheduler(WITH_WARMUP, reading, updates_per_epoch)
        line = {**styles[reading], "marker": ""}
        ax.plot([i / updates_per_epoch for i in t], [schedule(i) for i in t], label=reading, **line)
    ax.set_xlabel("epochs trained (235 updates each)")
    ax.set_ylabel("learning rate")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    ax.set_title("cosine with warmup: per epoch, the first epoch has the rate 0", fontsize=10)
    return figure


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from the records in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    readings = [reading for reading in READINGS if select(records, reading)]
    figures = {"schedules": draw_schedules(), "readings": draw_readings(records), "warmup": draw_warmup()}
    curves = {
        f"training-{reading}": draw_training(select(records, reading), f"LeNet on Fashion-MNIST, {reading}")
        for reading in readings
    }
    books = [r for r in records if as_the_book(r)]
    found = [] if quick else found_words(books)
    finals = {"finals": draw_finals(books)} if found else {}
    left_out += [line for reading in readings for line in claims_left_out(records, reading)]
    judged_tables = [table for table in (claims_table(records, reading) for reading in readings) if table.rows]
    several = [reading for reading in readings if seeds_of(records, reading) > 1]
    earlier = earlier_draws(records, folder)
    beside = [
        *(table for table in [likelihood_table(books)] if table.rows),
        *(results_table(books, reading) for reading in several if select(books, reading)),
        *(table for table, _ in earlier),
    ]
    sections = [
        *(_answer(records, reading, folder, quick) for reading in readings if folder.resolve() != EVIDENCE),
        *([Section("What was found", found, pictures=save_figures(finals, folder))] if found else []),
        *([Section("Published beside reproduced", [words for _, words in earlier], beside)] if beside else []),
        Section("Four readings of each schedule", READINGS_IN_WORDS, pictures=save_figures(figures, folder, quick)),
        Section("Training", pictures=save_figures(curves, folder, quick)),
        *([Section("The chapter's claims", [ON_CLAIMS], judged_tables)] if judged_tables else []),
    ]
    if several:
        sections.append(Section("Collapsed trainings", [ON_COLLAPSE], collapse_tables(records, several)))
    notes = NOTES if several else NOTES[:3]  # the others are about statistics of several seeds
    title = "Learning-rate scheduling: the chapter, reproduced"
    return write_report_page(folder, title, records, sections, [*notes, BANDS, *outside_notes(books), *left_out], quick)


def collapse_tables(records: Sequence[Record], readings: Sequence[str]) -> List[Table]:
    """How many trainings collapsed, a table a reading; where warmup could help, another beside the schedule without."""
    tables = [
        collapse_table(select(records, reading), "constant", f"Reading: {reading}")
        for reading in readings
        if reading != "per-epoch-ramped"  # of the schedule with warmup alone, which the next tables show
    ]
    for reading in readings:  # what warmup may be good for: the claim's pairs leave collapsed seeds out
        cosines = _cosines(records, reading)
        if any(r.status == "collapsed" for r in cosines):
            tables.append(collapse_table(cosines, "cosine", f"Reading: {reading}, with warmup and without"))
    return tables


def _cosines(records: Sequence[Record], reading: str) -> List[Record]:
    """The cosines of a reading, with and without warmup; only the one with warmup can be ramped."""
    without = "per-epoch" if reading == "per-epoch-ramped" else reading
    return [r for r in select(records, without) if r.spec["run"] == "cosine"] + [
        r for r in select(records, reading) if r.spec["run"] == WITH_WARMUP
    ]


def _answer(records: Sequence[Record], reading: str, folder: Path, quick: bool) -> Section:
    """The first thing that a report on trainings of one's own says."""
    own, others = own_and_committed(records, reading, folder)
    drawn = others and not quick and any(record.epochs for record in own)
    pictures = {f"yours-{reading}": draw_answer(own, others)} if drawn else {}
    return Section(
        f"Your trainings, {reading}",
        answer_words(own, others, quick),
        [answer_table(own, others, reading)],
        save_figures(pictures, folder, quick),
    )


def seeds_of(records: Sequence[Record], reading: str) -> int:
    return len({r.spec["seed"] for r in select(records, reading)})


def earlier_draws(records: Sequence[Record], folder: Path) -> List[Tuple[Table, str]]:
    """A table and a sentence for each version in ``earlier`` and each reading that it was trained in."""
    found = []
    for path in sorted((folder / "earlier").glob("*")):
        earlier = Store(path).records()
        for reading in READINGS:
            if any(r.spec["reading"] == reading for r in earlier):
                found.append((
                    earlier_table(records, earlier, reading, path.name),
                    earlier_words(records, earlier, reading, path.name),
                ))  # fmt: skip
    return found
