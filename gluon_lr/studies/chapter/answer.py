"""Set your own run beside the published figures and the trainings that the repository holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ...analysis.places import place
from ...analysis.selection import by_run
from ...experiments.record import Record
from ...experiments.store import Store
from ...report.figures import looks, new_figure
from ...report.tables import Table
from .claims import PUBLISHED, QUANTITIES, UNPUBLISHED
from .experiment import EPOCHS, place_of
from .published import select
from .variation import RATE

EVIDENCE = Path(__file__).resolve().parents[3] / "chapter_runs" / "chapter"


def committed(reading: str, folder: Optional[Path] = None) -> List[Record]:
    """The complete trainings of a reading that a clone of the repository holds; none where there is no clone."""
    return [r for r in select(Store(folder or EVIDENCE).records(), reading) if r.complete]


def same_bits(own: Record, others: Sequence[Record]) -> Optional[bool]:
    """Whether a training equals the committed one of its run and seed in every number but time; None without one."""
    for other in others:
        if (other.spec["run"], other.spec["seed"]) == (own.spec["run"], own.spec["seed"]):
            if other.spec["epochs"] != own.spec["epochs"] or other.spec["limit"] != own.spec["limit"]:
                return None
            mine, theirs = ({k: v for k, v in r.history.items() if k != "seconds"} for r in (own, other))
            return mine == theirs
    return None


def answer_table(own: Sequence[Record], others: Sequence[Record], reading: str) -> Table:
    """Published, yours, and the committed trainings, a line a run and figure; collapsed trainings are told apart."""
    rows, groups = [], by_run(others)
    for run, mine in by_run(own).items():
        complete = groups.get(run, [])
        finished = [r for r in complete if r.status == "finished"]
        for (quantity, label), published in zip(QUANTITIES, PUBLISHED.get(run, UNPUBLISHED)):
            values = [r.last(quantity) for r in finished]
            among = f"{np.mean(values):.3f} ({min(values):.3f} … {max(values):.3f})" if values else "–"
            yours = ", ".join(_figure(r, quantity) for r in mine)
            rows.append(
                [
                    run,
                    label,
                    "–" if math.isnan(published) else f"{published:.3f}",
                    yours,
                    among,
                    f"{len(complete) - len(finished)} of {len(complete)}",
                    "–" if math.isnan(published) else place(published, values),
                    ", ".join(_place(r, quantity, values) for r in mine),
                ]
            )
    columns = [
        *("run", "after the last epoch", "published", "yours", "committed: mean (least … greatest)"),
        *("committed, collapsed", "published lies", "yours lies"),
    ]
    if all(row[-1] == "no comparison" for row in rows):  # a quick run
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    rates = sorted({r.spec["settings"]["lr"] for r in own if "lr" in r.spec["settings"]})
    other = f"; yours at {', '.join(f'{rate:g}' for rate in rates)}, the others at {RATE:g}" if rates else ""
    return Table(f"Published, yours and the committed trainings; reading: {reading}{other}", columns, rows)


def _place(record: Record, quantity: str, values: Sequence[float]) -> str:
    if not as_the_book(record):
        return "no comparison"
    return place(record.last(quantity), values) if record.status == "finished" else record.status


def _figure(record: Record, quantity: str) -> str:
    collapsed = " (collapsed)" if record.status == "collapsed" else ""
    return f"{record.last(quantity):.3f}{collapsed}" if record.complete else record.status


def answer_words(own: Sequence[Record], others: Sequence[Record], quick: bool = False) -> List[str]:
    """The result in words: one paragraph on your trainings, one on their bits."""
    if quick:
        return [
            "This was a quick run: a slice of the data and a few epochs. Its figures show that everything works; they "
            "are no comparison with the book's."
            + ("" if _varied(own) else " Without --quick they are; that takes seven minutes on two cores.")
        ]
    done = [r for r in own if r.complete]
    if not done:
        return ["No training has come to its end."]
    if not others:
        return [
            "The committed trainings are in the project's repository: run this in a clone to see yours beside them."
        ]
    varied = [r for r in done if _varied([r])]
    done = [r for r in done if not _varied([r])]
    if not done:
        return ["These trainings are at another rate, net or schedule than the book's: their figures do not compare."]
    short = sorted({r.epochs for r in done if r.spec["epochs"] != EPOCHS})
    if short:
        return [f"Your trainings have {short[0]} epochs, the book's {EPOCHS}: their figures do not compare."]
    inside, figures, outside = 0, 0, []
    groups = by_run(others)
    for record in done:
        finished = [r for r in groups.get(record.spec["run"], []) if r.status == "finished"]
        if record.status != "finished" or not finished:
            continue
        for quantity, label in QUANTITIES:
            values = [r.last(quantity) for r in finished]
            figures += 1
            if min(values) <= record.last(quantity) <= max(values):
                inside += 1
            else:
                outside.append(f"{record.spec['run']}'s {label}")
    words = []
    if figures:
        text = f"Of your {figures} last figures {inside} lie within the range of the committed trainings"
        words.append(text + (f"; outside: {', '.join(outside)}." if outside else "."))
    if varied:
        named = ", ".join(by_run(varied))
        words.append(f"At another rate, net or schedule than the book's, and not compared: {named}.")
    words += [_on_collapse(run, mine, groups.get(run, [])) for run, mine in by_run(done).items() if _collapsed(mine)]
    return [" ".join(words), _on_bits(done, others)] if words else [_on_bits(done, others)]


def as_the_book(record: Record) -> bool:
    """Whether a training's figures compare with the book's: its rate, net, schedule, data and length are the same."""
    return not _varied([record]) and record.spec["epochs"] == EPOCHS and record.spec["limit"] is None


def _varied(records: Sequence[Record]) -> bool:
    """Whether some are at another rate, schedule or net than the book's."""
    settings = [r.spec["settings"] for r in records]
    return any({"lr", "schedule"} & set(each) or each["net"] != "lenet" for each in settings)


def _collapsed(records: Sequence[Record]) -> int:
    return sum(r.status == "collapsed" for r in records)


def _on_collapse(run: str, mine: Sequence[Record], others: Sequence[Record]) -> str:
    how_many = "Your training" if len(mine) == 1 else f"{_collapsed(mine)} of your {len(mine)} trainings"
    said = f"{how_many} of {run} collapsed to guessing"
    if not _collapsed(others):
        return f"{said}, and none of the {len(others)} committed ones did."
    return (
        f"{said}, as {_collapsed(others)} of the {len(others)} committed ones did: at this rate that is one of the "
        "outcomes, not a mistake of yours."
    )


def _on_bits(done: Sequence[Record], others: Sequence[Record]) -> str:
    found: Dict[str, bool] = {}
    for record in done:
        same = same_bits(record, others)
        if same is not None:
            found[f"{record.spec['run']}, seed {record.spec['seed']}"] = same
    if not found:
        return "No committed training has these seeds, so there is none to equal to the last bit."
    equal, apart = [n for n, same in found.items() if same], [n for n, same in found.items() if not same]
    if not apart:
        if len(equal) == 1:
            what = "It" if len(done) == 1 else equal[0]
            return f"{what} equals the committed training of the same seed in every epoch, to the last bit."
        return f"All {len(equal)} equal the committed trainings of the same seeds in every epoch, to the last bit."
    if not equal:
        return (
            "None equals the committed training of its seed to the last bit: another processor, thread count or "
            "version rounds otherwise, and at these rates rounding grows into other trainings."
        )
    return f"{len(equal)} equal the committed trainings to the last bit; {', '.join(apart)} differ by rounding."


def draw_answer(own: Sequence[Record], others: Sequence[Record]) -> Any:
    """Your curves over the committed ones, a row a quantity and a column a run; the published figure as a cross."""
    mine, theirs = by_run([r for r in own if r.epochs]), by_run(others)  # one that failed at once has no curve
    names, styles = list(mine), looks(mine)
    figure, axes = new_figure(len(QUANTITIES), len(names), width=2.3 * len(names) + 0.6, height=2.0, sharex=True)
    for i, (column, name) in enumerate(zip(axes.T, names)):
        for ax, (quantity, label), published in zip(column, QUANTITIES, PUBLISHED.get(name, UNPUBLISHED)):
            for record in theirs.get(name, []):
                ax.plot(_epochs(record), record.history[quantity], color="0.75", lw=0.8)
            for record in mine[name]:
                ax.plot(_epochs(record), record.history[quantity], lw=1.6, **{**styles[name], "marker": ""})
            ax.plot([EPOCHS], [published], "x", color="red", ms=7, mew=2)
            ax.grid(alpha=0.3)
            if i == 0:
                ax.set_ylabel(label)
        column[0].set_title(name, fontsize=9)
        column[-1].set_xlabel("epoch")
    figure.suptitle("yours in colour, the committed trainings grey, the published figure a red cross", fontsize=9)
    return figure


def _epochs(record: Record) -> range:
    return range(1, record.epochs + 1)


def own_and_committed(records: Sequence[Record], reading: str, folder: Path) -> Tuple[List[Record], List[Record]]:
    """The records of a reading, and the committed ones beside them; none where ``folder`` is their own."""
    own = sorted(
        (r for r in records if r.spec["reading"] == reading), key=lambda r: (place_of(r.spec["run"]), r.spec["seed"])
    )
    return own, [] if folder.resolve() == EVIDENCE else committed(reading)
