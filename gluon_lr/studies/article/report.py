"""The article's report: its charts, its conclusions with verdicts, made of nothing but the run records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from ...analysis.selection import by_run, read_comparable
from ...analysis.verdicts import judge
from ...experiments.record import Record
from ...report.figures import (
    draw_beside,
    draw_mean,
    finished_curves,
    hold_to_medians,
    new_figure,
    plain_ticks,
    save_figures,
)
from ...report.page import BANDS, Section, made_by
from ...report.page import write_report as write_report_page
from ...report.tables import arms_table, paired_table
from ...report.verdicts import delta_words, means_words, power_table, verdict_table, verdict_words
from .claims import ACCURACY, claims, final_accuracies, stops_by_schedule
from .experiment import RUNS

NOTES = (
    "The article ran each schedule once; here every seed has its own 20,000 images, initialization and order, the same "
    "for every schedule.",
    "It does not say how wide its hidden layers are: here both have 256 units.",
    "Time-based decay is applied, as the article does, to the previous rate, which compounds: from 0.5 it falls to a "
    "hundredth of that near epoch 42.",
    "The trap: a decay of 0.01 applied per update takes 0.1 to 0.1/(1 + 0.01·313) = 0.0242 within the first epoch of "
    "313 updates (0.0286 at the article's 250), where per epoch it is still 0.099 after it.",
    "Roughness and each claim's δ are defined on the page docs/results/article.md. A claim of no gain is also refuted "
    "if the gain is clearly above 0, however small.",
    "The p-values do not allow for an earlier look at the first five seeds. Doubled for it, those above 0.025 are no "
    "longer below 0.05.",
    "Linear decay's validation loss is least near epoch 16. Its claim asks only whether it still rises after epoch 40.",
    BANDS,
)


def draw_panel(records: Sequence[Record], panels: Sequence["tuple[str, str]"], epochs: Optional[int] = None) -> Any:
    """A panel a quantity, a line a schedule."""
    figure, axes = new_figure(1, len(panels), width=10, height=3.6)
    for ax, (quantity, label) in zip(axes[0], panels):
        for name, group in by_run(records).items():
            draw_mean(ax, group, quantity, name)
        ax.set_xlabel("epoch")
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
        if epochs is not None:
            ax.set_xlim(0, epochs)
        if quantity == "lr_mean":
            ax.set_yscale("log")
            plain_ticks(ax.yaxis)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def draw_each(records: Sequence[Record]) -> Any:
    """Loss and accuracy of every schedule by itself, training beside validation."""
    groups = by_run(records)
    figure, axes = new_figure(len(groups), 2, width=8, height=1.9, sharex=True)
    for row, (name, group) in zip(axes, groups.items()):
        for ax, quantity in zip(row, ("loss", "acc")):
            draw_mean(ax, group, f"train_{quantity}", name, "training", linestyle="-", marker="")
            draw_mean(ax, group, f"test_{quantity}", name, "validation", linestyle="--")
            ax.set_ylabel("loss" if quantity == "loss" else "accuracy")
            ax.set_title(name, fontsize=9)
            ax.grid(alpha=0.3)
            hold_to_medians([(ax, [finished_curves(group, f"{part}_{quantity}") for part in ("train", "test")])])
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    if axes[0][0].lines:  # none where every training of the first schedule collapsed
        axes[0][0].legend(fontsize=8)
    return figure


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from the records in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    title = "Choosing a schedule: the article, reproduced"
    training: Dict[str, Any] = {}
    charts: Dict[str, Any] = {}
    if any(r.status == "finished" for r in records):
        training["training"] = draw_beside(records, "train_loss", "training loss")
        charts["each"] = draw_each(records)
        charts["rates"] = draw_beside(records, "lr_mean", "mean learning rate")
        charts["validation"] = draw_beside(records, "test_acc", "validation accuracy")
        charts["validation-loss"] = draw_beside(records, "test_loss", "validation loss")
    pairs = [(name, "constant") for name in RUNS if name != "constant"]
    verdicts = judge(claims(records))
    drawn = save_figures(charts, folder, quick)
    sections = [
        Section(
            "What was found",
            [
                *means_words("Validation accuracy, mean of the last ten epochs", final_accuracies(records)),
                verdict_words(verdicts, " of the article"),
            ],
            pictures=[path for path in drawn if path.stem == "validation"],
        ),
        Section(
            "Every arm",
            tables=[arms_table(records, "The last epoch, mean ± 95 % over seeds")],
            pictures=save_figures(training, folder, quick),
        ),
        Section("Beside its counterpart", tables=[paired_table(records, pairs, "test_acc", True, ACCURACY[0])]),
        Section("The article's charts", pictures=[path for path in drawn if path.stem != "validation"]),
        Section(
            "The article's conclusions",
            delta_words(claims(records)),
            tables=[
                verdict_table(verdicts, "Paired over common seeds"),
                verdict_table(judge(stops_by_schedule(records)), "Where learning stops, by schedule"),
            ],
        ),
    ]
    return write_report_page(folder, title, records, sections, [*NOTES, *left_out], quick)


def article_block(records: Sequence[Record]) -> str:
    """The article's conclusions with their verdicts, as the docs show them."""
    return "\n\n".join([verdict_table(judge(claims(records)), "").markdown(), *made_by(records)])


def power_block(records: Sequence[Record]) -> str:
    """What ten seeds can show, by the spread of the five that there were when they were planned."""
    planned = [r for r in records if r.spec["seed"] < 5]
    return power_table(claims(planned), 10, "What ten seeds can show").markdown()


def stops_block(records: Sequence[Record]) -> str:
    """Whether each decaying schedule stops learning near epoch 60, as the docs show it."""
    return "\n\n".join([verdict_table(judge(stops_by_schedule(records)), "").markdown(), *made_by(records)])
