"""Every claim of every source on one sheet: how large its effect is, in its own spread over seeds."""

from __future__ import annotations

import math
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from ..analysis.selection import read_comparable
from ..analysis.statistics import mean_interval
from ..analysis.verdicts import Verdict, judge
from ..cli import Parser, folder, run
from ..errors import UsageError
from ..report.figures import new_figure
from ..report.page import made_by
from .chapter.experiment import READINGS
from .chapter.report import judged as chapter_verdicts

SOURCES = ("chapter", "tutorial", "article", "talk")
LOOKS = {
    "supported": ("#009E73", "o"),
    "refuted": ("#D55E00", "s"),
    "no difference": ("#0072B2", "^"),
    "not resolved": ("0.55", "D"),
}


def verdicts(runs: Path) -> Dict[str, List[Verdict]]:
    """Source (for the chapter: source and reading) → the verdicts on its claims that have an interval."""
    found: Dict[str, List[Verdict]] = {}
    for name in SOURCES:
        records, _ = read_comparable(runs / name)
        if name == "chapter":
            by_reading = {f"{name}, {reading}": chapter_verdicts(records, reading) for reading in READINGS}
        else:
            by_reading = {name: judge(import_module(f"gluon_lr.studies.{name}.claims").claims(records))}
        for source, every in by_reading.items():
            judged = [verdict for verdict in every if math.isfinite(verdict.test.difference.low)]
            if judged:
                found[source] = judged
    return found


def draw_forest(found: Dict[str, List[Verdict]], trained: Sequence[str] = ()) -> Any:
    """A line a claim: the mean difference over seeds with its 95 % interval, both divided by the differences' standard
    deviation, so that accuracies, losses and epochs share an axis, which is logarithmic beyond 2.

    Below it stands what ``trained`` says of the versions that made the trainings.
    """
    rows = [(source, verdict) for source, judged in found.items() for verdict in judged]
    figure, ((ax,),) = new_figure(1, 1, width=11, height=0.27 * (len(rows) + len(found)) + 1.2)
    y, labels, places = 0, [], []
    for source, judged in found.items():
        ax.text(-0.01, y, source, transform=ax.get_yaxis_transform(), ha="right", va="center", weight="bold", size=9)
        y += 1
        for verdict in judged:
            low, middle, high = standardized(verdict)
            color, marker = LOOKS[verdict.kind]
            face = "white" if verdict.claim.denies else color
            ax.plot([low, high], [y, y], color=color, lw=1.5)
            ax.plot([middle], [y], marker, color=color, markerfacecolor=face, ms=5)
            labels.append(f"{verdict.claim.text} ({verdict.test.difference.n} seeds)")
            places.append(y)
            y += 1
    ax.axvline(0, color="0.3", lw=0.8)
    ax.set_yticks(places, labels, fontsize=7.5)
    ax.set_ylim(y, -1)
    ax.set_xscale("symlog", linthresh=2, linscale=2)
    ticks = [-100, -30, -10, -5, -2, -1, 0, 1, 2, 5, 10, 30, 100]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel(
        "mean difference over seeds, in its standard deviations: right of 0 speaks for the claim\n"
        "(open marks: the claim is that there is no gain, so 0 or less speaks for it)\n"
        "lines: 95 % intervals of each by itself;\nverdicts allow for the number of claims, so a grey one may exclude 0"
        + "".join(f"\n{textwrap.fill(line, 66)}" for line in trained)
    )
    ax.grid(alpha=0.3, axis="x")
    for kind, (color, marker) in LOOKS.items():
        ax.plot([], [], marker, ls="", color=color, label="no difference larger than δ" if "diff" in kind else kind)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def standardized(verdict: Verdict) -> "tuple[float, float, float]":
    """Lower end, mean and upper end of a claim's interval, in standard deviations of its differences."""
    numbers = np.asarray(list(verdict.claim.differences), float)
    interval, deviation = mean_interval(numbers), float(numbers.std(ddof=1))
    return interval.low / deviation, interval.mean / deviation, interval.high / deviation


def main(argv: Optional[List[str]] = None) -> int:
    """Draw the sheet of the committed evidence, or of one's own."""
    from ..report.figures import save_png

    parser = Parser("studies.forest", description="Draw every claim with its verdict. Writes claims.png, in seconds.")
    parser.add_argument(
        "--runs", type=folder, default=Path("chapter_runs"), help="folder with a folder a study (default chapter_runs)"
    )
    runs = parser.parse_args(argv).runs
    found = verdicts(runs)
    if not found:
        raise UsageError(f"{runs} holds no claim that can be judged: expected a folder with a folder a study, such as "
                         "chapter_runs in a clone of the repository")  # fmt: skip
    trained = made_by([record for name in SOURCES for record in read_comparable(runs / name)[0]])
    print(save_png(draw_forest(found, trained), runs / "claims.png"))
    return 0


if __name__ == "__main__":
    run(main, "studies.forest")
