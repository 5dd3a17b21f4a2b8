"""What ``LRFinder.tune`` found: the rate, its range, and every trial."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional, Sequence, Tuple

from ..errors import RecordError, UsageError
from ..files import body_of, with_digest, write_text

VERSION = 1


@dataclass(frozen=True)
class Trial:
    """One training at one rate, undone afterwards.

    Attributes:
        rate: the schedule's rate.
        updates: how long the trial was to be.
        losses: of each update; where the trial exploded, the last one is not finite or a hundred times the usual.
        score: what it is judged by: the mean loss of its last third, or the validation loss after it; infinite where
            it exploded.
    """

    rate: float
    updates: int
    losses: Tuple[float, ...]
    score: float

    @property
    def outcome(self) -> str:
        """``finished`` or ``exploded``."""
        return "finished" if math.isfinite(self.score) else "exploded"


@dataclass(frozen=True, repr=False)
class TuneResult:
    """The rate that a search by trials found.

    Attributes:
        lr: the rate; None where there is none.
        low, high: the range that the noise of the trials leaves open around their best rate, moved with it where
            longer trainings prefer other rates; the nearest rates that were tried where a validation judged or the
            best lies at an end; None where nothing was tried.
        how: in words, how rate and range were found.
        trials: every :class:`Trial`, in order.
        updates: of the training that the rate is for.
        updates_spent: by the curve and all trials.
        reason: why there is no rate; None where there is one.

    Example:
        >>> trials = [Trial(rate, 3, (2.0, 1.5, loss), loss) for rate, loss in ((0.1, 1.2), (0.2, 1.0))]
        >>> result = TuneResult(0.2, 0.2, 0.2, "the best of two", trials, 100, 6)
        >>> result
        <TuneResult: 0.2 (0.2 … 0.2) for 100 updates; 6 updates spent on a curve and 2 trials>
    """

    lr: Optional[float]
    low: Optional[float]
    high: Optional[float]
    how: str
    trials: Sequence[Trial]
    updates: int
    updates_spent: int
    reason: Optional[str] = None

    def __bool__(self) -> bool:
        return self.lr is not None

    def __repr__(self) -> str:
        spent = f"{self.updates_spent} updates spent on a curve and {len(self.trials)} trials"
        if self.lr is None:
            return f"<TuneResult: no rate, {spent}: {self.reason}>"
        span = "" if self.low is None or self.high is None else f" ({self.low:.3g} … {self.high:.3g})"
        return f"<TuneResult: {self.lr:.3g}{span} for {self.updates} updates; {spent}>"

    @classmethod
    def from_json(cls, path: Any) -> "TuneResult":
        """Read what :meth:`to_json` wrote.

        Raises:
            RecordError: the file holds no result, was altered, or has another version; its name is in the text.
        """
        try:
            body = body_of(Path(path).read_text(encoding="utf-8"), VERSION)
            trials = [
                Trial(**{**each, "losses": tuple(map(float, each["losses"])), "score": float(each["score"])})
                for each in body.pop("trials")
            ]
            return cls(**body, trials=trials)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordError(f"{path}: is not what tune found ({error}). Delete it and tune again") from error

    def to_json(self, path: Any = None) -> str:
        """Everything here as JSON, written to ``path`` where that is given."""
        trials = [
            {**asdict(trial), "losses": [_json(loss) for loss in trial.losses], "score": _json(trial.score)}
            for trial in self.trials
        ]
        body = {**{name: value for name, value in vars(self).items() if name != "trials"}, "trials": trials}
        text = with_digest({**body, "version": VERSION})
        if path is not None:
            write_text(Path(path), text)
        return text

    def to_csv(self, path: Any = None) -> str:
        """A line an update of every trial: trial, rate, update, loss; written to ``path`` where that is given."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("trial", "lr", "update", "loss"))
        for number, trial in enumerate(self.trials, 1):
            writer.writerows((number, repr(trial.rate), i, repr(loss)) for i, loss in enumerate(trial.losses, 1))
        if path is not None:
            write_text(Path(path), stream.getvalue())
        return stream.getvalue()

    def plot(self, ax: Any = None) -> Any:
        """Draw what trials were judged by against their rates, with the choice and its range.

        Args:
            ax: matplotlib axes; default new ones.

        Returns:
            The axes.

        Raises:
            UsageError: there is nothing to draw.
        """
        if not any(math.isfinite(trial.score) for trial in self.trials):
            raise UsageError("no trial to draw: give tune a greater budget, or look at the net and the data")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(7, 5))
        from matplotlib.ticker import FuncFormatter

        good = sorted((t for t in self.trials if math.isfinite(t.score)), key=lambda t: t.rate)
        label = f"{len(self.trials)} trials of {self.trials[0].updates} updates"
        ax.plot([t.rate for t in good], [t.score for t in good], "o-", color="#0072B2", label=label)
        lost = [t.rate for t in self.trials if not math.isfinite(t.score)]
        if lost:
            ax.plot(lost, [max(t.score for t in good)] * len(lost), "x", color="#D55E00", ms=9, mew=2, label="exploded")
        if self.low is not None and self.high is not None:
            label = f"low to high: {self.low:.3g} … {self.high:.3g}"
            ax.axvspan(self.low, self.high, color="#009E73", alpha=0.15, lw=0, label=label)
        if self.lr is not None:
            ax.axvline(self.lr, color="#009E73", ls="--", label=f"chosen: {self.lr:.3g}")
        ax.set_xscale("log")
        rates = sorted({trial.rate for trial in self.trials})
        ax.set_xticks(rates[:: max(1, len(rates) // 8)])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.2g}"))
        ax.minorticks_off()
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss at the end of the trial")
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
        return ax


def _json(value: float) -> Any:
    """JSON has no NaN or infinity: write them as text, which float() reads."""
    return value if math.isfinite(value) else str(value)
