"""``python -m gluon_lr.article``: train the article's schedules and write the report with its charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Optional, Sequence

from ..cli import run
from ..data.sources import FASHION_MNIST
from ..records import Record, read_comparable
from ..report.comparison import verdict_table, write_comparison
from ..report.figures import by_run, draw_mean, new_figure, save_png, stamp
from ..report.page import Section, update_readme
from ..stats import judge
from ..study import output_folder, parse, run_comparison, study_parser
from . import EPOCHS, QUICK_EPOCHS, QUICK_IMAGES, RUNS, build, specifications
from .published import claims

NOTES = (
    "The article ran each schedule once; here five seeds, each with its own 20,000 images, initialization and order, "
    "the same for every schedule.",
    "It does not say how wide its hidden layers are: here both have 256 units.",
    "Time-based decay is applied, as the article does, to the previous rate, which compounds: from 0.5 it falls to a "
    "hundredth of that near epoch 42.",
    "The trap: a decay of 0.01 applied per update takes 0.1 to 0.1/(1 + 0.01·313) = 0.0242 within the first epoch of "
    "313 updates (0.0286 at the article's 250), where per epoch it is still 0.099 after it.",
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
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    if axes[0][0].lines:  # none where every training of the first schedule collapsed
        axes[0][0].legend(fontsize=8)
    return figure


def write_report(folder: Path, quick: bool = False) -> Path:
    """The report of what is in ``folder``; its path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    mark = "QUICK RUN" if quick else None
    pictures: List[Path] = []
    charts = {
        "each": lambda: draw_each(records),
        "rates": lambda: draw_panel(records, [("lr_mean", "mean learning rate of the epoch")]),
        "validation": lambda: draw_panel(
            records, [("test_loss", "validation loss"), ("test_acc", "validation accuracy")], 60
        ),
    }
    for name, draw in charts.items():
        if any(r.status == "finished" for r in records):
            figure = draw()
            stamp(figure, mark)
            pictures.append(save_png(figure, folder / "figures" / f"{name}.png"))
    sections = [
        Section("The article's charts", pictures=pictures),
        Section(
            "The article's conclusions", tables=[verdict_table(judge(claims(records)), "Paired over common seeds")]
        ),
    ]
    arms = [name for name in RUNS if name != "constant"]
    return write_comparison(
        folder,
        records,
        "Choosing a schedule: the article, reproduced",
        [(name, "constant") for name in arms],
        [*NOTES, *left_out],
        mark,
        extra=sections,
    )


def readme_block(records: Sequence[Record]) -> str:
    """The article's conclusions with their verdicts, as the README shows them."""
    return verdict_table(judge(claims(records)), "").markdown()


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    description = "Schedules compared on an MLP and 20,000 images of Fashion-MNIST, with statistics."
    parser = study_parser("article", description, RUNS, EPOCHS, "chapter_runs/article", ["article"])
    options = parse(parser, argv)
    epochs = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    specs = specifications(options.only, options.seeds, epochs, QUICK_IMAGES if options.quick else None)
    code = run_comparison(options, FASHION_MNIST, specs, build, write_report)
    if options.readme:
        update_readme(options.readme, {"article": readme_block(read_comparable(output_folder(options))[0])})
    return code


if __name__ == "__main__":
    run(main)
